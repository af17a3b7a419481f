# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The variable of the budgets. That the rules find what was spent is shown in tests/integration/alerts."""

from __future__ import annotations

import re
from typing import Any

import pytest
from ansible_collections.claude_code.observability.plugins.module_utils._budgets import BUDGET, Budget, group, parse
from ansible_collections.claude_code.observability.plugins.module_utils._rollups import Calendar


def test_budgets_of_all_scopes() -> None:
    assert parse(
        {
            "total": {"monthly": 2000},
            "team": {"daily": "50", "monthly": 900.5},
            "teams": {"web": {"daily": 80}},
            "developers": {"ada": {"monthly": 600}},
        }
    ) == [
        Budget("total", "monthly", 2000),
        Budget("team", "daily", 50),
        Budget("team", "monthly", 900.5),
        Budget("team", "daily", 80, "web"),
        Budget("developer", "monthly", 600, "ada"),
    ]


@pytest.mark.parametrize(
    ("budgets", "message"),
    [
        ({"tema": {"daily": 1}}, "prometheus_budgets.tema is not known; budgets are for total, team, developer, teams"),
        ({"team": {"weekly": 1}}, "prometheus_budgets.team.weekly is not known; a budget is daily or monthly"),
        ({"total": {"daily": -5}}, "prometheus_budgets.total.daily is -5; write US dollars, a number above 0"),
        ({"total": {"daily": True}}, "prometheus_budgets.total.daily is True; write US dollars"),
        ({"total": {"daily": "50 USD"}}, "prometheus_budgets.total.daily is '50 USD'; write US dollars"),
        ({"teams": {"web": 80}}, "prometheus_budgets.teams.web is 80; write a mapping of daily and monthly"),
        ({"teams": ["web"]}, "prometheus_budgets.teams is ['web']; write a mapping of budgets by name"),
    ],
)
def test_what_cannot_be_is_named(budgets: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        parse(budgets)


def test_a_named_budget_takes_the_place_of_the_general_one() -> None:
    rules = group(Calendar(), parse({"team": {"daily": 50}, "teams": {'web "2"': {"daily": 80}}}))["rules"]
    (budget,) = (rule["expr"] for rule in rules if rule.get("record") == BUDGET)
    assert r'team!="web \"2\""} + 50 or ' in budget
    assert budget.endswith(r'team="web \"2\""} + 80')
