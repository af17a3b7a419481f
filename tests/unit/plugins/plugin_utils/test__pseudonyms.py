# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import stat
from pathlib import Path

from ansible_collections.claude_code.observability.plugins.plugin_utils._pseudonyms import FILE, key, pseudonym
from ansible_collections.claude_code.observability.plugins.plugin_utils._secrets_dir import SecretsDir


def test_a_key_is_made_once_and_closed_to_others(tmp_path: Path) -> None:
    secrets = SecretsDir(str(tmp_path / "secrets"))
    made = key(secrets)
    assert len(made) == 64 and int(made, 16) >= 0
    assert key(secrets) == made
    assert stat.S_IMODE((tmp_path / "secrets" / FILE).stat().st_mode) == 0o600


def test_check_mode_writes_no_key(tmp_path: Path) -> None:
    secrets = SecretsDir(str(tmp_path / "secrets"), dry=True)
    assert key(secrets) == key(secrets)
    assert not (tmp_path / "secrets").exists()


def test_a_pseudonym_is_the_hmac_of_the_name() -> None:
    """By `printf %s ada | openssl dgst -sha256 -hmac 0123`."""
    assert pseudonym("0123", "ada") == "7104384f8be6b701080470f2b1f0b9a5e9847b8ec6e1f19d8b7a5e71f3ffb1d2"
    assert pseudonym("0124", "ada") != pseudonym("0123", "ada") != pseudonym("0123", "ADA")
