# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: dashboards
author:
  - claude_code.observability contributors (!UNKNOWN)
short_description: The dashboards of this collection, ready for Grafana
description:
  - Gives every dashboard of this collection as JSON, written out for the calendar of the stack whose data it shows.
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
from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible_collections.claude_code.observability.plugins.module_utils._rollups import Calendar

DASHBOARDS = Path(__file__).resolve().parents[2] / "roles" / "grafana" / "files" / "dashboards"
FOLDERS = {"general": DASHBOARDS, "people": DASHBOARDS / "people"}


def written_out(file: Path, calendar: Calendar) -> str:
    dashboard = json.loads(file.read_text(encoding="utf-8"))
    return json.dumps(calendar.expand_all(dashboard), indent=2) + "\n"


class LookupModule(LookupBase):
    def run(self, terms: list[str], variables: Any = None, **kwargs: Any) -> list[dict[str, str]]:
        self.set_options(var_options=variables, direct=kwargs)
        try:
            calendar = Calendar.of(self.get_option("late_max"), self.get_option("utc_offset"))
        except ValueError as error:
            raise AnsibleLookupError(str(error)) from error
        return [
            {
                f"{folder}/{file.name}": written_out(file, calendar)
                for folder, path in FOLDERS.items()
                for file in sorted(path.glob("*.json"))
            }
        ]
