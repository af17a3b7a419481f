# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What happened to a stack under load, and what the stores hold of what was acknowledged meanwhile."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from dashboards.queries import EVENTS
from tests.faults.load import Senders
from tests.tools.ledger import Ledger, Loki, Prometheus, differences

Store = Prometheus | Loki
AT_ONCE = 50


@dataclass
class Fault:
    """What happened, between which milliseconds, and how long it then took until all was delivered."""

    name: str
    times: int
    begun: int = 0
    ended: int = 0
    recovery: list[float] = field(default_factory=list)
    # Of samples and events: how many were acknowledged and stored.
    acknowledged: int = 0
    stored: int = 0
    lost: int = 0
    twice: int = 0

    def row(self) -> list[str]:
        recovery = f"{max(self.recovery):.0f}" if self.recovery else ""
        numbers = (self.times, self.acknowledged, self.stored, self.lost, self.twice)
        return [self.name, *(f"{number:,}" for number in numbers), recovery]


def happen(faults: Iterable[Callable[[], None]]) -> None:
    """One after another, and says how long each took."""
    for fault in faults:
        begun = time.monotonic()
        fault()
        print(f"{fault.__name__}: {time.monotonic() - begun:.0f} s", flush=True)


def count(faults: Sequence[Fault], senders: Senders, prometheus: Prometheus, loki: Loki, whose: str) -> None:
    """For each fault what was acknowledged of it and what is stored, each in every millisecond that it was.

    `whose` is the matcher of the senders in both stores.
    """
    begun = faults[0].begun
    ends = [fault.begun for fault in faults[1:]] + [time.time_ns() // 10**6]
    for fault, first, last in zip(faults, [begun, *ends], ends):
        span, at = f"{last - first}ms", last / 1000
        samples = [f"count_over_time({name}{{{whose}}}[{span}])" for name in senders.series]
        events = f"count_over_time({EVENTS} | {whose} [{span}])"
        for sent, found in (
            (senders.samples, [prometheus.query(f"sum({each})", at) for each in samples]),
            (senders.events, [loki.query(f"sum({events})", at)]),
        ):
            wanted = within(sent, first, last)
            stored = sum(int(float(answer[0]["value"][1])) for answer in found if answer)
            fault.acknowledged += wanted
            fault.stored += stored
            fault.lost += max(0, wanted - stored)
            fault.twice += max(0, stored - wanted)


def told(expected: dict[str, Ledger], stores: Mapping[str, Store], since: float) -> dict[str, dict[str, Ledger]]:
    """What the stores say of each session, of the rows that are expected."""
    sessions: dict[str, dict[str, Ledger]] = {}
    ids = sorted(expected)
    for first in range(0, len(ids), AT_ONCE):
        some = ids[first : first + AT_ONCE]
        said = {name: store.ledgers(some, since) for name, store in stores.items()}
        for session in some:
            ledger = expected[session]
            sessions[session] = {"expected": ledger}
            for name, ledgers in said.items():
                sessions[session][name] = {row: n for row, n in ledgers.get(session, {}).items() if row in ledger}
    return sessions


def wrong(sessions: dict[str, dict[str, Ledger]]) -> list[str]:
    return [f"{session}: {line}" for session, ledgers in sessions.items() for line in differences(ledgers)]


def within(moments: Counter[int], first: int, last: int) -> int:
    return sum(number for at, number in moments.items() if first < at <= last)


def table(rows: list[list[str]]) -> list[str]:
    """In Markdown."""
    head = ["Fault", "Times", "Acknowledged", "Stored", "Lost", "Twice", "Recovered after (s)"]
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    lines = [
        "| " + " | ".join(f"{cell:{'<' if n == 0 else '>'}{widths[n]}}" for n, cell in enumerate(row)) + " |"
        for row in [head, *rows]
    ]
    rule = "|" + "|".join("-" * (width + 1) + (":" if n else "-") for n, width in enumerate(widths)) + "|"
    return [lines[0], rule, *lines[1:]]
