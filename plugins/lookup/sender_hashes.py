# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: sender_hashes
author:
  - claude_code.observability contributors (!UNKNOWN)
short_description: By what the collector knows the senders of telemetry
description:
  - Gives the valid logins of all senders with the hashes of their tokens, as an C(htpasswd) file.
  - The logins of a sender C(ada) are C(ada) with its first token, C(ada~2) with its second, and so on.
options:
  _terms:
    description: None are taken.
    type: list
    elements: str
  directory:
    description: The directory of the secrets, C(stack_secrets_dir).
    type: path
    required: true
"""

EXAMPLES = r"""
- name: How many logins there are
  ansible.builtin.debug:
    msg: "{{ lookup('claude_code.observability.sender_hashes', directory=stack_secrets_dir).splitlines() | length }}"
"""

RETURN = r"""
_raw:
  description: The file, one text.
  type: list
  elements: str
"""

from typing import Any

from ansible.plugins.lookup import LookupBase
from ansible_collections.claude_code.observability.plugins.plugin_utils._secrets_dir import SecretsDir
from ansible_collections.claude_code.observability.plugins.plugin_utils._senders import Senders


class LookupModule(LookupBase):
    def run(self, terms: list[str], variables: Any = None, **kwargs: Any) -> list[str]:
        self.set_options(var_options=variables, direct=kwargs)
        dry = bool((variables or {}).get("ansible_check_mode"))
        return [Senders(SecretsDir(self.get_option("directory"), dry=dry)).hashes()]
