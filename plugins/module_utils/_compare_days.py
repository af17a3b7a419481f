# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compares the totals of two stores of metrics, day by day."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.claude_code.observability.plugins.module_utils._query import PROMETHEUS_SPEC, prometheus
from ansible_collections.claude_code.observability.plugins.module_utils._query_time import iso
from ansible_collections.claude_code.observability.plugins.module_utils._rollups import DAY, TABLE, Calendar

# So many days at a time, so that no question is too large.
AT_ONCE = 28
# Both have the same samples, and may add them in another order: equal to the micro-dollar.
SLACK = 5e-7

# A total of every day by name: day, counted from 1970 in the calendar, to value.
Totals = Mapping[str, Mapping[int, float]]


@dataclass(frozen=True)
class Comparison:
    """`settled` is the first day on which what came late may make the second store's totals larger."""

    calendar: Calendar
    first: Totals
    second: Totals
    settled: int

    @property
    def days(self) -> list[int]:
        return sorted({day for totals in self.first.values() for day in totals})

    @property
    def rows(self) -> list[dict[str, Any]]:
        """Every total of every day that the first store has something of."""
        return [
            {
                "day": self.name(day),
                "total": name,
                "first": first,
                "second": (second := self.second[name].get(day, 0)),
                "verdict": self._verdict(day, first, second),
            }
            for name, by_day in self.first.items()
            for day, first in sorted(by_day.items())
        ]

    @property
    def wrong(self) -> list[str]:
        return [
            f"{row['total']} of {row['day']}: {row['first']:.15g} and {row['second']:.15g}"
            for row in self.rows
            if row["verdict"] == "wrong"
        ]

    def name(self, day: int) -> str:
        return iso(day * DAY - self.calendar.utc_offset, self.calendar.utc_offset)[:10]

    def _verdict(self, day: int, first: float, second: float) -> str:
        if abs(first - second) <= max(SLACK, first * 1e-12):
            return "equal"
        return "more" if second > first and day >= self.settled else "wrong"


def compare(
    first: Mapping[str, Any], second: Mapping[str, Any], calendar: Calendar, start: float, now: float
) -> Comparison:
    """Asks both for every day from that of `start` on. Raises QueryError."""
    begin, end = (int(moment + calendar.utc_offset) // DAY for moment in (start, now))
    ours, theirs = (_totals(store, calendar, range(begin, end + 1, AT_ONCE), now) for store in (first, second))
    last = max((day for by_day in ours.values() for day in by_day), default=end)
    return Comparison(calendar, ours, theirs, settled=last - -(-calendar.late_hours // 24))


def _totals(store: Mapping[str, Any], calendar: Calendar, begins: range, now: float) -> dict[str, dict[int, float]]:
    found: dict[str, dict[int, float]] = {rollup.name: {} for rollup in TABLE}
    for name, by_day in found.items():
        for begin in begins:
            by_day.update(_ask(store, calendar, name, begin, now))
    return found


def _ask(store: Mapping[str, Any], calendar: Calendar, name: str, begin: int, now: float) -> dict[int, float]:
    options = {
        **{option: spec.get("default") for option, spec in PROMETHEUS_SPEC.items()},
        **{option: value for option, value in store.items() if value is not None},
        "total": name,
        "source": "samples",
        "utc_offset": calendar.zone.replace("UTC", "", 1) or "Z",
        "start": str(begin * DAY - calendar.utc_offset),
        "end": str((begin + AT_ONCE) * DAY - calendar.utc_offset),
        "step": "1d",
    }
    # The query looks ahead from when each day begins.
    return {
        (int(time) + calendar.utc_offset) // DAY: float(value)
        for series in prometheus(options, now)["raw"]["result"]
        for time, value in series["values"]
        if float(value)
    }
