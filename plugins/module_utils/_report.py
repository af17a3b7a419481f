# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cost and use of a period, from the sums of each day: by team, model, day and developer, and against the one before.

Values are whole numbers of a small unit, so that every sum equals its parts. What people read is rounded in a way that
keeps it so.
"""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

# How many of the smallest unit make one: nano-dollars, milliseconds.
SCALE = {"cost": 10**9, "active_time": 1000}
UNITS = {"cost": "USD", "active_time": "s"}
METRICS = ("cost", "tokens", "sessions", "active_time", "lines", "commits", "pull_requests")
# A week may end without work, so data that begins so much later still tells of the whole period.
IDLE_DAYS = 4
# Binary fractions, added in another order, differ by so little: in dollars, and as a part of the whole.
COST_SLACK = 1e-6
COST_NOISE = 1e-9
FIELDS = ("day", "team", "model", "metric", "type", "unit", "value")


@dataclass(frozen=True)
class Sum:
    """What was used of one metric on one day by one team, with one model, of one type."""

    metric: str
    day: date
    team: str
    model: str
    kind: str
    value: int
    developer: str = ""


@dataclass(frozen=True)
class Period:
    """Whole days; the last one may still be running."""

    first: date
    days: int
    begin: datetime
    end: datetime

    @classmethod
    def of(cls, summed: Mapping[str, str], days: int) -> tuple[Period, Period]:
        """The period, and the one before it, from what a query over both says of itself."""
        begin, end = _time(summed["from"]), _time(summed["to"])
        middle = begin + timedelta(days=days)
        return cls(middle.date(), days, middle, end), cls(begin.date(), days, begin, middle)

    @property
    def dates(self) -> list[date]:
        return [self.first + timedelta(days=number) for number in range(self.days)]

    @property
    def last(self) -> date:
        return self.first + timedelta(days=self.days - 1)

    @property
    def complete(self) -> bool:
        """Whether its last day is over."""
        return self.end >= self.begin + timedelta(days=self.days)

    def __contains__(self, day: date) -> bool:
        return self.first <= day <= self.last


def sums(metric: str, rows: Iterable[Mapping[str, Any]]) -> list[Sum]:
    """The rows of an answer, each rounded to the smallest unit."""
    return [
        Sum(
            metric,
            _time(row["time"]).date(),
            str(row["labels"].get("team", "")),
            str(row["labels"].get("model", "")),
            str(row["labels"].get("type", "")),
            round(float(row["value"]) * SCALE.get(metric, 1)),
            str(row["labels"].get("developer", "")),
        )
        for row in rows
    ]


def _sums(answers: Mapping[str, Any], prefix: str = "") -> list[Sum]:
    """Those of all metrics, as far as they were asked."""
    return [part for metric in METRICS for part in sums(metric, answers.get(prefix + metric, []))]


def total(parts: Iterable[Sum], metric: str, kind: str | None = None) -> int:
    """The sum of one metric, of one type of it if so."""
    return sum(part.value for part in parts if part.metric == metric and kind in (None, part.kind))


def in_units(metric: str, value: int) -> int | float:
    """In dollars, seconds, or as counted."""
    return value / SCALE[metric] if metric in SCALE else value


def figures(parts: Sequence[Sum]) -> dict[str, Any]:
    """All sums of some parts, in units."""
    return {
        "cost_usd": in_units("cost", total(parts, "cost")),
        "tokens": {
            "input": total(parts, "tokens", "input"),
            "output": total(parts, "tokens", "output"),
            "cacheRead": total(parts, "tokens", "cacheRead"),
            "cacheCreation": total(parts, "tokens", "cacheCreation"),
            "all": total(parts, "tokens"),
        },
        "sessions": total(parts, "sessions"),
        "active_seconds": in_units("active_time", total(parts, "active_time")),
        "lines_added": total(parts, "lines", "added"),
        "lines_removed": total(parts, "lines", "removed"),
        "commits": total(parts, "commits"),
        "pull_requests": total(parts, "pull_requests"),
    }


def grouped(parts: Iterable[Sum], key: Callable[[Sum], Any]) -> dict[Any, list[Sum]]:
    """The parts by a key, the dearest first, then by name."""
    groups: dict[Any, list[Sum]] = {}
    for part in parts:
        groups.setdefault(key(part), []).append(part)
    return dict(sorted(groups.items(), key=lambda item: (-total(item[1], "cost"), str(item[0]))))


def build(answers: Mapping[str, Any]) -> dict[str, Any]:
    """The report as data. See the filter usage_report for what `answers` holds."""
    period, before = Period.of(answers["summed"], int(answers["days"]))
    every = _sums(answers["answers"])
    now = [part for part in every if part.day in period]
    earlier = [part for part in every if part.day in before]
    begins = min((part.day for part in every), default=None)
    comparable = bool(earlier) and begins is not None and begins <= before.first + timedelta(days=IDLE_DAYS)
    by_team = grouped(earlier, lambda part: part.team)
    people = [part for part in _sums(answers["answers"], "people_") if part.day in period]
    active = Counter(part.day in period for part in sums("tokens", answers["answers"]["active"]))
    return {
        "title": answers["title"],
        "created": answers["created"],
        "zone": answers["summed"]["over"].rpartition(" ")[2],
        "period": _span(period),
        "before": {**_span(before), "comparable": comparable},
        "data_begins": begins.isoformat() if begins else None,
        "totals": {**figures(now), "active_developers": active[True]},
        "totals_before": {**figures(earlier), "active_developers": active[False]},
        "teams": [
            {"team": team, **figures(parts), "cost_usd_before": figures(by_team.get(team, []))["cost_usd"]}
            for team, parts in grouped(now, lambda part: part.team).items()
        ],
        "models": [
            {"model": model, **{name: figures(parts)[name] for name in ("cost_usd", "tokens")}}
            for model, parts in grouped(
                (part for part in now if part.metric in ("cost", "tokens")), lambda part: part.model
            ).items()
        ],
        "days": [
            {
                "day": day.isoformat(),
                **figures([part for part in now if part.day == day]),
                "cost_usd_before": figures([part for part in earlier if part.day == prior])["cost_usd"],
                "cost_usd_by_model": {
                    model: in_units("cost", total(parts, "cost"))
                    for model, parts in grouped(
                        (part for part in now if part.day == day and part.metric == "cost"), lambda part: part.model
                    ).items()
                },
            }
            for day, prior in zip(period.dates, before.dates)
        ],
        "developers": [
            {"developer": developer, "team": team, **figures(parts)}
            for (team, developer), parts in sorted(grouped(people, lambda part: (part.team, part.developer)).items())
        ],
        "check": check(now, answers["events"]),
    }


def check(parts: Iterable[Sum], events: Mapping[str, Any]) -> dict[str, Any]:
    """The same cost and tokens counted twice, as metrics and as events, over the last whole days of the period."""
    if not int(events["days"]):
        return {"result": "none", "reason": "no day of the period is over"}
    if events["problem"]:
        return {"result": "none", "reason": events["problem"]}
    days = int(events["days"])
    first = _time(events["until"]).date() - timedelta(days=days)
    compared = [part for part in parts if first <= part.day < first + timedelta(days=days)]
    metric, event = figures(compared), events["sums"]
    rows = [
        {"what": kind, "metrics": metric["tokens"][kind], "events": int(event.get(kind, 0))}
        for kind in ("input", "output", "cacheRead", "cacheCreation")
    ]
    rows.append({"what": "cost_usd", "metrics": metric["cost_usd"], "events": float(event.get("cost_usd", 0))})
    slack = max(COST_SLACK, COST_NOISE * metric["cost_usd"])
    equal = all(abs(row["metrics"] - row["events"]) <= (slack if row["what"] == "cost_usd" else 0) for row in rows)
    gone = not any(row["events"] for row in rows) and any(row["metrics"] for row in rows)
    return {
        "result": "gone" if gone else "equal" if equal else "different",
        "first": first.isoformat(),
        "last": (first + timedelta(days=days - 1)).isoformat(),
        "rows": rows,
    }


def shares(values: Sequence[float], unit: float) -> list[float]:
    """The values rounded to a unit such that they add up to their rounded sum: the largest remainders go up."""
    counts = [value / unit for value in values]
    floors = [int(count // 1) for count in counts]
    order = sorted(range(len(values)), key=lambda index: floors[index] - counts[index])
    for index in order[: round(sum(counts)) - sum(floors)]:
        floors[index] += 1
    return [count * unit for count in floors]


def as_json(report: Mapping[str, Any]) -> str:
    return json.dumps(report, indent=2, ensure_ascii=False) + "\n"


def as_csv(answers: Mapping[str, Any]) -> str:
    """Every sum of every day of the period, for a spreadsheet."""
    period, _before = Period.of(answers["summed"], int(answers["days"]))
    text = io.StringIO()
    table = csv.writer(text)
    table.writerow(FIELDS)
    for part in _sums(answers["answers"]):
        if part.day in period and part.value:
            names = (_cell(part.team), _cell(part.model), part.metric, _cell(part.kind))
            table.writerow([part.day.isoformat(), *names, UNITS.get(part.metric, ""), _decimal(part)])
    return text.getvalue()


def _decimal(part: Sum) -> str:
    """The value in units, without the noise of binary fractions."""
    scale = SCALE.get(part.metric, 1)
    return format(Decimal(part.value) / scale, "f")


def _cell(text: str) -> str:
    """A name that a spreadsheet does not take for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def _span(period: Period) -> dict[str, Any]:
    return {
        "first": period.first.isoformat(),
        "last": period.last.isoformat(),
        "days": period.days,
        "complete": period.complete,
        "until": period.end.isoformat(),
    }


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))
