# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: certificate
author:
  - claude_code.observability contributors (!UNKNOWN)
short_description: A host's certificate of the stack's own authority
description:
  - Issues and keeps the certificates by which the components of a stack know each other.
  - The authority (ECDSA P-256, ten years) and the certificates (397 days) lie in O(directory) on the controller.
    What is missing is made; in check mode without writing it.
  - A certificate serves as server and as client. It is made anew when a third of its time is left, when O(names) are
    others, or when the authority is another.
options:
  _terms:
    description: Names of hosts in the inventory. Without any the answer is the certificate of the authority.
    type: list
    elements: str
  names:
    description: DNS names and IP addresses by which the host is reached. Empty ones are left out.
    type: list
    elements: str
    default: []
  directory:
    description: The directory of the secrets, C(stack_secrets_dir).
    type: path
    required: true
"""

EXAMPLES = r"""
- name: The authority that clients trust
  ansible.builtin.copy:
    content: "{{ lookup('claude_code.observability.certificate', directory=stack_secrets_dir) }}"
    dest: /etc/claude-code-ca.pem
    mode: "0644"
"""

RETURN = r"""
_raw:
  description:
    - For each host a dictionary of C(certificate), its private C(key) and the authority's certificate C(ca), in PEM.
    - Without a host, the authority's certificate alone, a string.
  type: list
  elements: raw
"""

from typing import Any

from ansible.plugins.lookup import LookupBase
from ansible_collections.claude_code.observability.plugins.plugin_utils._certificates import authority, host_certificate
from ansible_collections.claude_code.observability.plugins.plugin_utils._secrets_dir import SecretsDir


class LookupModule(LookupBase):
    def run(self, terms: list[str], variables: Any = None, **kwargs: Any) -> list[Any]:
        self.set_options(var_options=variables, direct=kwargs)
        secrets = SecretsDir(self.get_option("directory"), dry=bool((variables or {}).get("ansible_check_mode")))
        if not terms:
            return [authority(secrets)]
        return [host_certificate(secrets, host, self.get_option("names")) for host in terms]
