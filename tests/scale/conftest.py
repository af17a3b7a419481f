# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes under load, to which everything happens once, before the first test."""

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

from tests.faults.fault import Fault, count, happen, table
from tests.faults.load import Senders
from tests.scale.cluster import PATIENCE, SENDER, SMALL, WHOLE, Cluster, clear, waiting
from tests.tools.hosts import TestHost, wait

SENDERS = int(os.environ.get("SCALE_SENDERS", "60"))
KILLS = int(os.environ.get("SCALE_KILLS", "1"))
# How many nodes are killed, one after another. Several in turn find what Loki lacks: docs/scale.md.
NODES = int(os.environ.get("SCALE_NODES", "1"))
# Seconds for which something is away.
AWAY = 5
TABLE = pytest.StashKey[list[str]]()
GROUPS = WHOLE if os.environ.get("SCALE_WHOLE") else SMALL


@dataclass
class Story:
    cluster: Cluster
    senders: Senders
    faults: list[Fault] = field(default_factory=list)
    # How many requests a rolling change made their senders give up for a while, and when each collector was away.
    given_up: int = 0
    away: list[tuple[float, float]] = field(default_factory=list)

    @contextmanager
    def fault(self, name: str, times: int = 1) -> Iterator[Fault]:
        fault = Fault(name, times, time.time_ns() // 10**6)
        self.faults.append(fault)
        yield fault
        fault.ended = time.time_ns() // 10**6

    def recovers(self, fault: Fault) -> None:
        begun = time.monotonic()
        self.cluster.recovered()
        fault.recovery.append(time.monotonic() - begun)

    # The faults, in the order in which they happen.

    def nothing(self) -> None:
        with self.fault("none") as fault:
            wait("all senders at work", lambda: len(self.senders.ledgers) >= SENDERS, PATIENCE)
            self.recovers(fault)

    def kills_of_collectors(self) -> None:
        collectors = self.cluster.collectors()
        with self.fault("kill -9 of each collector", KILLS * len(collectors)) as fault:
            for collector in collectors * KILLS:
                collector.kill("otel-collector")
                time.sleep(1)
                self.recovers(fault)

    def kills_with_a_queue(self) -> None:
        """What a collector has acknowledged while the store is away waits on its disk, whatever happens to it."""
        collectors = self.cluster.collectors()
        with self.fault("the same while the metrics' store is away", len(collectors)) as fault:
            self.cluster.stop_metrics()
            for collector in collectors:
                wait("something waits", lambda collector=collector: waiting(collector) > 0, PATIENCE)  # type: ignore[misc]
                collector.kill("otel-collector")
                wait("it still waits", lambda collector=collector: waiting(collector) > 0, PATIENCE)  # type: ignore[misc]
            self.cluster.start_metrics()
            self.recovers(fault)

    def rolling_change(self) -> None:
        with self.fault("a play that restarts every collector") as fault:
            before = self.senders.given_up
            self.cluster.inventory(otel_collector_memory_limit="500M")
            self.cluster.site.play("site")
            self.given_up = self.senders.given_up - before
            self.away = [restarted(collector) for collector in self.cluster.collectors()]
            self.recovers(fault)

    def kills_of_nodes(self) -> None:
        nodes = list(self.cluster.nodes.values())[:NODES]
        with self.fault("kill -9 of a node", KILLS * len(nodes)) as fault:
            for node in nodes * KILLS:
                node.reset()
                time.sleep(AWAY)
                node.boot()
                self.recovers(fault)

    def end(self) -> None:
        with self.fault("the end") as fault:
            self.senders.stop()
            self.cluster.recovered(0)
            fault.recovery.append(0)

    def all(self) -> tuple[Callable[[], None], ...]:
        return (
            self.nothing,
            self.kills_of_collectors,
            self.kills_with_a_queue,
            self.rolling_change,
            self.kills_of_nodes,
            self.end,
        )


def restarted(collector: TestHost) -> tuple[float, float]:
    """When it last stopped and started, in seconds of this machine."""
    properties = "InactiveEnterTimestampMonotonic,ActiveEnterTimestampMonotonic"
    said = collector.sh(f"systemctl show --property={properties} otel-collector").splitlines()
    at = {name: int(value) / 1e6 for name, value in (line.split("=") for line in said)}
    return at["InactiveEnterTimestampMonotonic"], at["ActiveEnterTimestampMonotonic"]


@pytest.fixture(scope="session")
def story(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Story]:
    clear()
    cluster = Cluster(tmp_path_factory.mktemp("scale"), GROUPS)
    begun = time.monotonic()
    cluster.start()
    cluster.inventory()
    cluster.site.play("../docs/haproxy")
    cluster.site.play("site")
    print(f"\ninstalled: {time.monotonic() - begun:.0f} s", flush=True)
    story = Story(cluster, Senders(cluster.grpc() if number % 2 else cluster.http() for number in range(SENDERS)))
    try:
        story.senders.start()
        happen(story.all())
        count(story.faults, story.senders, cluster.prometheus, cluster.loki, f'developer="{SENDER}"')
        request.config.stash[TABLE] = table([fault.row() for fault in story.faults])
        yield story
    finally:
        story.senders.stop()
        if not os.environ.get("SCALE_KEEP"):
            clear()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for line in config.stash.get(TABLE, []):
        terminalreporter.write_line(line)
