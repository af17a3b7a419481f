# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host under load, to which everything happens once, before the first test."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.faults.fault import Fault, Store, count, happen, table
from tests.faults.host import COMPONENTS, FEW, OUTAGE, STORES, Host, clear, wait
from tests.faults.load import TEAM, RealClient, Senders
from tests.tools.ledger import Loki, Prometheus
from tests.tools.otlp import HttpSender

SENDERS = int(os.environ.get("FAULT_SENDERS", "200"))
KILLS = int(os.environ.get("FAULT_KILLS", "5"))
# Seconds.
CUT = int(os.environ.get("FAULT_CUT", "15"))
FULL = 5
TABLE = pytest.StashKey[list[str]]()


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

    @property
    def stores(self) -> dict[str, Store]:
        return {"prometheus": self.prometheus, "loki": self.loki}


@pytest.fixture(scope="session")
def story(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Story]:
    clear()
    folder = tmp_path_factory.mktemp("faults")
    host = Host(folder)
    host.start()
    host.install()
    url = host.urls[4318]
    story = Story(host, Senders(HttpSender(url) for _ in range(SENDERS)), RealClient(url, folder / "home"))
    try:
        story.senders.start()
        story.client.start()
        happen(story.all())
        count(story.faults, story.senders, story.prometheus, story.loki, f'team="{TEAM}"')
        both = set.intersection(*map(set, story.client.acknowledged.values()))
        request.config.stash[TABLE] = [
            *table([fault.row() for fault in story.faults]),
            f"{len(story.client.ledgers)} sessions of the real client, {len(both)} acknowledged in both signals",
        ]
        yield story
    finally:
        story.client.stop()
        story.senders.stop()
        if not os.environ.get("FAULT_KEEP"):
            clear()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for line in config.stash.get(TABLE, []):
        terminalreporter.write_line(line)
