# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: certificate_problem
author:
  - claude_code.observability contributors (!UNKNOWN)
short_description: What is wrong with a certificate and its key
positional: key, name
description:
  - Judges the certificate that a user gives for a host, before it is put in force.
options:
  _input:
    description: The certificate in PEM, which others may follow.
    type: str
    required: true
  key:
    description: Its private key in PEM.
    type: str
    required: true
  name:
    description: The name or address that the host is called by.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: The certificate can be used
  ansible.builtin.assert:
    that: stack_tls_certificate | claude_code.observability.certificate_problem(stack_tls_key, 'otel.example.com') == ''
"""

RETURN = r"""
_value:
  description: The problem, with the variable and what to do. Empty if there is none.
  type: str
"""

from collections.abc import Callable

from ansible_collections.claude_code.observability.plugins.plugin_utils._certificates import problem_of


class FilterModule:
    def filters(self) -> dict[str, Callable[[str, str, str], str]]:
        return {"certificate_problem": problem_of}
