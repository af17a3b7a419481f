# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: dashboards
author:
  - claude_code.observability contributors (!UNKNOWN)
short_description: The dashboards of this collection, ready for Grafana
extends_documentation_fragment:
  - claude_code.observability.calendar
description:
  - Gives every dashboard of this collection as JSON, written out for the calendar of the stack whose data it shows.
options:
  _terms:
    description: None are taken.
    type: list
    elements: str
"""

EXAMPLES = r"""
- name: The names of the dashboards
  ansible.builtin.debug:
    msg: "{{ lookup('claude_code.observability.dashboards', late_max='72h', utc_offset='+09:00').keys() }}"
"""

RETURN = r"""
_raw:
  description:
    - One dictionary, the path of each dashboard to its JSON.
    - A path begins with C(general/), or with C(people/) where single people are shown.
  type: list
  elements: dict
"""

import json
from pathlib import Path

from ansible_collections.claude_code.observability.plugins.module_utils._rollups import Calendar
from ansible_collections.claude_code.observability.plugins.plugin_utils._calendar_lookup import CalendarLookup

DASHBOARDS = Path(__file__).resolve().parents[2] / "roles" / "grafana" / "files" / "dashboards"
FOLDERS = {"general": DASHBOARDS, "people": DASHBOARDS / "people"}


def written_out(file: Path, calendar: Calendar) -> str:
    dashboard = json.loads(file.read_text(encoding="utf-8"))
    return json.dumps(calendar.expand_all(dashboard), indent=2) + "\n"


class LookupModule(CalendarLookup):
    def written_out(self, terms: list[str], calendar: Calendar) -> list[dict[str, str]]:
        return [
            {
                f"{folder}/{file.name}": written_out(file, calendar)
                for folder, path in FOLDERS.items()
                for file in sorted(path.glob("*.json"))
            }
        ]
