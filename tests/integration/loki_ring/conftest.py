# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Three Loki under load, of which two are killed one after the other, then all."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[3]))

from tests.faults.load import TEAM, Senders, rows
from tests.integration.loki_ring.loki_ring import ADDRESSES, COLLECTORS, Ring
from tests.replay.traffic import Traffic
from tests.tools import s3
from tests.tools.ledger import Ledger
from tests.tools.otlp import HttpSender

SENDERS = 100
# Seconds between what happens.
WHILE = 6


@dataclass
class Story:
    """What was sent, and what each host said at each time of those it should know of."""

    ring: Ring
    sent: dict[str, Ledger] = field(default_factory=dict)
    said: dict[str, dict[str, dict[str, Ledger]]] = field(default_factory=dict)
    # Events that another host answered with while one was away.
    meanwhile: list[int] = field(default_factory=list)
    begun: float = 0

    def listen(self, when: str) -> None:
        self.said[when] = {name: self.ring.ask(name).ledgers(self.sent, self.begun) for name in ADDRESSES}


@pytest.fixture(scope="session")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    folder = tmp_path_factory.mktemp("loki_ring")
    with s3.served(folder) as server:
        ring = Ring(folder, server)
        receivers = [HttpSender(ring.receiver(number)) for number in range(len(COLLECTORS))]
        senders = Senders(receiver for _each in range(SENDERS // len(receivers)) for receiver in receivers)
        try:
            ring.start()
            for collector in ring.collectors:
                collector.start()
            story = Story(ring, begun=senders.begun)
            senders.start()
            _kill_two(story)
            senders.stop()
            ring.wait_until_delivered()
            repeat = _one_session(story)
            for receiver in receivers:
                repeat(receiver)
                ring.wait_until_delivered()
            story.sent.update(senders.ledgers)
            story.listen("in memory")
            for running in ring.lokis.values():
                running.kill()
            ring.start()
            story.listen("after a kill of all")
            ring.move_to_the_object_store()
            ring.start()
            story.listen("from the object store alone")
            for receiver in receivers:
                repeat(receiver)
            ring.wait_until_delivered()
            story.listen("after another repeat")
            yield story
        finally:
            senders.stop()
            ring.stop()


def _kill_two(story: Story) -> None:
    for name, other in (("loki-1", "loki-2"), ("loki-2", "loki-3")):
        time.sleep(WHILE)
        story.ring.lokis[name].kill()
        time.sleep(WHILE)
        counted = story.ring.ask(other).query('sum(count_over_time({service_name="claude-code"}[1h]))')
        story.meanwhile.append(int(counted[0]["value"][1]))
        story.ring.start(name)
    time.sleep(WHILE)


def _one_session(story: Story) -> Callable[[HttpSender], None]:
    """A session that is sent as often as one likes."""
    traffic = Traffic(8)
    session = traffic.session(TEAM)
    requests = list(traffic.turn(session, time.time_ns() // 10**6, "fresh"))
    ledger = story.sent.setdefault(session.id, {"sessions": 1})
    for entry in (entry for request in requests for entry in request.entries):
        for row, value in rows(entry):
            ledger[row] = ledger.get(row, 0) + value

    def repeat(sender: HttpSender) -> None:
        for request in requests:
            sender.send(request.signal, request.body)

    return repeat
