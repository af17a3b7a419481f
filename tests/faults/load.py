# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Simulated senders and a real client that go on whatever happens, and the ledger of what was acknowledged."""

from __future__ import annotations

import json
import random
import threading
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from dashboards.queries import ACTIVE_TIME, COST, TOKENS
from tests.agent.hosts import PATIENT
from tests.e2e.sessions import SHAPES, play
from tests.e2e.sessions import Session as ClientSession
from tests.replay.traffic import Entry, Request, Session, Traffic
from tests.tools import client
from tests.tools.ledger import NANO, Ledger
from tests.tools.model_api import ModelApi
from tests.tools.otlp import Refused, Sender
from tests.tools.relay import Relay

TEAM = "senders"
PERIOD = 10.0
# Told of once more in this time, as a client would that lives long enough.
AGAIN = 1.0


class Senders:
    """Each sends a turn of its session every few seconds, and tries until that is acknowledged."""

    def __init__(self, senders: Iterable[Sender], seed: int = 7) -> None:
        self.ledgers: dict[str, Ledger] = {}
        # The milliseconds of each sample and event that was acknowledged.
        self.samples: Counter[int] = Counter()
        self.events: Counter[int] = Counter()
        self.series: set[str] = set()
        self.begun = time.time()
        # How often one gave a request up for a while, as a client would for good.
        self.given_up = 0
        self._traffic, self._lock = Traffic(seed), threading.Lock()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._send, args=each) for each in enumerate(senders)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """After what each is at has been acknowledged."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _send(self, number: int, sender: Sender) -> None:
        draw = random.Random(number)
        with self._lock:
            session = self._traffic.session(TEAM)
        start, wait = "fresh", draw.uniform(0, PERIOD)
        while not self._stop.wait(wait):
            wait = draw.uniform(0, 2 * PERIOD)
            with self._lock:
                requests = self._traffic.turn(session, time.time_ns() // 10**6, start)
            start = ""
            for request in requests:
                self._until_acknowledged(sender, request)
                with self._lock:
                    self._book(session, request)

    def _until_acknowledged(self, sender: Sender, request: Request) -> None:
        while True:
            try:
                sender.send(request.signal, request.body)
                return
            except Refused:
                with self._lock:
                    self.given_up += 1
                time.sleep(AGAIN)

    def _book(self, session: Session, request: Request) -> None:
        ledger = self.ledgers.setdefault(session.id, {"sessions": 1})
        for entry in request.entries:
            (self.samples if entry.name else self.events)[entry.at] += 1
            if entry.name:
                self.series.add(entry.name)
            for row, value in rows(entry):
                ledger[row] = ledger.get(row, 0) + value


def rows(entry: Entry) -> list[tuple[str, int]]:
    """The rows of the ledger that an entry adds to."""
    labels = dict(entry.labels)
    if not entry.name:
        return [(f"event {labels['event_name']}", 1)]
    if entry.name == TOKENS:
        return [(f"tokens {labels['type']}", int(entry.value))]
    if entry.name == COST:
        return [("cost", round(entry.value * NANO))]
    if entry.name == ACTIVE_TIME:
        return [(f"metric claude_code.active_time.total {labels.get('type', '')}".rstrip(), round(entry.value * 1000))]
    return []


class RealClient:
    """Sessions of Claude Code, one after another. It keeps nothing on disk, so it rests while the collector is away.

    It ends after its own time to flush, acknowledged or not, so a relay keeps account of what was.
    """

    def __init__(self, url: str, home: Path) -> None:
        # What each session did.
        self.ledgers: dict[str, Ledger] = {}
        self.errors: list[Exception] = []
        # Held while a session is on.
        self.busy = threading.Lock()
        self._home, self._program, self._api, self._relay = home, client.install(), ModelApi(), Relay(url)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._play)
        settings = {
            **PATIENT,
            "CLAUDE_CODE_ENABLE_TELEMETRY": "1",
            "OTEL_METRICS_EXPORTER": "otlp",
            "OTEL_LOGS_EXPORTER": "otlp",
            "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
            "OTEL_EXPORTER_OTLP_ENDPOINT": self._relay.url,
        }
        (home / ".claude").mkdir(parents=True)
        (home / ".claude" / "settings.json").write_text(json.dumps({"env": settings}))

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()
        self._api.close()
        self._relay.close()

    @property
    def acknowledged(self) -> dict[str, dict[str, Ledger]]:
        """By store and session."""
        return {"prometheus": self._relay.prometheus, "loki": self._relay.loki}

    def _play(self) -> None:
        shape = next(shape for shape in SHAPES if shape.name == "one-turn-http")
        while not self._stop.wait(0.5):
            with self.busy:
                folder = self._home / f"work-{len(self.ledgers)}"
                folder.mkdir()
                session = ClientSession(shape.name, self._home, folder, self._program, self._api, shape.model)
                try:
                    self.ledgers[session.id] = play(shape, session)
                except Exception as error:
                    self.errors.append(error)
                    return
