# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of people as keyed hashes, as the collector's redaction processor makes them."""

from __future__ import annotations

import hmac
import secrets

from ansible_collections.claude_code.observability.plugins.plugin_utils._secrets_dir import SecretsDir

FILE = "pseudonyms.key"


def key(directory: SecretsDir) -> str:
    """The key, 256 bits in hex, which the first call makes."""
    with directory.lock():
        found = directory.read(FILE)
        if found is None:
            found = secrets.token_hex(32).encode()
            directory.write(FILE, found)
    return found.decode().strip()


def pseudonym(key_text: str, name: str) -> str:
    """HMAC-SHA256 by the text of the key, in hex."""
    return hmac.new(key_text.encode(), name.encode(), "sha256").hexdigest()
