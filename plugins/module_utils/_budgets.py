# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Budgets by day and month, for all, by team and by developer: what was spent, what may be, and the alert."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.claude_code.observability.plugins.module_utils._rollups import BY_SERIES, Calendar

COST = BY_SERIES["claude_code_cost_usage_USD"]
SPEND = "claude_code_spend:usd"
BUDGET = "claude_code_budget:usd"

# The scopes, the label each goes by, the rollup that has it, and the key that gives single ones a budget of their own.
LABELS = {"total": "", "team": "team", "developer": "developer"}
ROLLUPS = {"total": COST.by_team, "team": COST.by_team, "developer": COST.by_developer}
NAMED = {"teams": "team", "developers": "developer"}
PERIODS = ("daily", "monthly")

DESCRIPTION = (
    '{{ if eq $labels.scope "total" }}All teams together'
    '{{ else if eq $labels.scope "team" }}The team {{ or $labels.team "(none)" }}'
    '{{ else }}{{ or $labels.developer "A client without a developer name" }}{{ end }}'
    ' spent {{ printf "%.2f" $value }} USD {{ if eq $labels.period "daily" }}today{{ else }}this month{{ end }},'
    " and the budget is "
    f'{{{{ range query (printf "{BUDGET}{{scope=%q, period=%q, team=%q, developer=%q}}"'
    ' $labels.scope $labels.period (or $labels.team "") (or $labels.developer "")) }}'
    '{{ printf "%.2f" .Value }}{{ end }} USD. Days and months are those of <<zone>>.'
)


@dataclass(frozen=True)
class Budget:
    """What may be spent in a period: by everyone of a scope, or by the one that is named."""

    scope: str
    period: str
    usd: float
    name: str | None = None


def parse(budgets: Mapping[str, Any]) -> list[Budget]:
    """The variable `prometheus_budgets`. Raises ValueError, naming the key, what it holds and what it may hold."""
    found: list[Budget] = []
    for key, value in budgets.items():
        where = f"prometheus_budgets.{key}"
        if key in LABELS:
            found += _limits(where, key, value)
        elif key in NAMED:
            for name, limits in _mapping(where, value, "budgets by name").items():
                found += _limits(f"{where}.{name}", NAMED[key], limits, str(name))
        else:
            raise ValueError(f"{where} is not known; budgets are for {', '.join([*LABELS, *NAMED])}.")
    return found


def _limits(where: str, scope: str, value: Any, name: str | None = None) -> list[Budget]:
    found = []
    for period, usd in _mapping(where, value, "daily and monthly").items():
        if period not in PERIODS:
            raise ValueError(f"{where}.{period} is not known; a budget is {' or '.join(PERIODS)}.")
        try:
            number = float(usd)
        except (TypeError, ValueError):
            number = 0
        if not 0 < number < float("inf") or isinstance(usd, bool):
            raise ValueError(f"{where}.{period} is {usd!r}; write US dollars, a number above 0.")
        found.append(Budget(scope, period, number, name))
    return found


def _mapping(where: str, value: Any, content: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError(f"{where} is {value!r}; write a mapping of {content}.")
    return value


def group(calendar: Calendar, budgets: list[Budget]) -> dict[str, Any]:
    """The rule group: what was spent and may be, by scope and period, and the alert where the first is more."""
    rules: list[dict[str, Any]] = []
    for scope, period in sorted({(budget.scope, budget.period) for budget in budgets}):
        labels = {"scope": scope, "period": period}
        rules.append({"record": SPEND, "labels": labels, "expr": spend(calendar, scope, period)})
        chosen = [budget for budget in budgets if (budget.scope, budget.period) == (scope, period)]
        names = [budget.name for budget in chosen if budget.name is not None]
        rules.append(
            {"record": BUDGET, "labels": labels, "expr": " or ".join(_allowed(each, names) for each in chosen)}
        )
    rules.append(
        {
            "alert": "ClaudeCodeBudgetExceeded",
            "expr": f"{SPEND} > {BUDGET}",
            "labels": {"severity": "warning"},
            "annotations": {"summary": "Claude Code cost more than its budget", "description": DESCRIPTION},
        }
    )
    return {"name": "claude-code-budgets", "interval": "5m", "rules": rules}


def _allowed(budget: Budget, names: list[str]) -> str:
    """The budget for everybody it is for and who spent something: the labels must be those of what was spent."""
    matchers = [f'scope="{budget.scope}"', f'period="{budget.period}"']
    label = LABELS[budget.scope]
    if budget.name is not None:
        matchers.append(f"{label}={json.dumps(budget.name)}")
    else:
        matchers += [f"{label}!={json.dumps(name)}" for name in names]
    return f"0 * {SPEND}{{{', '.join(matchers)}}} + {budget.usd:g}"


def spend(calendar: Calendar, scope: str, period: str) -> str:
    """What was spent today, or since the first of the month."""
    label, rollup = LABELS[scope], ROLLUPS[scope]
    if period == "daily":
        return f'sum by ({label}) (last_over_time({rollup}{{zone="{calendar.zone}", age="0"}}[10m]))'
    # Each day of the last 31 gets its month as a label. In the subquery a day's step is its date at midnight UTC.
    by_day = f"sum by ({label}) ({calendar.days(rollup)})"
    by_month = f'{by_day} * on () group_left (month) count_values("month", month(vector(time())))'
    this_month = f'count_values("month", month(vector(time() + {calendar.utc_offset})))'
    months = f"sum_over_time(({by_month})[31d:1d] {calendar.midnight})"
    return f"sum by ({label}) ({months} and on (month) {this_month})"
