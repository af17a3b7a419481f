# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: pseudonym
author:
  - claude_code.observability contributors (!UNKNOWN)
short_description: What a name is called where stack_pseudonyms is set
description:
  - The HMAC-SHA256 of a name, by the key C(pseudonyms.key) in O(directory) on the controller, as the collector makes
    it.
  - A key that is missing is made; in check mode without writing it.
options:
  _terms:
    description: Names, such as those of developers and laptops. Without any the answer is the key, which is a secret.
    type: list
    elements: str
  directory:
    description: The directory of the secrets, C(stack_secrets_dir).
    type: path
    required: true
"""

EXAMPLES = r"""
- name: Who is behind a pseudonym
  ansible.builtin.debug:
    msg: "{{ dict(query('claude_code.observability.pseudonym', *people, directory=stack_secrets_dir) | zip(people)) }}"
  vars:
    people: [ada, grace]
"""

RETURN = r"""
_raw:
  description: For each name 64 hexadecimal digits. Without a name the key.
  type: list
  elements: str
"""

from typing import Any

from ansible.plugins.lookup import LookupBase
from ansible_collections.claude_code.observability.plugins.plugin_utils._pseudonyms import key, pseudonym
from ansible_collections.claude_code.observability.plugins.plugin_utils._secrets_dir import SecretsDir


class LookupModule(LookupBase):
    def run(self, terms: list[str], variables: Any = None, **kwargs: Any) -> list[str]:
        self.set_options(var_options=variables, direct=kwargs)
        secret = key(SecretsDir(self.get_option("directory"), dry=bool((variables or {}).get("ansible_check_mode"))))
        return [pseudonym(secret, str(name)) for name in terms] if terms else [secret]
