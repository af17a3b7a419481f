# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is sent, and what happens to the components meanwhile. Each scene sends as a team of its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from tests.replay.backend import HISTORY, SHIPPED, Backend
from tests.replay.traffic import Ledger, Request, Traffic, together
from tests.tools.otlp import Sender

HOUR = 3600
DAY = 24 * HOUR
# Bytes: of Loki's blocks unless configured otherwise, and what the events of a turn take at least.
UPSTREAM_BLOCK, TURN = 256 * 1024, 2000
TEAMS = (
    *("alpha", "beta", "short sessions", "same moment", "idle gaps", "resumed sessions", "retries", "delivered twice"),
    *("many", "clock skew", "late data", "long session", "stores away"),
)
# The oldest day a panel asks for begins two months ago.
PAST_DAYS = range(62, 5, -1)


class Scenes:
    """Plays them and keeps the ledger. late_h: what the collector accepts at the moment."""

    def __init__(self, stack: Backend, seed: int) -> None:
        self.stack, self.traffic, self.ledger = stack, Traffic(seed), Ledger()
        self.senders: list[Sender] = stack.senders()
        self._turn = 0

    def deliver(self, requests: Iterable[Request], late_max: str = SHIPPED) -> None:
        """Send each once, in turn over each of the protocols."""
        for request in requests:
            self._turn += 1
            self.ledger.delivered(request, time.time(), int(late_max.rstrip("h")))
            self.senders[self._turn % len(self.senders)].send(request.signal, request.body)

    def the_past(self) -> None:
        """Two months of sessions, on every day of which somebody works."""
        now = int(time.time())
        for day in PAST_DAYS:
            requests: list[Request] = []
            for team in ("alpha", "beta"):
                session = self.traffic.session(team)
                # Through all hours, so that each zone has sessions at both ends of its days.
                at = 1000 * (now - day * DAY) + (day * 7919 % 1440) * 60_000
                requests += self.traffic.turn(session, at, "fresh")
                requests += self.traffic.turn(session, at + 45 * 60_000)
            self.deliver(together(requests), HISTORY)

    def one_turn(self, team: str, age: float = 30, start_type: str = "fresh") -> list[Request]:
        """A session of a single turn, `age` seconds ago."""
        return self.traffic.turn(self.traffic.session(team), int((time.time() - age) * 1000), start_type)

    def short_sessions(self) -> None:
        for age in range(40, 0, -5):
            self.deliver(self.one_turn("short sessions", age))

    def same_moment(self) -> None:
        """Whoever works at the same time is counted for himself, to the millisecond."""
        at = int(time.time() - 20) * 1000
        turns = [self.traffic.turn(self.traffic.session("same moment"), at, "fresh") for _ in range(6)]
        for metrics, events in turns:
            self.deliver([metrics, events])
        # Two sub-agents of one session.
        session = self.traffic.session("same moment")
        for turn in (self.traffic.turn(session, at, "fresh"), self.traffic.turn(session, at)):
            self.deliver(turn[1:])

    def idle_gaps(self) -> None:
        session, now = self.traffic.session("idle gaps"), time.time()
        for age in (5 * HOUR, 3 * HOUR, 50 * 60, 20):
            self.deliver(self.traffic.turn(session, int((now - age) * 1000), "fresh" if age == 5 * HOUR else ""))

    def resumed_sessions(self) -> None:
        session, now = self.traffic.session("resumed sessions"), time.time()
        for age, start_type in ((30 * HOUR, "fresh"), (4 * HOUR, "resume"), (15, "continue")):
            self.deliver(self.traffic.turn(session, int((now - age) * 1000), start_type))

    def retries(self) -> None:
        """The answer is lost when the collector dies, so the client sends again, to the next one."""
        requests = [request for age in (90, 60, 30) for request in self.one_turn("retries", age)]
        self.deliver(requests)
        self.stack.kill("otel_collector")
        self.stack.start("otel_collector")
        self.deliver(requests)

    def delivered_twice(self) -> None:
        """The last time after so many others that Loki no longer has the first in the block it writes to."""
        requests = [request for age in (26 * HOUR, 2 * HOUR, 25) for request in self.one_turn("delivered twice", age)]
        for _ in range(2):
            self.deliver(requests)
        others = [event for _ in range(UPSTREAM_BLOCK // TURN) for event in self.one_turn("many", 26 * HOUR)[1:]]
        self.deliver(others)
        self.deliver(requests)

    def clock_skew(self) -> None:
        """Half an hour off a whole one: a retry that comes late must not cross it."""
        skews = (-2.5 * HOUR, -100.5 * DAY, 80.5 * HOUR, 400.5 * DAY)
        requests = [request for age in skews for request in self.one_turn("clock skew", age - age % HOUR + HOUR / 2)]
        for _ in range(2):
            self.deliver(requests)
        self.stack.kill("prometheus", "loki")
        self.stack.start("prometheus", "loki")
        self.deliver(requests)

    def late_data(self) -> None:
        """Up to 72 hours, in no order, with a recorded day between each. Meanwhile somebody else works on and on."""
        steady = self.traffic.session("long session")
        for hours in (1, 25, 71.9, 11, 49, 23, 70, 36, 60):
            self.deliver(self.traffic.turn(steady, int(time.time() * 1000), "fresh" if hours == 1 else ""))
            requests = self.one_turn("late data", hours * HOUR)
            self.deliver(requests)
            self.stack.wait_until_recorded()
            self.deliver(requests)

    def stores_away(self) -> None:
        """What was accepted survives the death of the collector while the stores are down."""
        self.stack.kill("prometheus", "loki")
        for age in (48 * HOUR, 3 * HOUR, 10):
            self.deliver(self.one_turn("stores away", age))
        self.stack.kill("otel_collector")
        self.stack.start("prometheus", "loki", "otel_collector")
        self.stack.wait_until_delivered()
        self.stack.kill("prometheus", "loki")
        self.stack.start("prometheus", "loki")

    def all(self) -> Iterable[Callable[[], None]]:
        return (
            self.short_sessions,
            self.same_moment,
            self.idle_gaps,
            self.resumed_sessions,
            self.retries,
            self.delivered_twice,
            self.late_data,
            self.clock_skew,
            self.stores_away,
        )
