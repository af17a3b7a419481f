# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: alert_rules
author:
  - claude_code.observability contributors (!UNKNOWN)
short_description: Alert rules for Prometheus, complete
extends_documentation_fragment:
  - claude_code.observability.calendar
description:
  - Takes rule groups and writes out what depends on the calendar of the stack, gives every alert a link to its runbook,
    and adds the group that compares what was spent with the budgets.
options:
  _terms:
    description: Rule groups, whose expressions may carry C(<<versions below X>>) and C(<<models [LIST]>>) as patterns.
    type: list
    elements: dict
  budgets:
    description: What may be spent, as O(ignore:prometheus_budgets) of the role prometheus says it.
    type: dict
    default: {}
  runbooks:
    description: The page of the runbooks. Each alert has a heading of its name there.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: The group of a budget
  ansible.builtin.debug:
    msg: "{{ query('claude_code.observability.alert_rules', budgets={'team': {'daily': 50}}, runbooks='https://example.com/runbooks',
                   late_max='72h', utc_offset='+09:00') }}"
"""

RETURN = r"""
_raw:
  description: The rule groups, as Prometheus reads them.
  type: list
  elements: dict
"""

from typing import Any

from ansible_collections.claude_code.observability.plugins.module_utils import _alert_rules
from ansible_collections.claude_code.observability.plugins.module_utils._rollups import Calendar
from ansible_collections.claude_code.observability.plugins.plugin_utils._calendar_lookup import CalendarLookup


class LookupModule(CalendarLookup):
    def written_out(self, terms: list[dict[str, Any]], calendar: Calendar) -> list[dict[str, Any]]:
        return _alert_rules.groups(terms, calendar, self.get_option("budgets"), self.get_option("runbooks"))
