# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: sender
author:
  - claude_code.observability contributors (!UNKNOWN)
short_description: With what a sender of telemetry logs in to the collector
description:
  - Gives the newest token of senders. Senders that are not there yet are made; in check mode without writing them.
  - The tokens lie in C(senders.json) in O(directory) on the controller.
options:
  _terms:
    description:
      - Names of senders, each of 1 to 64 of C(A-Z a-z 0-9 . _ @ + -). That of an agent has C(agent/) in front.
      - A revoked one is refused.
    type: list
    elements: str
    required: true
  directory:
    description: The directory of the secrets, C(stack_secrets_dir).
    type: path
    required: true
"""

EXAMPLES = r"""
- name: A machine that builds may send
  ansible.builtin.copy:
    content: "{{ lookup('claude_code.observability.sender', 'ci', directory=stack_secrets_dir).header }}"
    dest: /etc/ci/telemetry-credential
    mode: "0600"
  no_log: true
"""

RETURN = r"""
_raw:
  description:
    - For each sender a dictionary of C(login), C(token) and C(header).
    - The header is the value of C(Authorization) in requests, C(Basic) and login and token in base64.
  type: list
  elements: dict
"""

from typing import Any

from ansible.plugins.lookup import LookupBase
from ansible_collections.claude_code.observability.plugins.plugin_utils._secrets_dir import SecretsDir
from ansible_collections.claude_code.observability.plugins.plugin_utils._senders import Senders


class LookupModule(LookupBase):
    def run(self, terms: list[str], variables: Any = None, **kwargs: Any) -> list[dict[str, str]]:
        self.set_options(var_options=variables, direct=kwargs)
        dry = bool((variables or {}).get("ansible_check_mode"))
        return Senders(SecretsDir(self.get_option("directory"), dry=dry)).credentials(terms)
