# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Recorded requests of many senders over connections that stay open, several processes with some requests under way."""

from __future__ import annotations

import multiprocessing
import resource
import socket
import ssl
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace

from tests.tools import replay
from tests.tools.otlp import message

PROCESSES, UNDER_WAY = 4, 8
# Those with running totals are filtered; those that the receiver refused hold points twice.
LEFT_OUT = ("cumulative", "outage-delta-503")
# Longer than any recording: no two points of a series have one time.
TURN_S = 16.0
SESSION = uuid.UUID(int=0)
TRANSIENT = (b"429", b"503")
PATIENCE = 120.0


@dataclass(frozen=True)
class Made:
    """A request, and what is in it."""

    path: str
    body: bytes
    points: int
    events: int


@dataclass(frozen=True)
class Played:
    """What a round did. Seconds, counts, bytes; `again`: answers to try once more; `cpu`: of the senders."""

    seconds: float
    requests: int
    points: int
    events: int
    size: int
    again: int
    cpu: float


class Recordings:
    """All of them, as requests of one session whose id is to be replaced."""

    def __init__(self) -> None:
        paths = [path for path in replay.files() if path.name.removesuffix(replay.SUFFIX) not in LEFT_OUT]
        self._all = [[request for request in replay.load(path) if request.accepted] for path in paths]

    def turn(self, last: float) -> list[list[Made]]:
        """The requests of each recording, the last point at `last` (unix seconds)."""
        return [[_made(each) for each in _moved(requests, last)] for requests in self._all]


def _moved(requests: list[replay.Request], last: float) -> list[replay.Request]:
    points = [point for each in requests for point in replay.points(each.signal, each.body)]
    shift = (int(last * 1000) - max(int(point["timeUnixNano"]) for point in points) // 1_000_000) * 1_000_000
    return [replay.moved(each, shift, lambda _old: str(SESSION)) for each in requests]


def _made(request: replay.Request) -> Made:
    count = sum(1 for _point in replay.points(request.signal, request.body))
    body = message(request.signal, request.body).SerializeToString()
    of_metrics = request.signal == "metrics"
    return Made(f"/v1/{request.signal}", body, count if of_metrics else 0, 0 if of_metrics else count)


def session(side: int, sender: int) -> str:
    """The id of a sender's session; those of a side begin alike."""
    return str(uuid.UUID(int=side << 96 | sender))


def sessions(side: int) -> str:
    """A pattern for all sessions of a side."""
    return f"{side:08x}-.+"


class Connection:
    """One sender's, kept open."""

    def __init__(self, place: tuple[str, int], tls: ssl.SSLContext | None, header: str) -> None:
        plain = socket.create_connection(place, timeout=PATIENCE)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = tls.wrap_socket(plain, server_hostname=place[0]) if tls else plain
        self._head = f"Host: {place[0]}\r\nContent-Type: application/x-protobuf\r\nAuthorization: {header}\r\n"

    def send(self, made: Made) -> None:
        head = f"POST {made.path} HTTP/1.1\r\n{self._head}Content-Length: {len(made.body)}\r\n\r\n"
        self._socket.sendall(head.encode() + made.body)

    def status(self) -> bytes:
        """Of the next answer, which is read to its end."""
        data = b""
        while b"\r\n\r\n" not in data:
            data += self._received()
        head, _, body = data.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
        while len(body) < length:
            body += self._received()
        return head[9:12]

    def _received(self) -> bytes:
        data = self._socket.recv(65536)
        if not data:
            raise ConnectionError("the collector closed a connection")
        return data


def play(
    place: tuple[str, int],
    authority: str,
    headers: list[str],
    side: int,
    turns: list[list[list[Made]]],
    connected: Callable[[], None],
) -> Played:
    """Each sender sends one recording in each turn. `connected` is called when all are, and then the time runs.

    Raises RuntimeError with the first answer that is neither success nor a reason to send again.
    """
    fork = multiprocessing.get_context("fork")
    barrier, results = fork.Barrier(PROCESSES + 1), fork.SimpleQueue()

    def work(senders: range) -> None:
        try:
            tls = ssl.create_default_context(cafile=authority) if authority else None
            connections = {sender: Connection(place, tls, headers[sender]) for sender in senders}
            barrier.wait(PATIENCE)
            barrier.wait(PATIENCE)
            results.put(_all_sent(connections, side, turns))
        except Exception as error:
            barrier.abort()
            results.put(repr(error))

    workers = [fork.Process(target=work, args=(range(part, len(headers), PROCESSES),)) for part in range(PROCESSES)]
    for worker in workers:
        worker.start()
    try:
        barrier.wait(PATIENCE)
        connected()
        began = time.monotonic()
        barrier.wait(PATIENCE)
    except threading.BrokenBarrierError:
        raise RuntimeError(results.get()) from None
    found = [results.get() for _worker in workers]
    took = time.monotonic() - began
    for worker in workers:
        worker.join()
    if failed := [each for each in found if isinstance(each, str)]:
        raise RuntimeError(failed[0])
    return Played(took, *map(sum, zip(*found)))


def _all_sent(connections: dict[int, Connection], side: int, turns: list[list[list[Made]]]) -> tuple[float, ...]:
    """What one process sent, as the fields of Played after the first."""
    requests = points = events = size = again = 0
    idle = _cpu()
    for recordings in turns:
        # Every sender's first request, then every sender's second: no sender has two under way.
        for step in range(max(map(len, recordings))):
            waiting = []
            for sender in connections:
                recording = recordings[sender % len(recordings)]
                if step < len(recording):
                    waiting.append((sender, _of(recording[step], session(side, sender))))
            while waiting:
                now, waiting = waiting[:UNDER_WAY], waiting[UNDER_WAY:]
                for sender, made in now:
                    connections[sender].send(made)
                for sender, made in now:
                    status = connections[sender].status()
                    if status in TRANSIENT:
                        again += 1
                        waiting.append((sender, made))
                    elif status != b"200":
                        raise RuntimeError(f"the collector answered {status.decode()}")
                    else:
                        requests += 1
                        points += made.points
                        events += made.events
                        size += len(made.body)
    return requests, points, events, size, again, _cpu() - idle


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _of(made: Made, session: str) -> Made:
    return replace(made, body=made.body.replace(str(SESSION).encode(), session.encode()))
