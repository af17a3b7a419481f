# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host under load, to which everything happens once, before the first test."""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

from dashboards.queries import EVENTS
from tests.faults.host import COMPONENTS, FEW, OUTAGE, STORES, Host, clear, wait
from tests.faults.load import TEAM, RealClient, Senders
from tests.tools.ledger import Loki, Prometheus

SENDERS = int(os.environ.get("FAULT_SENDERS", "200"))
KILLS = int(os.environ.get("FAULT_KILLS", "5"))
# Seconds.
CUT = int(os.environ.get("FAULT_CUT", "15"))
FULL = 5
TABLE = pytest.StashKey[list[str]]()


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


@dataclass
class Story:
    host: Host
    senders: Senders
    client: RealClient
    faults: list[Fault] = field(default_factory=list)
    # What the components said while their disks were full.
    logs: dict[str, str] = field(default_factory=dict)
    status: str = ""
    disk: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def fault(self, name: str, times: int = 1) -> Iterator[Fault]:
        fault = Fault(name, times, time.time_ns() // 10**6)
        self.faults.append(fault)
        yield fault
        fault.ended = time.time_ns() // 10**6

    def recovers(self, fault: Fault, at_most: int = FEW) -> None:
        begun = time.monotonic()
        self.host.recovered(at_most)
        fault.recovery.append(time.monotonic() - begun)

    # The faults, in the order in which they happen.

    def nothing(self) -> None:
        with self.fault("none") as fault:
            wait("all senders at work", lambda: len(self.senders.ledgers) >= SENDERS)
            wait("the client at work", lambda: len(self.client.ledgers) + len(self.client.errors) > 0)
            self.recovers(fault)

    def kills(self) -> None:
        """One of each in each round, so that each also meets the others away."""
        with self.fault("kill -9 of each component", KILLS * len(COMPONENTS)) as fault, self.client.busy:
            for _round in range(KILLS):
                for component in COMPONENTS:
                    self.host.kill(component)
                    time.sleep(1)
                self.recovers(fault)

    def outage(self) -> None:
        with self.fault(f"both stores stopped, {OUTAGE} s") as fault:
            self.host.sh(f"systemctl stop {' '.join(STORES)}")
            time.sleep(OUTAGE)
            assert self.host.waiting() > FEW
            self.host.sh(f"systemctl start {' '.join(STORES)}")
            self.recovers(fault)

    def cut(self) -> None:
        with self.fault(f"network cut before the stores, {CUT} s") as fault:
            self.host.cut()
            time.sleep(CUT)
            assert self.host.waiting() > FEW
            self.host.mend()
            self.recovers(fault)

    def full_disk_of_prometheus(self) -> None:
        with self.fault("full disk of Prometheus") as fault:
            begun = time.time()
            self.host.fill("prometheus", share=0.12, rate=4_000_000)
            wait("Prometheus is stopped", lambda: not self.host.answers("prometheus"))
            self.status = self.host.play("status")
            time.sleep(FULL)
            assert not self.host.answers("prometheus")
            self.host.empty("prometheus")
            self.recovers(fault)
            self.logs["prometheus"] = self.host.log("prometheus", begun)

    def full_disk_of_loki(self) -> None:
        with self.fault("full disk of Loki") as fault:
            self.host.fill("loki", share=0.26, rate=8_000_000)
            time.sleep(FULL)
            self.host.empty("loki")
            self.recovers(fault)

    def full_disk_of_the_collector(self) -> None:
        """While the stores are away: with a queue that need not grow it takes no notice."""
        with self.fault("full disk of the collector") as fault, self.client.busy:
            self.host.sh(f"systemctl stop {' '.join(STORES)}")
            self.host.fill("otel-collector", share=0.05, rate=4_000_000)
            wait("the collector refuses", lambda: self.host.said("otelcol_exporter_enqueue_failed") > 0)
            time.sleep(FULL)
            self.host.empty("otel-collector")
            self.host.sh(f"systemctl start {' '.join(STORES)}")
            self.recovers(fault)

    def restarts(self) -> None:
        for name, hard in (("restart of the host", False), ("reset of the host", True)):
            with self.fault(name) as fault, self.client.busy:
                self.host.reboot(hard)
                self.recovers(fault)

    def end(self) -> None:
        """Until everything has been delivered, a last time after a kill of both stores."""
        with self.fault("kill -9 of both stores at the end", 2) as fault:
            self.client.stop()
            self.senders.stop()
            self.recovers(fault, 0)
            for store in STORES:
                self.host.kill(store)
            self.recovers(fault, 0)

    def all(self) -> tuple[Callable[[], None], ...]:
        return (
            self.nothing,
            self.full_disk_of_the_collector,
            self.kills,
            self.outage,
            self.cut,
            self.full_disk_of_prometheus,
            self.full_disk_of_loki,
            self.restarts,
            self.end,
        )

    # What came of it.

    @property
    def prometheus(self) -> Prometheus:
        return Prometheus(self.host.urls[COMPONENTS["prometheus"]])

    @property
    def loki(self) -> Loki:
        return Loki(self.host.urls[COMPONENTS["loki"]])

    def count(self) -> None:
        """For each fault what was acknowledged of it and what is stored, each in every millisecond that it was."""
        begun = self.faults[0].begun
        ends = [fault.begun for fault in self.faults[1:]] + [time.time_ns() // 10**6]
        for fault, first, last in zip(self.faults, [begun, *ends], ends):
            span, at = f"{last - first}ms", last / 1000
            samples = [f'count_over_time({name}{{team="{TEAM}"}}[{span}])' for name in self.senders.series]
            events = f'count_over_time({EVENTS} | team="{TEAM}" [{span}])'
            for sent, found in (
                (self.senders.samples, [self.prometheus.query(f"sum({each})", at) for each in samples]),
                (self.senders.events, [self.loki.query(f"sum({events})", at)]),
            ):
                wanted = within(sent, first, last)
                stored = sum(int(float(answer[0]["value"][1])) for answer in found if answer)
                fault.acknowledged += wanted
                fault.stored += stored
                fault.lost += max(0, wanted - stored)
                fault.twice += max(0, stored - wanted)


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


@pytest.fixture(scope="session")
def story(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Story]:
    clear()
    folder = tmp_path_factory.mktemp("faults")
    host = Host(folder)
    host.start()
    host.install()
    url = host.urls[4318]
    story = Story(host, Senders(url, SENDERS), RealClient(url, folder / "home"))
    try:
        story.senders.start()
        story.client.start()
        for fault in story.all():
            begun = time.monotonic()
            fault()
            print(f"{fault.__name__}: {time.monotonic() - begun:.0f} s", flush=True)
        story.count()
        request.config.stash[TABLE] = table([fault.row() for fault in story.faults])
        yield story
    finally:
        story.client.stop()
        story.senders.stop()
        if not os.environ.get("FAULT_KEEP"):
            clear()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for line in config.stash.get(TABLE, []):
        terminalreporter.write_line(line)
