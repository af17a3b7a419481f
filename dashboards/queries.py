# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The only query shapes the dashboards use.

Claude Code sends sums of deltas. They are stored as gauges, so a total is `sum_over_time`: exact on any window, and
windows that touch add up. `rate` and `increase` are wrong on them. Events are exact too, on a path of their own.

A range that the raw samples serve in time reads them, a longer one the sums of whole days that rules record. Every
metric query has both sides; the dashboard variable `per` lets only one of them match anything. The texts in << >> are
written out when the dashboards are deployed (see plugins/module_utils/_rollups.py).
"""

from __future__ import annotations

from dataclasses import dataclass

from plugins.module_utils._rollups import BY_SERIES
from plugins.module_utils._rollups import STARTED as STARTED

COST = "claude_code_cost_usage_USD"
TOKENS = "claude_code_token_usage_tokens"
SESSIONS = "claude_code_session_count"
ACTIVE_TIME = "claude_code_active_time_total_seconds"
LINES = "claude_code_lines_of_code_count"
COMMITS = "claude_code_commit_count"
PULL_REQUESTS = "claude_code_pull_request_count"
EDIT_DECISIONS = "claude_code_code_edit_tool_decision"

# By the client's own scope: the service name differs in the desktop application, and can be set by its user.
EVENTS = '{service_name=~".+"} | scope_name="com.anthropic.claude_code.events"'

# Which side of a query finds something: as the range asks for, or the sums of whole days however short it is, or raw
# samples however long it is (few of them: those of one session, say).
BY_RANGE = 'per=~"$per"'
WHOLE_DAYS = 'per="day"'
SAMPLES = 'per=""'

NONE = "none"
RANGE = "[$__range]"
# Opens a bar at its time stamp instead of closing it there, so the bars cover the range up to now. Grafana has one name
# for Prometheus's step and another for Loki's, which does not read a negative offset of days.
BAR = "[$__interval] offset -$__interval"
EVENT_BAR = "[$__auto] offset -${__interval_ms}ms"


@dataclass(frozen=True)
class Scope:
    """Whom and what a dashboard is about: its variables, by the label each of them filters."""

    variables: tuple[str, ...]

    @property
    def people(self) -> bool:
        """Whether it shows single developers."""
        return "developer" in self.variables

    def matchers(self, series: str) -> list[str]:
        """The variables whose label the series carries; filtered by another, it would vanish."""
        labels = {"developer", "team", *BY_SERIES[series].labels}
        return [f'{name}=~"${name}"' for name in self.variables if name in labels]

    def event_matchers(self) -> str:
        """No model: an event names the model that answered, which need not be the one asked for."""
        return "".join(f" | {one_of(name, f'${name}')}" for name in self.variables if name != "model")


TEAMS = Scope(("team", "model", "vcs_repository_name"))
# The events name the model that answered, the metrics the one asked for.
ALL_MODELS = Scope(("team", "vcs_repository_name"))
STACK = Scope(())
PEOPLE = Scope(("team", "developer", "model", "vcs_repository_name"))


class Metric:
    """Totals of one metric, for the chosen part of the company."""

    def __init__(self, series: str, *where: str, scope: Scope = TEAMS, per: str = BY_RANGE) -> None:
        self.scope = scope
        rollup = BY_SERIES[series]
        matchers = ", ".join([*scope.matchers(series), *where, per])
        self._raw = f"{series}{{{matchers}}}"
        self._all_days = f"{rollup.by_developer}{{{matchers}}}"
        self._days = f"{rollup.by_developer if scope.people else rollup.by_team}{{{matchers}}}"

    def total(self, by: str = "") -> str:
        """What the range holds; an instant query."""
        return _either(
            self.exact(by),
            f"sum_over_time(({self._of(by)})[$__range:1d] <<midnight>>)",
        )

    def exact(self, by: str = "") -> str:
        """The same by a label that the sums of whole days lack; empty for a range that reads those."""
        return f"{_sum(by)}(sum_over_time({self._raw}{RANGE}))"

    def before(self, by: str = "") -> str:
        """What the range of the same length before it held."""
        return _either(
            f"{_sum(by)}(sum_over_time({self._raw}{RANGE} offset $__range))",
            self._shifted(by, "[$__range:1d] offset $__range", "[1ms:1ms]"),
        )

    def bars(self, by: str = "") -> tuple[str, str]:
        """What each step holds: from raw samples, and from whole days; range queries whose step is the interval."""
        return (
            named(f"{_sum(by)}(sum_over_time({self._raw}{BAR}))", by),
            # Whole days apart, these need no finer point, and a range query would evaluate every millisecond.
            named(self._shifted(by, "[$__interval:1d] offset -$__interval", "[1d:1d]"), by),
        )

    def count(self, label: str, by: str = "") -> str:
        """How many different values of a label occur in the range. All that lack it count as one."""
        return f"{_count(by)}({self.total(_labels(label, by))})"

    def count_before(self, label: str, by: str = "") -> str:
        """The same in the range of the same length before it."""
        return f"{_count(by)}({self.before(_labels(label, by))})"

    def _of(self, by: str) -> str:
        series = self._all_days if "developer" in by.split(", ") else self._days
        return f"<<days by ({by}) {series}>>"

    def _shifted(self, by: str, window: str, point: str) -> str:
        # One offset cannot be the sum of two, so a subquery of a single point adds the second.
        days = f"sum_over_time(({self._of(by)}){window})"
        return f"last_over_time(({days}){point} <<midnight>>)"


def named(expr: str, by: str) -> str:
    """With a word where a label is missing: Grafana has no column or name for it. The same in PromQL and LogQL."""
    for label in filter(None, by.split(", ")):
        expr = f'label_replace({expr}, "{label}", "{NONE}", "{label}", "")'
    return expr


def ratio(part: str, whole: str) -> str:
    """A share or a quotient. Without the zeros it would be empty, not 0, where the part never occurred."""
    return f"({part} or 0 * ({whole})) / ({whole})"


def change(now: str, before: str) -> str:
    """By which part of the period before the range differs from it: 0.5 is half as much again."""
    return f"({now}) / ({before}) - 1"


def one_of(label: str, values: str) -> str:
    """A filter of events. Without the anchors Loki takes whatever contains one of the values."""
    return f'{label}=~"^(?:{values})$"'


def events(*names: str, where: str = "", scope: Scope = TEAMS) -> str:
    """The events of these names, of the chosen part of the company."""
    return f"{EVENTS} | {one_of('event_name', '|'.join(names))}{scope.event_matchers()}{where and f' | {where}'}"


def event_count(*names: str, where: str = "", by: str = "", window: str = RANGE, scope: Scope = TEAMS) -> str:
    """How often an event occurred in the range."""
    return f"{_sum(by)}(count_over_time({events(*names, where=where, scope=scope)} {window}))"


def event_total(
    field: str, name: str = "api_request", *, where: str = "", by: str = "", window: str = RANGE, scope: Scope = TEAMS
) -> str:
    """The sum of a numeric attribute of an event in the range."""
    return f"{_sum(by)}(sum_over_time({events(name, where=where, scope=scope)} | unwrap {field} {window}))"


def event_quantile(
    q: float, field: str, name: str, *, where: str = "", by: str, window: str = RANGE, scope: Scope = TEAMS
) -> str:
    """A quantile of a numeric attribute of an event, over single events: exact, not estimated from buckets."""
    unwrapped = f"{events(name, where=where, scope=scope)} | unwrap {field}"
    return f"quantile_over_time({q}, {unwrapped} {window}) by ({by})"


def event_mean(field: str, name: str, *, where: str = "", by: str, window: str = RANGE, scope: Scope = TEAMS) -> str:
    """The mean of a numeric attribute of an event."""
    return f"avg_over_time({events(name, where=where, scope=scope)} | unwrap {field} {window}) by ({by})"


def event_first(*names: str, where: str = "", by: str, window: str = RANGE, scope: Scope = TEAMS) -> str:
    """When the first of these events was, in milliseconds since 1970."""
    return f"min_over_time({_dated(events(*names, where=where, scope=scope), window)}) by ({by})"


def event_last(*names: str, where: str = "", by: str, window: str = RANGE, scope: Scope = TEAMS) -> str:
    """When the last of these events was, in milliseconds since 1970."""
    return f"max_over_time({_dated(events(*names, where=where, scope=scope), window)}) by ({by})"


def _dated(selected: str, window: str) -> str:
    return f"{selected} | label_format at=`{{{{__timestamp__ | unixEpochMillis}}}}` | unwrap at {window}"


def risen(counter: str) -> str:
    """How far each series of a counter rose in the range. Only for the stack's own programs: Claude Code has none.

    Many a counter of failures begins with the first failure, and increase does not see what a series begins with.
    """
    increase = f"increase({counter}{RANGE})"
    born = f"min_over_time({counter}{RANGE}) unless max_over_time({counter}[1d] offset $__range)"
    return f"{increase} + ({born} or 0 * {increase})"


def _either(raw: str, days: str) -> str:
    return f"({raw}) or ({days})"


def _labels(*names: str) -> str:
    return ", ".join(filter(None, names))


def _count(by: str) -> str:
    return f"count by ({by}) " if by else "count"


def _sum(by: str) -> str:
    return f"sum by ({by}) " if by else "sum"
