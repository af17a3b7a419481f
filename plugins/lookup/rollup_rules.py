# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: rollup_rules
author:
  - claude_code.observability contributors (!UNKNOWN)
short_description: Recording rules that sum whole days
extends_documentation_fragment:
  - claude_code.observability.calendar
description:
  - Gives the rule groups that write the sum of each day, for panels over months.
  - The filter P(claude_code.observability.whole_days#filter) writes expressions that read them.
options:
  _terms:
    description: None are taken.
    type: list
    elements: str
  repair:
    description:
      - Gives rules that write the days of the past, for C(promtool tsdb create-blocks-from rules), instead of those
        that write the days that are still open.
      - A name for the run, such as its time. A second run needs another one.
    type: str
"""

EXAMPLES = r"""
- name: The rule groups as text
  ansible.builtin.debug:
    msg: "{{ {'groups': __groups} | to_nice_yaml }}"
  vars:
    __groups: "{{ query('claude_code.observability.rollup_rules', late_max='72h', utc_offset='+09:00') }}"
"""

RETURN = r"""
_raw:
  description: The rule groups, as Prometheus reads them.
  type: list
  elements: dict
"""

from typing import Any

from ansible_collections.claude_code.observability.plugins.module_utils._rollups import Calendar
from ansible_collections.claude_code.observability.plugins.plugin_utils._calendar_lookup import CalendarLookup


class LookupModule(CalendarLookup):
    def written_out(self, terms: list[str], calendar: Calendar) -> list[dict[str, Any]]:
        run = self.get_option("repair")
        return calendar.repair_groups(run) if run else calendar.groups()
