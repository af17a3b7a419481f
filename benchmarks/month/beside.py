# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every panel on Prometheus and on Mimir with the same blocks, in turns."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable, Iterator, Sequence

from benchmarks.month.engines import Engine
from benchmarks.month.live import Memory
from benchmarks.month.measure import EXACTNESS, UNITS, Cost, Turns, in_turns, least, per
from benchmarks.month.panels import Question, questions, seconds
from benchmarks.month.store import CALENDAR, END
from benchmarks.month.text import mb, table

TIMES = 2
# Where Prometheus works for less, the ratio says little of the query.
WORTH_S = 0.1

Engines = tuple[Engine, Engine]
Pair = tuple[Cost, Cost]


def panels(engines: Engines, ranges: Sequence[str]) -> Iterator[str]:
    """What every panel and variable takes on both, and how many times as much on the second."""
    taken = [(question, [_turns(engines, question, name) for name in ranges]) for question in questions(CALENDAR)]
    first, second = (engine.name for engine in engines)
    yield f"All queries of a panel ($name: of a variable), one after the other, in turns, best of {TIMES}. {UNITS}."
    yield f"Ratios are {second} / {first}. Both answered the same every time, each number to {EXACTNESS:.0e} of it."
    head = [cell for name in ranges for cell in (f"{name} {first}", second, "ratio")]
    rows = [(question.dashboard, question.title.ljust(36), *_cells(_pairs(turns, least))) for question, turns in taken]
    for title, pick in (("together, best", least), ("together, asked for the first time", _first)):
        columns = zip(*(_pairs(turns, pick) for _, turns in taken))
        rows.append(("", title.ljust(36), *_cells([_sum(column) for column in columns])))
    yield table(("", "", *head), rows)
    ratios = [
        other.worked / one.worked for _, turns in taken for one, other in _pairs(turns, least) if one.worked >= WORTH_S
    ]
    if len(ratios) > 1:
        deciles = statistics.quantiles(ratios, n=10)
        said = ", ".join(f"{name} {deciles[at]:.1f}" for name, at in (("10 %", 0), ("median", 4), ("90 %", 8)))
        yield f"Ratio of work in the {len(ratios)} figures of {WORTH_S} s and more: {said}, highest {max(ratios):.1f}"
    most = ", ".join(f"{engine.name} {mb(Memory.of(engine.pid).most)}" for engine in engines)
    yield f"Resident memory at most: {most}"
    different = [(question, each) for question, turns in taken for each in turns if each.difference]
    if different:
        sys.exit("\n".join(f"differs: {question.title}: {each.difference}" for question, each in different))


def _turns(engines: Engines, question: Question, name: str) -> Turns:
    requests = question.requests(END, seconds(name), {}, per(engines[0], seconds(name)))
    turns = in_turns(engines, requests, TIMES)
    print(
        question.dashboard,
        question.title,
        name,
        *map(least, turns.costs),
        turns.difference,
        sep="  ",
        file=sys.stderr,
        flush=True,
    )
    return turns


def _first(costs: list[Cost]) -> Cost:
    return costs[0]


def _pairs(of_ranges: list[Turns], pick: Callable[[list[Cost]], Cost]) -> list[Pair]:
    return [(pick(one), pick(other)) for one, other in (turns.costs for turns in of_ranges)]


def _sum(pairs: tuple[Pair, ...]) -> Pair:
    one, other = (sum(costs, Cost(0, 0)) for costs in zip(*pairs))
    return one, other


def _cells(pairs: list[Pair]) -> list[str]:
    return [
        cell
        for one, other in pairs
        for cell in (str(one), str(other), f"{other.passed / one.passed:.1f} {other.worked / one.worked:.1f}")
    ]
