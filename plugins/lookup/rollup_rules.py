# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: rollup_rules
author:
  - claude_code.observability contributors (!UNKNOWN)
short_description: Recording rules that sum whole days
description:
  - Gives the rule groups that write the sum of each day, for panels over months.
  - The filter P(claude_code.observability.whole_days#filter) writes expressions that read them.
options:
  _terms:
    description: None are taken.
    type: list
    elements: str
  late_max:
    description: How late data may arrive and still be summed exactly, in whole hours such as V(72h).
    type: str
    required: true
  utc_offset:
    description: Where the day begins, as an offset from UTC such as V(+09:00).
    type: str
    required: true
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

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible_collections.claude_code.observability.plugins.module_utils._rollups import Calendar


class LookupModule(LookupBase):
    def run(self, terms: list[str], variables: Any = None, **kwargs: Any) -> list[dict[str, Any]]:
        self.set_options(var_options=variables, direct=kwargs)
        try:
            calendar = Calendar.of(self.get_option("late_max"), self.get_option("utc_offset"))
        except ValueError as error:
            raise AnsibleLookupError(str(error)) from error
        run = self.get_option("repair")
        return calendar.repair_groups(run) if run else calendar.groups()
