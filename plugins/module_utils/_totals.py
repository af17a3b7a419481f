# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the PromQL for a total: what, by which labels, of whom, over which time.

A short range, or a label that the sums of whole days do not keep, reads the samples as they came; both are exact.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.claude_code.observability.plugins.module_utils._query_time import iso, prometheus_duration
from ansible_collections.claude_code.observability.plugins.module_utils._rollups import (
    DAY,
    STARTED,
    TABLE,
    Calendar,
    Rollup,
    seconds_east,
)

BY_NAME = {rollup.name: rollup for rollup in TABLE}
# Up to here the samples answer in about the second.
SAMPLES_UP_TO = 7 * DAY
# The values of a series in one answer of Prometheus.
MAX_BARS = 11000


@dataclass(frozen=True)
class Total:
    """What to sum: one metric of the table, by labels, where labels have given values."""

    name: str
    by: tuple[str, ...] = ()
    where: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, name: str, by: Sequence[str] = (), where: Mapping[str, Any] | None = None) -> Total:
        """From options as people write them: a value in `where` is a text or a list. Raises ValueError."""
        conditions = {
            label: tuple(str(value) for value in (values if isinstance(values, (list, tuple)) else [values]))
            for label, values in (where or {}).items()
        }
        for option, labels in (("by", by), ("where", conditions)):
            for label in labels:
                if not re.fullmatch(r"[A-Za-z_]\w*", label, re.ASCII):
                    raise ValueError(f"{option} names {label!r}, which is no label; labels are such as team or model.")
        for label, values in conditions.items():
            if not values:
                raise ValueError(f"where gives {label} an empty list, which nothing matches; name a value.")
        return cls(name, tuple(by), conditions)

    @property
    def rollup(self) -> Rollup:
        return BY_NAME[self.name]

    @property
    def by_developer(self) -> bool:
        """Whether it takes the sums by developer."""
        return "developer" in (*self.by, *self.where)

    @property
    def missing(self) -> list[str]:
        """The labels asked for that the sums of whole days do not keep."""
        kept = self.rollup.kept_by_developer if self.by_developer else self.rollup.kept_by_team
        return [label for label in dict.fromkeys((*self.by, *self.where)) if label not in kept]

    @property
    def sum(self) -> str:
        return f"sum by ({', '.join(self.by)}) " if self.by else "sum"

    def selector(self, series: str) -> str:
        """The series that fulfil the conditions."""
        matchers = [_matcher(label, values) for label, values in self.where.items()]
        if self.name == "sessions" and "start_type" not in self.where:
            matchers.append(STARTED)
        return f"{series}{{{', '.join(matchers)}}}" if matchers else series

    def samples(self, window: float, after: bool = False) -> str:
        """The sum of the samples in the window before a time, or after it."""
        length = prometheus_duration(window)
        shift = f" offset -{length}" if after else ""
        return f"{self.sum}(sum_over_time({self.selector(self.rollup.series)}[{length}]{shift}))"

    def days(self, calendar: Calendar) -> str:
        """The sum of one day, at the step of that day."""
        series = self.rollup.by_developer if self.by_developer else self.rollup.by_team
        return calendar.days(self.selector(series), ", ".join(self.by))


@dataclass(frozen=True)
class Question:
    """A query with the times to ask it for: at `end`, or from `start` to it. A total also says what it sums."""

    query: str
    end: float
    start: float | None = None
    step: float | None = None
    first: float = 0
    last: float = 0
    over: str = ""
    # The step of a day lies on UTC midnight, so that far after the day begins.
    shift: int = 0

    def summed(self, utc_offset: int) -> dict[str, str]:
        """What was summed, for people."""
        return {"from": iso(self.first, utc_offset), "to": iso(self.last, utc_offset), "over": self.over}


def from_samples(total: Total, start: float, end: float, step: float | None, now: float) -> Question:
    """Sums the samples in (start, end], or in each step of it."""
    if step is None:
        return Question(total.samples(end - start), end, first=start, last=end, over="samples")
    final = start + (_bars(end - start, step) - 1) * step
    last = min(final + step, max(end, now))
    return Question(total.samples(step, after=True), final, start, step, first=start, last=last, over="samples")


def from_days(total: Total, calendar: Calendar, start: float, end: float, step: float | None, now: float) -> Question:
    """Sums the whole days that begin in [start, end)."""
    east = calendar.utc_offset
    first, after = (-(-round((moment + east) * 1000) // (1000 * DAY)) for moment in (start, end))
    if first >= after:
        raise ValueError(
            f"No day begins between {iso(start, east)} and {iso(end, east)} ({calendar.zone}); take a longer range."
        )
    over = f"whole days, {calendar.zone}"
    begin = first * DAY - east
    if step is None:
        query = f"sum_over_time(({total.days(calendar)})[{prometheus_duration(end - start)}:1d] {calendar.midnight})"
        return Question(query, end, first=begin, last=min(after * DAY - east, now), over=over)
    if step % DAY:
        raise ValueError("step is not whole days, but the range is read from sums of whole days; write 1d or 7d.")
    days = int(step) // DAY
    final = first + (_bars((after - first) * DAY, step) - 1) * days
    reach = f"[{days}d:1d]" + (f" offset -{days - 1}d" if days > 1 else "")
    query = f"sum_over_time(({total.days(calendar)}){reach})"
    last = min((final + days) * DAY - east, now)
    return Question(query, final * DAY, first * DAY, step, first=begin, last=last, over=over, shift=east)


def recorded_calendar(rules: Sequence[Mapping[str, Any]]) -> Calendar | None:
    """When the days begin that a Prometheus records, and how many it keeps open; None if it records none."""
    labels = [rule.get("labels", {}) for rule in rules if rule.get("name") == TABLE[0].by_developer]
    ages = [int(found["age"]) for found in labels if found.get("zone") and found.get("age")]
    if not ages:
        return None
    return Calendar(24 * (max(ages) - 1), seconds_east(labels[0]["zone"].replace("UTC", "", 1) or "Z"))


def _bars(length: float, step: float) -> int:
    bars = -(-round(length * 1000) // round(step * 1000))
    if bars > MAX_BARS:
        raise ValueError(f"step is too short for the range: {bars} values, and Prometheus gives {MAX_BARS}.")
    return bars


def _matcher(label: str, values: Sequence[str]) -> str:
    if len(values) == 1:
        return f"{label}={_quoted(values[0])}"
    return f"{label}=~{_quoted('|'.join(re.escape(value) for value in values))}"


def _quoted(text: str) -> str:
    """A text of PromQL, which has the escapes of JSON."""
    return json.dumps(text, ensure_ascii=False)
