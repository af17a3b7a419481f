# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Of three hosts one may be away: nothing taken is lost, nothing counts twice, and whoever is asked knows it."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.integration.mimir.three_hosts import ADDRESSES, BUCKET, ThreeHosts
from tests.tools import s3
from tests.tools.ledger import StoreError, ask

SERIES = "claude_code_test"
PATIENCE = 120


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[s3.Server]:
    with s3.served(tmp_path_factory.mktemp("store")) as server:
        yield server


@pytest.fixture(scope="module")
def hosts(server: s3.Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ThreeHosts]:
    hosts = ThreeHosts(tmp_path_factory.mktemp("hosts"), server)
    try:
        hosts.start()
        yield hosts
    finally:
        hosts.stop()


def total(hosts: ThreeHosts, name: str) -> float:
    """What a host finds of everything that was pushed."""
    (found,) = ask(hosts.store(name), "/api/v1/query", query=f"sum(sum_over_time({SERIES}[80h]))") or [
        {"value": [0, 0]}
    ]
    return float(found["value"][1])


def settle(hosts: ThreeHosts, names: list[str], expected: float) -> dict[str, float]:
    """What each finds, once it is as expected, or after a while."""
    end, found = time.monotonic() + PATIENCE, dict.fromkeys(names, -1.0)
    while set(found.values()) != {expected} and time.monotonic() < end:
        for name in names:
            try:
                found[name] = total(hosts, name)
            except StoreError as error:
                print(error)
        time.sleep(1)
    return found


class Sender:
    """Pushes, again and again until it is taken, to whoever is there; `taken` is the sum of what was."""

    def __init__(self, hosts: ThreeHosts) -> None:
        self.hosts, self.taken, self.turn = hosts, 0, 0

    def push(self, names: list[str], late_h: float = 0) -> None:
        self.turn += 1
        at = int((time.time() - late_h * 3600) * 1000)
        points = {at + number: self.turn for number in range(20)}
        end = time.monotonic() + PATIENCE
        while True:
            try:
                for _ in range(2):
                    self.hosts.push(names[self.turn % len(names)], points, SERIES)
                break
            except OSError as error:
                assert time.monotonic() < end, error
                time.sleep(1)
        self.taken += sum(points.values())


def test_one_may_be_away(hosts: ThreeHosts, server: s3.Server) -> None:
    everybody = list(ADDRESSES)
    sender = Sender(hosts)
    for late_h in (0, 71, 3, 50):
        sender.push(everybody, late_h)
    assert settle(hosts, everybody, sender.taken) == dict.fromkeys(everybody, sender.taken)
    for away in everybody:
        others = [name for name in everybody if name != away]
        hosts.hosts[away].kill()
        for late_h in (0, 50):
            sender.push(others, late_h)
        assert settle(hosts, others, sender.taken) == dict.fromkeys(others, sender.taken), f"without {away}"
        hosts.hosts[away].start()
        assert settle(hosts, everybody, sender.taken) == dict.fromkeys(everybody, sender.taken), f"{away} is back"

    # Into the object storage, from which all three read it.
    for name in everybody:
        hosts.send(name, "/ingester/flush?wait=true")
    assert any("/chunks/" in file for file in server.files(BUCKET))
    assert settle(hosts, everybody, sender.taken) == dict.fromkeys(everybody, sender.taken), "in blocks"
