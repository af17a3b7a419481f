# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: whole_days
author:
  - claude_code.observability contributors (!UNKNOWN)
short_description: Writes out the parts of an expression that depend on the calendar of the stack
extends_documentation_fragment:
  - claude_code.observability.calendar
description:
  - Replaces C(<<days SELECTOR>>), one value for each selected rollup and day, C(<<midnight>>), the offset of a subquery
    over days, and C(<<zone>>), the day's boundary for people.
  - The rules that write the rollups come from the lookup P(claude_code.observability.rollup_rules#lookup).
positional: late_max, utc_offset
options:
  _input:
    description: A text, or lists and dictionaries of texts.
    type: raw
    required: true
"""

EXAMPLES = r"""
- name: The cost of the last 30 whole days
  ansible.builtin.debug:
    msg: >-
      {{ 'sum(sum_over_time(<<days team:claude_code_cost:day>>[30d:1d] <<midnight>>))'
         | claude_code.observability.whole_days('72h', '+09:00') }}
"""

RETURN = r"""
_value:
  description: The same with the parts written out.
  type: raw
"""

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.claude_code.observability.plugins.module_utils._rollups import Calendar


def whole_days(value: Any, late_max: str, utc_offset: str) -> Any:
    try:
        return Calendar.of(late_max, utc_offset).expand_all(value)
    except ValueError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"whole_days": whole_days}
