# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: usage_report
author:
  - claude_code.observability contributors (!UNKNOWN)
short_description: Cost and use of a period as a page, as JSON and as CSV
description:
  - Makes three texts of the answers that C(playbooks/report.yml) has collected with
    M(claude_code.observability.prometheus_query) and M(claude_code.observability.loki_query).
  - The page is one file of HTML without scripts and without anything from elsewhere. Names are shown as text, whatever
    is in them.
positional: stem
options:
  _input:
    description: The answers.
    type: dict
    required: true
    suboptions:
      title:
        description: What stands above the page.
        type: str
        required: true
      created:
        description: When it was made, as a time with an offset from UTC.
        type: str
        required: true
      days:
        description: How many days the period has.
        type: int
        required: true
      summed:
        description: What the module says of an answer over twice the period. Its first half is the period before.
        type: dict
        required: true
      answers:
        description:
          - The rows of each metric, over both periods, by day, team, and model or type.
          - V(active) are the tokens by developer, one value for each period.
          - With V(people_) before the metric, the same by team and developer. Without these, no developer is shown.
        type: dict
        required: true
      events:
        description: What the events of the C(days) before C(until) add up to, C(sums), or a C(problem).
        type: dict
        required: true
  stem:
    description: The name of the three files, without C(.html), C(.json), C(.csv).
    type: str
    required: true
"""

EXAMPLES = r"""
- name: The report is written
  ansible.builtin.copy:
    content: "{{ item.value }}"
    dest: "{{ item.key }}"
    mode: "0600"
  loop: "{{ answers | claude_code.observability.usage_report('report') | dict2items }}"
"""

RETURN = r"""
_value:
  description: The three texts by their file names.
  type: dict
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.claude_code.observability.plugins.module_utils._report import as_csv, as_json, build
from ansible_collections.claude_code.observability.plugins.plugin_utils._report_page import page


def usage_report(answers: Mapping[str, Any], stem: str) -> dict[str, str]:
    report = build(answers)
    files = {kind: f"{stem}.{kind}" for kind in ("html", "json", "csv")}
    return {
        files["html"]: page(report, files),
        files["json"]: as_json(report),
        files["csv"]: as_csv(answers),
    }


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"usage_report": usage_report}
