# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every total of every dashboard is what was sent, to the token and the micro-dollar, whatever happened on the way."""

from __future__ import annotations

import math
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

import pytest

from tests.replay.conftest import ZONES, Played
from tests.replay.oracle import NotATotal
from tests.replay.panels import Target, targets
from tests.replay.traffic import Labels
from tests.tools.ledger import ask
from tests.tools.queries.fill import PER_DAY, PER_MINUTE

HOUR, DAY = 3600, 86400
PATHS = {"prometheus": "/api/v1", "loki": "/loki/api/v1"}


@dataclass(frozen=True)
class Range:
    """per: how it is read. back: how far its end is from now. All in seconds."""

    per: str
    length: int
    step: int
    back: int = 0

    def __str__(self) -> str:
        return f"{self.length / DAY:g}d-{'days' if self.per == PER_DAY else 'samples'}"


# The teams of the two months before, which arrived at once.
PAST = [(("team", "alpha"),), (("team", "beta"),)]
SAMPLES = [
    Range(PER_MINUTE, HOUR, 60),
    Range(PER_MINUTE, 24 * HOUR, HOUR),
    Range(PER_MINUTE, 7 * DAY, 12 * HOUR, 1234),
]
DAYS = [
    Range(PER_DAY, 10 * DAY, DAY),
    Range(PER_DAY, 30 * DAY, DAY),
    Range(PER_DAY, 30 * DAY + 5 * HOUR, 7 * DAY, 3 * DAY + 77),
]


def same(found: dict[Labels, float], expected: dict[Labels, float]) -> bool:
    """Sums of fractions may differ in their last digits, far below a micro-dollar. Nothing is not zero."""
    return found.keys() == expected.keys() and all(
        math.isclose(value, expected[labels], rel_tol=1e-9, abs_tol=5e-7)
        or (math.isnan(value) and math.isnan(expected[labels]))
        for labels, value in found.items()
    )


def labels_of(series: dict[str, Any]) -> Labels:
    return tuple(sorted((name, value) for name, value in series["metric"].items() if name != "__name__"))


class Asker:
    """Asks a store and the ledger the same."""

    def __init__(self, played: Played, zone: str) -> None:
        self.played, self.calendar = played, ZONES[zone]
        self.filled = 0

    def wrong(self, target: Target, asked: Range) -> list[str]:
        """What the store says otherwise. Raises NotATotal."""
        end = self.played.at - asked.back
        query = target.asked(asked.per, asked.length, asked.step)
        expected = self.expected(target.store, query, end)
        if not target.bars:
            (found,) = self.ask(target.store, "/query", query, time=f"{end:.3f}").values()
            self.filled += bool(found)
            return [] if same(found, expected) else [difference(str(target), query, found, expected)]
        # The steps lie on multiples of the step: for Grafana in the zone of the viewer, for Loki in UTC.
        east = self.calendar.utc_offset if target.store == "prometheus" else 0
        first, last = ((int(at) + east) // asked.step * asked.step - east for at in (end - asked.length, end))
        span = {"start": str(first), "end": str(last), "step": str(asked.step)}
        bars = self.ask(target.store, "/query_range", query, **span)
        self.filled += bool(bars)
        wrong = []
        for at in range(first, last + 1, asked.step):
            expected = self.expected(target.store, query, at)
            if not same(bars.get(at, {}), expected):
                wrong.append(difference(f"{target} at {at}", query, bars.get(at, {}), expected))
        return wrong

    def expected(self, store: str, query: str, at: float) -> dict[Labels, float]:
        answer = self.played.oracle.answer(query, store, at, self.calendar)
        return {(): answer} if isinstance(answer, float) else answer

    def ask(self, store: str, path: str, query: str, **times: str) -> dict[float, dict[Labels, float]]:
        text = self.calendar.expand(query)
        answer = ask(self.played.stack.stores[store], PATHS[store] + path, query=text, **times)
        if "time" in times:
            return {0: {labels_of(each): float(each["value"][1]) for each in answer}}
        found: dict[float, dict[Labels, float]] = {}
        for each in answer:
            for at, value in each["values"]:
                found.setdefault(at, {})[labels_of(each)] = float(value)
        return found


def difference(where: str, query: str, found: dict[Labels, float], expected: dict[Labels, float]) -> str:
    rows = [
        f"  {dict(labels)}: {found.get(labels)} instead of {expected.get(labels)}"
        for labels in sorted({*found, *expected})
        if not same(
            {labels: found[labels]} if labels in found else {}, {labels: expected[labels]} if labels in expected else {}
        )
    ]
    return "\n".join([where, f"  {query}", *rows[:8]])


def check(played: Played, zone: str, asked: Range, stores: tuple[str, ...]) -> None:
    asker, wrong, checked, others = Asker(played, zone), [], 0, Counter[str]()
    for target in targets():
        if target.store in stores:
            try:
                wrong += asker.wrong(target, asked)
                checked += 1
            except NotATotal as reason:
                others[str(reason)] += 1
    print(f"{checked} queries are totals, {asker.filled} find something; others: {dict(others)}")
    assert not wrong, "\n".join(wrong)
    # The bars of whole days are empty where samples are read, and the other way round.
    assert asker.filled > checked / 2


@pytest.mark.parametrize("asked", SAMPLES, ids=str)
def test_totals_of_samples_and_events(played: Played, asked: Range) -> None:
    check(played, "Z", asked, ("prometheus", "loki"))


@pytest.mark.parametrize("asked", DAYS, ids=str)
@pytest.mark.parametrize("zone", ZONES)
def test_totals_of_whole_days(played: Played, zone: str, asked: Range) -> None:
    check(played, zone, asked, ("prometheus",))


@pytest.mark.parametrize(
    ("series", "counter"),
    [
        ("claude_code_token_usage_tokens", "claude_code_token_usage_tokens_total"),
        ("claude_code_cost_usage_USD", "claude_code_cost_usage_USD_total"),
        ("claude_code_session_count", "claude_code_session_count_total"),
    ],
)
def test_what_increase_makes_of_it(played: Played, series: str, counter: str) -> None:
    """The table of docs/numbers.md. `increase` is asked for the hour in which everything arrived."""
    asker, at = Asker(played, "Z"), time.time()
    exact = f"sum by (team) (sum_over_time({series}[75d]))"
    sent = asker.expected("prometheus", exact, at)
    (found,) = asker.ask("prometheus", "/query", exact, time=f"{at:.3f}").values()
    public = f"sum by (team) (increase({counter}[1h]))"
    (guessed,) = asker.ask("prometheus", "/query", public, time=f"{at:.3f}").values()
    print(f"\n{series:<32} {'sent':>10} {'exact':>10} {'increase':>10}")
    for team in sorted(sent):
        if team not in PAST:
            row = (sent[team], found.get(team, 0), guessed.get(team, 0))
            print(f"{dict(team)['team']:<32} " + " ".join(f"{value:>10.2f}" for value in row))
    assert same(found, sent)
