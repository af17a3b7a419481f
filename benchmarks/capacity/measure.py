# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The model against real programs at another size than the one it was made from."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.capacity.model import Company
from benchmarks.month import live
from benchmarks.month.store import Month
from benchmarks.month.text import table
from benchmarks.secure.sides import Collector, Stores
from benchmarks.secure.sides import Company as Senders
from tests.tools import replay
from tests.tools.otlp import HttpSender

DEVELOPERS, DAYS = 100, 5
AT_WORK, LIVE_S = 300, 60
# Of tests/recordings, each time as new sessions: what an event takes must not hang on how many there are.
TURNS = (20, 60)


def metrics() -> Iterator[tuple[str, float, float]]:
    """What the model says and what is there, of some days of Prometheus's blocks."""
    month = Month(DEVELOPERS, DAYS)
    folder = month.built()
    facts = json.loads((month.samples / "facts.json").read_text())
    sessions = facts["sessions"] / DEVELOPERS / DAYS
    model = Company(DEVELOPERS, sessions, facts["requests"] / facts["sessions"])
    disk = sum(path.stat().st_size for path in (folder / "data").glob("*/**/*") if path.is_file())
    yield "series", model.series_a_day * DAYS, facts["series"]
    yield "samples of clients", model.samples_a_day * DAYS, facts["samples"]
    yield "MB of Prometheus", model.metric_bytes_a_day * DAYS / 1e6, disk / 1e6


def event_bytes(turns: int) -> tuple[int, float]:
    """Events sent to a real Loki through a real collector, and what one of them takes on its disk."""
    with tempfile.TemporaryDirectory(prefix="capacity-") as folder:
        stores = Stores(Path(folder), "127.0.0.1", Senders(Path(folder), 1))
        collector = Collector("plain", stores)
        collector.configure()
        with stores.up(), collector.up():
            sender = HttpSender("http://{}:{}".format(*collector.receiver))
            since = time.time()
            for _ in range(turns):
                for file in replay.files():
                    replay.replay(file, sender)
            collector.wait_until_delivered()
            events = stores.stored(".+", since - replay.UNITS["h"])[1]
        # Told to end, Loki has written what was in its memory.
        return events, size(Path(folder) / "data" / "loki" / "chunks") / events


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("**/*") if path.is_file())


def memory() -> Iterator[str]:
    """Prometheus's memory at work and while days come late."""
    model = Company(AT_WORK)
    yield f"Prometheus with {AT_WORK} developers. The model says {model.prometheus_bytes / 1e6:.0f} MB when all are at"
    yield f"work, {model.late_bytes / 1e6:.0f} MB when three days of all have come late"
    yield from live.memory(AT_WORK, LIVE_S)


def report() -> Iterator[str]:
    rows = [(name, f"{said:,.0f}", f"{found:,.0f}", f"{said / found:.2f}") for name, said, found in metrics()]
    yield f"{DEVELOPERS} developers, {DAYS} working days; the model comes from 1,000 on 21"
    yield table(("", "model", "measured", "model / measured"), rows)
    yield ""
    yield from memory()
    yield ""
    yield "Events of tests/recordings on Loki's disk, chunks and index, once they are written"
    found = []
    for turns in TURNS:
        found.append(event_bytes(turns))
        print(*found[-1], file=sys.stderr, flush=True)
    yield table(("events", "bytes of one"), [(f"{events:,}", f"{each:.0f}") for events, each in found])
