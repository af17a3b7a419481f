# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: certificate_end
author:
  - claude_code.observability contributors (!UNKNOWN)
short_description: When a certificate ends
description:
  - Reads until when a certificate is valid. What is no certificate in PEM is an error.
options:
  _input:
    description: The certificate in PEM, which others may follow.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: The certificate lasts for another month
  ansible.builtin.assert:
    that: stack_tls_certificate | claude_code.observability.certificate_end > now(utc=true).timestamp() + 30 * 86400
"""

RETURN = r"""
_value:
  description: The end in seconds since 1970.
  type: int
"""

from collections.abc import Callable

from ansible_collections.claude_code.observability.plugins.plugin_utils._certificates import end_of


class FilterModule:
    def filters(self) -> dict[str, Callable[[str], int]]:
        return {"certificate_end": end_of}
