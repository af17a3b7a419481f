# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: doctor_rows
author:
  - claude_code.observability contributors (!UNKNOWN)
short_description: One row for each user that M(claude_code.observability.claude_settings_info) looked at
description:
  - Turns the results of several hosts into rows, for a table and for machines.
options:
  _input:
    description: The results of the module by host.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: The users whose telemetry is broken
  ansible.builtin.debug:
    msg: "{{ {'laptop': doctor} | claude_code.observability.doctor_rows | selectattr('severity', 'equalto', 'error') }}"
"""

RETURN = r"""
_value:
  description: >-
    Rows with C(host), C(user), C(cause), C(severity), C(where) and the rest of what the module returns for a user. A
    host that gave no result has one row with the cause V(unreachable) or V(failed).
  type: list
  elements: dict
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.claude_code.observability.plugins.plugin_utils._doctor_report import rows


class FilterModule:
    def filters(self) -> dict[str, Callable[[Mapping[str, Mapping[str, Any]]], list[dict[str, Any]]]]:
        return {"doctor_rows": rows}
