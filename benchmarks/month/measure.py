# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a question costs, once or on several engines in turns."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import Any

from benchmarks.month.engines import Engine, parsed
from benchmarks.month.panels import PER_QUESTION, Request

# No question is asked once more after it took so long.
PATIENCE_S = 5
UNITS = "Seconds that passed, and that a processor worked"
# Sums of the same numbers in another order.
EXACTNESS = 1e-9


@dataclass(frozen=True)
class Cost:
    """Seconds that passed, and seconds that a processor worked: these are the same on a busy machine too."""

    passed: float
    worked: float

    def __str__(self) -> str:
        return f"{self.passed:.2f} {self.worked:.2f}"

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.passed + other.passed, self.worked + other.worked)


def least(costs: Sequence[Cost]) -> Cost:
    return Cost(*map(min, zip(*map(astuple, costs))))


def per(engine: Engine, window: int) -> str:
    """What the dashboards' variable of that name holds for a range of so many seconds."""
    (request,) = PER_QUESTION.requests(0, window, {}, "")
    return str(engine.ask(request)[0]["metric"]["per"])


def best(engine: Engine, requests: Sequence[Request], times: int = 3) -> Cost:
    """The least of so many times."""
    return least(in_turns([engine], requests, times).costs[0])


@dataclass
class Turns:
    """What each engine took for all requests, time after time, and how their answers differ if they do."""

    costs: list[list[Cost]]
    difference: str = ""


def in_turns(engines: Sequence[Engine], requests: Sequence[Request], times: int) -> Turns:
    """Asks so many times, or fewer where that is long."""
    turns, patience = Turns([[] for _ in engines]), PATIENCE_S * len(engines)
    for _ in range(times):
        if sum(cost.passed for own in turns.costs for cost in own) > patience:
            break
        answers = []
        for engine, own in zip(engines, turns.costs):
            worked, began = engine.worked(), time.perf_counter()
            answers.append([engine.said(request) for request in requests])
            own.append(Cost(time.perf_counter() - began, engine.worked() - worked))
        for request, *bodies in zip(requests, *answers):
            one, *others = map(parsed, bodies)
            for other in others:
                if found := difference(one, other):
                    turns.difference = f"{found}, asked {request.parameters}"
    return turns


def difference(one: list[Any], other: list[Any]) -> str:
    """What two answers do not have in common, in whatever order; empty if they are the same."""
    if any(isinstance(each, str) for each in (*one, *other)):
        # Prometheus names also what lies in the same block outside of the range, and its blocks are longer.
        return ", ".join(sorted(set(other) - set(one))) or ("" if other else "no values")
    left, right = _numbers(one), _numbers(other)
    for key in sorted(left.keys() | right.keys()):
        here, there = left.get(key), right.get(key)
        if here is None or there is None or not _same(here, there):
            return f"{' '.join(key)}: {here} and {there}"
    return ""


def _numbers(rows: list[Any]) -> dict[tuple[str, str], float]:
    """Every number of an answer by its labels and its time."""
    found: dict[tuple[str, str], float] = {}
    for row in rows:
        labels = json.dumps(row["metric"], sort_keys=True)
        for at, value in row.get("values") or [row["value"]]:
            found[labels, f"{float(at)}"] = float(value)
    return found


def _same(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=EXACTNESS, abs_tol=EXACTNESS) or (math.isnan(one) and math.isnan(other))
