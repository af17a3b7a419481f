# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: secret
author:
  - claude_code.observability contributors (!UNKNOWN)
short_description: A password that is made once and kept on the controller
description:
  - Keeps a random text of 256 bits in a file of mode 0600 in O(directory).
  - One that is missing is made; in check mode without writing it.
options:
  _terms:
    description: Names of files.
    type: list
    elements: str
    required: true
  directory:
    description: The directory of the secrets, C(stack_secrets_dir).
    type: path
    required: true
  create:
    description: Whether one that is missing is made. If not, the answer is empty.
    type: bool
    default: true
"""

EXAMPLES = r"""
- name: Grafana's login works
  ansible.builtin.uri:
    url: https://grafana.example.com/api/user
    url_username: admin
    url_password: "{{ lookup('claude_code.observability.secret', 'grafana_admin_password', directory=directory) }}"
    force_basic_auth: true
  vars:
    directory: "{{ stack_secrets_dir }}"
"""

RETURN = r"""
_raw:
  description: The texts.
  type: list
  elements: str
"""

import secrets
from typing import Any

from ansible.plugins.lookup import LookupBase
from ansible_collections.claude_code.observability.plugins.plugin_utils._secrets_dir import SecretsDir

BYTES = 32


class LookupModule(LookupBase):
    def run(self, terms: list[str], variables: Any = None, **kwargs: Any) -> list[str]:
        self.set_options(var_options=variables, direct=kwargs)
        place = SecretsDir(self.get_option("directory"), dry=bool((variables or {}).get("ansible_check_mode")))
        return [self._secret(place, name) for name in terms]

    def _secret(self, place: SecretsDir, name: str) -> str:
        kept = place.read(name)
        if kept is None and self.get_option("create"):
            with place.lock():
                # Another fork may have been faster.
                kept = place.read(name)
                if kept is None:
                    kept = secrets.token_urlsafe(BYTES).encode()
                    place.write(name, kept)
        return (kept or b"").decode().strip()
