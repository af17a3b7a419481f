# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: event_rules
author:
  - claude_code.observability contributors (!UNKNOWN)
short_description: Recording rules for Loki that count events and sum their days
description:
  - Gives the rule groups by which Loki's ruler records what alerts and the accounting need from the events.
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
"""

EXAMPLES = r"""
- name: The rule groups as text
  ansible.builtin.debug:
    msg: "{{ query('claude_code.observability.event_rules', late_max='72h', utc_offset='+09:00') | to_nice_yaml }}"
"""

RETURN = r"""
_raw:
  description: The rule groups, as Loki reads them.
  type: list
  elements: dict
"""

from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible_collections.claude_code.observability.plugins.module_utils import _event_rules
from ansible_collections.claude_code.observability.plugins.module_utils._rollups import Calendar


class LookupModule(LookupBase):
    def run(self, terms: list[str], variables: Any = None, **kwargs: Any) -> list[dict[str, Any]]:
        self.set_options(var_options=variables, direct=kwargs)
        try:
            return _event_rules.groups(Calendar.of(self.get_option("late_max"), self.get_option("utc_offset")))
        except ValueError as error:
            raise AnsibleLookupError(str(error)) from error
