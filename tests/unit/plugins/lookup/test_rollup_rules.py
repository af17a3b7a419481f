# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleError
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import lookup_loader
from ansible.template import Templar

NAME = "claude_code.observability.rollup_rules"


def ask(**options: Any) -> list[dict[str, Any]]:
    lookup = lookup_loader.get(NAME, loader=DataLoader(), templar=Templar(DataLoader()))
    return lookup.run([], variables={}, **options)


def test_groups_are_given() -> None:
    today, days = ask(late_max="1h", utc_offset="+0900")
    assert today["rules"][0] == {
        "record": "developer:claude_code_cost:day",
        "labels": {"age": "0", "per": "day", "zone": "UTC+09:00"},
        "expr": (
            "sum_over_time((sum by (job, team, developer, model, vcs_repository_name) "
            "(sum_over_time(claude_code_cost_usage_USD[1d] offset -54000s)))[1d:1d] offset -32400s)"
        ),
    }
    assert days["rules"][1]["record"] == "team:claude_code_cost:day"
    assert days["rules"][1]["expr"] == (
        "sum_over_time((sum by (job, team, model, query_source, agent_name, skill_name, vcs_repository_name) "
        "(sum_over_time(claude_code_cost_usage_USD[1d] offset -54000s)))[1d:1d] offset 54000s)"
    )


def test_the_groups_of_a_repair_are_given() -> None:
    (group,) = ask(late_max="1h", utc_offset="Z", repair="7")
    assert group["name"] == "claude-code-repair-7"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"late_max": "3d", "utc_offset": "Z"}, "stack_late_max is 3d"),
        ({"late_max": "72h", "utc_offset": -600}, "stack_utc_offset is -600"),
    ],
)
def test_a_wrong_value_is_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(AnsibleError, match=message):
        ask(**options)
