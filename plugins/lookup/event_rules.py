# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: event_rules
author:
  - claude_code.observability contributors (!UNKNOWN)
short_description: Recording rules for Loki that count events and sum their days
extends_documentation_fragment:
  - claude_code.observability.calendar
description:
  - Gives the rule groups by which Loki's ruler records what alerts and the accounting need from the events.
options:
  _terms:
    description: None are taken.
    type: list
    elements: str
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

from ansible_collections.claude_code.observability.plugins.module_utils import _event_rules
from ansible_collections.claude_code.observability.plugins.module_utils._rollups import Calendar
from ansible_collections.claude_code.observability.plugins.plugin_utils._calendar_lookup import CalendarLookup


class LookupModule(CalendarLookup):
    def written_out(self, terms: list[str], calendar: Calendar) -> list[dict[str, Any]]:
        return _event_rules.groups(calendar)
