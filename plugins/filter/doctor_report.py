# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: doctor_report
author:
  - claude_code.observability contributors (!UNKNOWN)
short_description: What M(claude_code.observability.claude_settings_info) found, for people
description:
  - For each user the verdict, then what else was found, where telemetry goes, and each variable with its source.
  - It is one text with the result format V(yaml) of the default callback, and a list of lines otherwise.
positional: host
options:
  _input:
    description: The result of the module.
    type: dict
    required: true
  host:
    description: The name of the host, for the heading.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: The verdict and what it rests on
  ansible.builtin.debug:
    msg: "{{ doctor | claude_code.observability.doctor_report(inventory_hostname) }}"
"""

RETURN = r"""
_value:
  description: The report, a text or a list of lines.
  type: raw
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.claude_code.observability.plugins.plugin_utils._doctor_report import report
from ansible_collections.claude_code.observability.plugins.plugin_utils._shown import shown


def doctor_report(result: Mapping[str, Any], host: str) -> str | list[str]:
    """The report in the form that the result format of the callback keeps."""
    return shown(report(result, host))


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"doctor_report": doctor_report}
