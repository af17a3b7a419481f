# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sums of whole days, which make months fast and stay exact when data arrives late.

No rule can write into the past, so the sum of one day is written at the time of the evaluation, again and again while
late data may still arrive. The label `age` says for which day: 0 is today so far, 1 yesterday. The deltas are never
negative, so the largest value written for a day is the newest: `max` merges repeats, gaps and repairs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

DAY = 86400
# A day's evaluations lie within it but for the last minute: the evaluation at midnight is the next day's.
EVALUATED = DAY - 60
# Today is written this often, a day that is over (all of its data may already be there) every hour. A repair writes
# each day at least three times, at times of its own.
TODAY_INTERVAL = "5m"
CLOSED_INTERVAL = "1h"
REPAIR_INTERVAL = "6h"
# The longest blocks that a repair writes, in seconds: a power of three times two hours, as Prometheus wants.
REPAIR_BLOCK = 162 * 3600


# Of the labels below, those that sums by developer keep.
PERSONAL = ("model", "start_type", "type", "decision", "vcs_repository_name")


@dataclass(frozen=True)
class Rollup:
    """One metric by day: by team, with the `labels`; and by developer, of whom fewer things are asked."""

    name: str
    series: str
    labels: tuple[str, ...]

    @property
    def kept_by_team(self) -> tuple[str, ...]:
        """The labels of the series by team."""
        return ("job", "team", *self.labels)

    @property
    def kept_by_developer(self) -> tuple[str, ...]:
        """The labels of the series by developer: a thousand developers with all labels take seconds to read."""
        return ("job", "team", "developer", *(label for label in self.labels if label in PERSONAL))

    @property
    def by_developer(self) -> str:
        """The series with a developer label."""
        return f"developer:claude_code_{self.name}:day"

    @property
    def by_team(self) -> str:
        """The series without: less to read, where nobody asks for single developers."""
        return f"team:claude_code_{self.name}:day"


TABLE = (
    Rollup(
        "cost",
        "claude_code_cost_usage_USD",
        ("model", "query_source", "agent_name", "skill_name", "vcs_repository_name"),
    ),
    Rollup("tokens", "claude_code_token_usage_tokens", ("model", "type", "query_source", "vcs_repository_name")),
    Rollup("sessions", "claude_code_session_count", ("start_type", "vcs_repository_name")),
    Rollup("active_time", "claude_code_active_time_total_seconds", ("type", "vcs_repository_name")),
    Rollup("lines", "claude_code_lines_of_code_count", ("type", "model", "vcs_repository_name")),
    Rollup("commits", "claude_code_commit_count", ("vcs_repository_name",)),
    Rollup("pull_requests", "claude_code_pull_request_count", ("vcs_repository_name",)),
    Rollup("decisions", "claude_code_code_edit_tool_decision", ("tool_name", "decision", "source", "language")),
)
BY_SERIES = {rollup.series: rollup for rollup in TABLE}
# Opening the list of agents starts no session.
STARTED = 'start_type!="agents_view"'


@dataclass(frozen=True)
class Calendar:
    """When a day begins, and how many days stay open for late data.

    late_hours: how late data may arrive, in hours.
    utc_offset: where the day begins, in seconds east of UTC.
    """

    late_hours: int = 72
    utc_offset: int = 0

    @classmethod
    def of(cls, late_max: Any, utc_offset: Any) -> Calendar:
        """From the variables `stack_late_max` and `stack_utc_offset`. Raises ValueError, naming the variable."""
        late = re.fullmatch(r"([1-9]\d*)h", str(late_max))
        if not late:
            raise ValueError(f"stack_late_max is {late_max}; write whole hours, such as 72h.")
        return cls(int(late[1]), seconds_east(str(utc_offset)))

    @property
    def ages(self) -> range:
        """The days a rule is written for, counted back from today."""
        return range(-(-self.late_hours // 24) + 2)

    @property
    def zone(self) -> str:
        """The day's boundary for people, such as UTC or UTC+09:00."""
        sign, minutes = "-" if self.utc_offset < 0 else "+", abs(self.utc_offset) // 60
        return f"UTC{sign}{minutes // 60:02d}:{minutes % 60:02d}" if minutes else "UTC"

    @property
    def labels(self) -> dict[str, str]:
        """What all rollups carry. Raw series have no `per`; `zone` keeps days of another boundary apart."""
        return {"per": "day", "zone": self.zone}

    @property
    def midnight(self) -> str:
        """The offset of a subquery with a step of one day that makes it take the days beginning in [start, end)."""
        return _offset(1 - 1000 * self.utc_offset)

    def rule(self, rollup: Rollup, age: int, kept: tuple[str, ...]) -> str:
        """The sum of the day `age` days ago, as far as its data has arrived. Subquery steps lie on UTC midnights."""
        labels = ", ".join(kept)
        window = f"[1d]{_after(_offset(1000 * (self.utc_offset - DAY)))}"
        back = _after(_offset(1000 * (age * DAY - self.utc_offset)))
        return f"sum_over_time((sum by ({labels}) (sum_over_time({rollup.series}{window})))[1d:1d]{back})"

    def days(self, selector: str, by: str | None = None) -> str:
        """One value for each selected rollup and day, at the subquery step of that day; with `by`, their sums.

        Every evaluation of a rule sees all data of the one before. So the sums of the ages are merged, not the ages of
        each series: that is the same, and a quarter of the work where there are thousands.
        """
        name, _brace, matchers = selector.rstrip("}").partition("{")
        matchers = f'{matchers and f"{matchers}, "}zone="{self.zone}"'
        ages = [
            f'max_over_time({name}{{{matchers}, age="{age}"}}[{EVALUATED // 60}m]'
            f"{_after(_offset(1000 * (self.utc_offset - age * DAY - EVALUATED)))})"
            for age in self.ages
        ]
        if by is None:
            return f"max without (age) ({' or '.join(ages)})"
        grouped = f"{by and f'{by}, '}age"
        return f"max by ({by}) ({' or '.join(f'sum by ({grouped}) ({age})' for age in ages)})"

    def groups(self) -> list[dict[str, Any]]:
        """The rule groups of all rollups, as Prometheus reads them."""
        return [
            _group("claude-code-today", TODAY_INTERVAL, [self._rules(rollup, 0) for rollup in TABLE]),
            _group(
                "claude-code-days",
                CLOSED_INTERVAL,
                [self._rules(rollup, age) for age in self.ages[1:] for rollup in TABLE],
            ),
        ]

    def repair_groups(self, run: str) -> list[dict[str, Any]]:
        """The same for days of the past, as `promtool tsdb create-blocks-from rules` reads them.

        Evaluated late, today's rule finds all data of its day, so no other is needed. `run` makes the name of the group
        one of its own: from the name follow the times of evaluation, and a second repair must not write at the first's.
        """
        return [_group(f"claude-code-repair-{run}", REPAIR_INTERVAL, [self._rules(rollup, 0) for rollup in TABLE])]

    def _rules(self, rollup: Rollup, age: int) -> list[dict[str, Any]]:
        return [
            {"record": record, "labels": {"age": str(age), **self.labels}, "expr": self.rule(rollup, age, kept)}
            for record, kept in (
                (rollup.by_developer, rollup.kept_by_developer),
                (rollup.by_team, rollup.kept_by_team),
            )
        ]

    def expand(self, text: str) -> str:
        """The text with its macros replaced: <<days SELECTOR>>, also with `by (LABELS)`, <<midnight>> and <<zone>>."""
        text = re.sub(r"<<days (?:by \(([^)]*)\) )?(.+?)>>", lambda found: self.days(found[2], found[1]), text)
        return text.replace("<<midnight>>", self.midnight).replace("<<zone>>", self.zone)

    def expand_all(self, value: Any) -> Any:
        """The same with all texts of a JSON value."""
        if isinstance(value, str):
            return self.expand(value)
        if isinstance(value, list):
            return [self.expand_all(item) for item in value]
        if isinstance(value, dict):
            return {key: self.expand_all(item) for key, item in value.items()}
        return value


def repair_span(start: int) -> list[str]:
    """The arguments of `promtool tsdb create-blocks-from rules` that make it record every day since `start`.

    They begin with a whole block. promtool gives a rule up, without a word, where its first block ends before the first
    evaluation. That was about one repair in fifty.
    """
    return [f"--max-block-duration={REPAIR_BLOCK}s", f"--start={start // REPAIR_BLOCK * REPAIR_BLOCK}"]


def seconds_east(utc_offset: str) -> int:
    """The seconds of a UTC offset such as +09:00, -0330, Z. Raises ValueError, naming the variable."""
    if utc_offset.upper() in ("Z", "UTC"):
        return 0
    found = re.fullmatch(r"([+-])(0\d|1[0-4]):?([0-5]\d)", utc_offset)
    if not found:
        raise ValueError(
            f'stack_utc_offset is {utc_offset}; write the offset from UTC in quotes, such as "+09:00". '
            "Without them YAML reads +10:00 as the number 600."
        )
    seconds = 3600 * int(found[2]) + 60 * int(found[3])
    return -seconds if found[1] == "-" else seconds


def _group(name: str, interval: str, rules: list[list[dict[str, Any]]]) -> dict[str, Any]:
    return {"name": name, "interval": interval, "rules": [rule for pair in rules for rule in pair]}


def _offset(milliseconds: int) -> str:
    if milliseconds % 1000:
        return f"offset {milliseconds}ms"
    return f"offset {milliseconds // 1000}s" if milliseconds else ""


def _after(text: str) -> str:
    return text and f" {text}"
