# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The only query shapes the dashboards use.

Claude Code sends sums of deltas. They are stored as gauges, so a total is `sum_over_time`: exact on any window, and
windows that touch add up. `rate` and `increase` are wrong on them. Events are exact too, on a path of their own.
"""

from __future__ import annotations

COST = "claude_code_cost_usage_USD"
TOKENS = "claude_code_token_usage_tokens"
SESSIONS = "claude_code_session_count"
ACTIVE_TIME = "claude_code_active_time_total_seconds"
LINES = "claude_code_lines_of_code_count"
COMMITS = "claude_code_commit_count"
PULL_REQUESTS = "claude_code_pull_request_count"
EDIT_DECISIONS = "claude_code_code_edit_tool_decision"

# The other series carry no model: filtered by it, they would vanish.
WITH_MODEL = {COST, TOKENS, LINES}

# By the client's own scope: the service name differs in the desktop application, and can be set by its user.
EVENTS = '{service_name=~".+"} | scope_name="com.anthropic.claude_code.events"'

# Opens a bar at its time stamp instead of closing it there, so the bars cover the range up to now. Grafana has one name
# for Prometheus's step and another for Loki's.
BAR = "[$__interval] offset -$__interval"
EVENT_BAR = "[$__auto] offset -$__auto"
RANGE = "[$__range]"


def over(series: str, window: str, *where: str, filtered_by_model: bool = True) -> str:
    """The sum of each series in a window, for the chosen developers, teams and models."""
    labels = ['developer=~"$developer"', 'team=~"$team"']
    if filtered_by_model and series in WITH_MODEL:
        labels.append('model=~"$model"')
    return f"sum_over_time({series}{{{', '.join([*labels, *where])}}}{window})"


def total(series: str, *where: str, by: str = "", filtered_by_model: bool = True) -> str:
    """What the range holds; an instant query."""
    return f"{_sum(by)}({over(series, RANGE, *where, filtered_by_model=filtered_by_model)})"


def bars(series: str, *where: str, by: str = "") -> str:
    """What each step holds; a range query whose step is the interval."""
    return f"{_sum(by)}({over(series, BAR, *where)})"


def share(series: str, part: str, *where: str) -> str:
    """The part of a total, 0 to 1. Without the zeros it would be empty, not 0, where the part never occurred."""
    whole = over(series, RANGE, *where)
    return f"sum({over(series, RANGE, *where, part)} or 0 * {whole}) / sum({whole})"


def events(*names: str) -> str:
    """The events of the chosen developers and teams. No model: an event names the model that answered, which need
    not be the one that was asked for, as the metrics have it."""
    return f'{EVENTS} | event_name=~"{"|".join(names)}" | developer=~"$developer" | team=~"$team"'


def event_count(*names: str, by: str = "", window: str = RANGE) -> str:
    return f"{_sum(by)}(count_over_time({events(*names)} {window}))"


def event_total(field: str) -> str:
    """The sum of a numeric attribute of the API requests in the range."""
    return f"sum(sum_over_time({events('api_request')} | unwrap {field} {RANGE}))"


def _sum(by: str) -> str:
    return f"sum by ({by}) " if by else "sum"
