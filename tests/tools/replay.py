# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pushes the recordings of the real client into a stack, moved to the present.

Usage: python -m tests.tools.replay --grpc 127.0.0.1:4317 --http http://127.0.0.1:4318 [--age 50h] [FILE...]
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from tests.tools.otlp import GrpcSender, HttpSender, Refused, Sender

RECORDINGS = Path(__file__).parent.parent / "recordings"
SUFFIX = ".otlp.jsonl"
AGE = 30.0
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
TIMES = ("timeUnixNano", "startTimeUnixNano", "observedTimeUnixNano")


@dataclass(frozen=True)
class Request:
    """One recorded request; `accepted` says whether the receiver of the recording took it."""

    transport: str
    signal: str
    accepted: bool
    body: dict[str, Any]


@dataclass(frozen=True)
class Replayed:
    """One file sent once: the new session ids tell its numbers apart from those of every other run."""

    name: str
    transport: str
    sessions: tuple[str, ...]
    requests: int
    repeats: int
    attempts: int
    first: float
    last: float


def files() -> list[Path]:
    """All recordings of the project."""
    return sorted(RECORDINGS.glob(f"*{SUFFIX}"))


def load(path: Path) -> list[Request]:
    """The requests of a recording in their order."""
    requests = []
    for line in path.read_text().splitlines():
        entry = json.loads(line)
        requests.append(
            Request(
                transport=entry["transport"],
                signal=entry["signal"],
                accepted=entry.get("answered", 200) in (0, 200),
                body=entry["req"],
            )
        )
    return requests


def sendable(requests: list[Request]) -> list[Request]:
    """All accepted requests, and the refused ones that an accepted one repeats: stores must keep one copy of those."""
    taken = [request.body for request in requests if request.accepted]
    return [request for request in requests if request.accepted or request.body in taken]


def parse_age(text: str) -> float:
    """Seconds of an age such as 30s, 90m, 50h or 3d."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", text)
    if not match:
        raise argparse.ArgumentTypeError(f"{text!r} is no age: write a number and s, m, h or d")
    return float(match[1]) * UNITS[match[2]]


def points(signal: str, body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The datapoints or log records of a request."""
    if signal == "logs":
        for resource in body.get("resourceLogs", []):
            for scope in resource["scopeLogs"]:
                yield from scope["logRecords"]
        return
    for resource in body.get("resourceMetrics", []):
        for scope in resource["scopeMetrics"]:
            for metric in scope["metrics"]:
                yield from metric["sum"]["dataPoints"]


def attribute(point: dict[str, Any], key: str) -> Any:
    """The value of an attribute, None if it is absent."""
    for entry in point.get("attributes", []):
        if entry["key"] == key:
            return next(iter(entry["value"].values()), None)
    return None


def iso(nanoseconds: int) -> str:
    """A time as the client writes event.timestamp, e.g. 2026-11-23T12:32:18.864Z."""
    milliseconds = nanoseconds // 1_000_000
    moment = datetime.fromtimestamp(milliseconds // 1000, tz=timezone.utc)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{milliseconds % 1000:03d}Z"


def moved(request: Request, shift: int, session: Callable[[str], str]) -> Request:
    """A copy with all times moved by `shift` nanoseconds and every session id replaced."""
    body = json.loads(json.dumps(request.body))
    for point in points(request.signal, body):
        for key in TIMES:
            if int(point.get(key, 0)):
                point[key] = str(int(point[key]) + shift)
        for entry in point.get("attributes", []):
            if entry["key"] == "session.id":
                entry["value"] = {"stringValue": session(entry["value"]["stringValue"])}
            elif entry["key"] == "event.timestamp":
                entry["value"] = {"stringValue": iso(int(point["timeUnixNano"]))}
    return Request(request.transport, request.signal, request.accepted, body)


def prepare(requests: list[Request], now: float, age: float, run: uuid.UUID) -> tuple[list[Request], list[str]]:
    """The requests moved so that the last point is `age` seconds old at `now`, and the new session ids.

    The shift is whole milliseconds, as the client's times are; Prometheus keeps no more.
    """
    times = [int(point["timeUnixNano"]) for request in requests for point in points(request.signal, request.body)]
    shift = (int((now - age) * 1000) - max(times) // 1_000_000) * 1_000_000
    sessions: dict[str, str] = {}

    def session(old: str) -> str:
        return sessions.setdefault(old, str(uuid.uuid5(run, old)))

    return [moved(request, shift, session) for request in requests], list(sessions.values())


def replay(path: Path, sender: Sender, age: float = AGE, copies: int = 1) -> Replayed:
    """Send one recording, each request `copies` times as after a lost answer. Raises otlp.Refused."""
    requests = sendable(load(path))
    ready, sessions = prepare(requests, time.time(), age, uuid.uuid4())
    attempts = sum(sender.send(request.signal, request.body) for request in ready for _ in range(copies))
    times = [int(point["timeUnixNano"]) / 1e9 for request in ready for point in points(request.signal, request.body)]
    return Replayed(
        name=path.name,
        transport=sender.name,
        sessions=tuple(sessions),
        requests=len(ready) * copies,
        repeats=sum(not request.accepted for request in requests) + len(ready) * (copies - 1),
        attempts=attempts,
        first=min(times),
        last=max(times),
    )


def replay_all(
    grpc: str | None, http: str | None, paths: Iterable[Path] | None = None, age: float = AGE, copies: int = 1
) -> list[Replayed]:
    """Send every recording over every transport given; http-json goes as JSON, as it was recorded."""
    senders: list[Sender] = [GrpcSender(grpc)] if grpc else []
    if http:
        senders.append(HttpSender(http))
    done = []
    for path in files() if paths is None else paths:
        for sender in senders:
            as_json = http is not None and sender.name != "grpc" and path.name == f"http-json{SUFFIX}"
            done.append(replay(path, HttpSender(http, "json") if http and as_json else sender, age, copies))
    return done


def table(rows: Iterable[Replayed]) -> str:
    """What was sent, for people."""
    lines = [f"{'recording':<18} {'transport':<14} {'requests':>8} {'repeats':>8} {'attempts':>8}  session"]
    for row in rows:
        name = row.name.removesuffix(SUFFIX)
        counts = f"{row.requests:>8} {row.repeats:>8} {row.attempts:>8}"
        lines.append(f"{name:<18} {row.transport:<14} {counts}  {', '.join(row.sessions)}")
    return "\n".join(lines)


def arguments(parser: argparse.ArgumentParser) -> None:
    """The options shared by all tools that replay."""
    parser.add_argument("--grpc", metavar="HOST:PORT", help="send over gRPC")
    parser.add_argument("--http", metavar="URL", help="send over HTTP to this base URL")
    parser.add_argument("--age", type=parse_age, default=AGE, help="age of the last point, e.g. 50h (default 30s)")
    parser.add_argument("--copies", type=int, default=1, help="send each request so many times (default 1)")
    parser.add_argument("files", nargs="*", type=Path, help="recordings (default: all of the project)")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    arguments(parser)
    options = parser.parse_args()
    if not (options.grpc or options.http):
        parser.error("give --grpc, --http or both")
    try:
        print(table(replay_all(options.grpc, options.http, options.files or None, options.age, options.copies)))
    except Refused as error:
        print(f"refused: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
