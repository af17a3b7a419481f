# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Points pushed as the collector pushes them: in time, and late."""

from __future__ import annotations

import http.client
import itertools
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from benchmarks.month.people import DAY_MS, EXPORT_MS, Developer, Point, Session

RESOURCE = {"job": "service.name", "service_version": "service.version", "developer": "developer", "team": "team"}
# History is not sent client by client but so many milliseconds of all clients at once.
SLICE_MS = 60_000
# From the beginning of the working day to its middle.
HALF_A_DAY_MS = 5 * 3_600_000


class Pusher:
    """Sends OTLP to Prometheus over one connection."""

    def __init__(self, url: str) -> None:
        self.connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=120)
        self.samples = self.refused = 0

    def send(self, sessions: Iterable[tuple[Session, list[Point]]]) -> None:
        body, samples = encoded(sessions)
        self.post(body, samples)

    def post(self, body: bytes, samples: int) -> None:
        headers = {"Content-Type": "application/x-protobuf"}
        self.connection.request("POST", "/api/v1/otlp/v1/metrics", body, headers)
        answer = self.connection.getresponse()
        answer.read()
        self.samples += samples
        self.refused += samples if answer.status >= 300 else 0


def encoded(sessions: Iterable[tuple[Session, list[Point]]]) -> tuple[bytes, int]:
    """The request with some points of some sessions, and how many points that are."""
    request, samples = ExportMetricsServiceRequest(), 0
    for session, points in sessions:
        resource = request.resource_metrics.add()
        own = []
        for name, text in session.identity:
            if name in RESOURCE:
                resource.resource.attributes.add(key=RESOURCE[name]).value.string_value = text
            else:
                own.append((name, text))
        scope = resource.scope_metrics.add()
        scope.scope.name = "com.anthropic.claude_code"
        metrics: dict[str, Any] = {}
        for series, labels, at, value in points:
            if series not in metrics:
                metrics[series] = scope.metrics.add(name=series)
            point = metrics[series].gauge.data_points.add(time_unix_nano=at * 1_000_000, as_double=value)
            for name, text in (*own, *labels):
                point.attributes.add(key=name).value.string_value = text
            samples += 1
    return request.SerializeToString(), samples


def push_days(pusher: Pusher, developers: Iterable[int], noon: int, until: int, since: int = 0) -> None:
    """The working day whose middle is `noon`, as far as it lies between the two, in order. All in milliseconds."""
    midnight = noon - HALF_A_DAY_MS - 8 * 3_600_000
    slices: dict[int, dict[int, tuple[Session, list[Any]]]] = defaultdict(dict)
    for number in developers:
        # The same day of habits, whenever it is pushed.
        for session in moved(Developer(number).sessions(midnight // DAY_MS * DAY_MS), midnight % DAY_MS):
            for point in session.points:
                if since < point[2] <= until:
                    slices[point[2] // SLICE_MS].setdefault(id(session), (session, []))[1].append(point)
    for _, content in sorted(slices.items()):
        pusher.send(content.values())


def moved(sessions: Iterable[Session], by: int) -> Iterator[Session]:
    for session in sessions:
        session.points = [(series, labels, at + by, value) for series, labels, at, value in session.points]
        yield session


def work_at_once(developers: int, start: int, seconds: int) -> list[list[tuple[bytes, int]]]:
    """The requests of each ten seconds in which everybody is at work, each client's its own."""
    ticks: list[list[tuple[bytes, int]]] = [[] for _ in range(seconds * 1000 // EXPORT_MS)]
    for number in range(developers):
        # The longest session of some days, from its beginning.
        sessions = [session for day in range(9) for session in Developer(number).sessions(day * DAY_MS)]
        longest = max(sessions, key=lambda session: session.requests)
        shift = start + number * EXPORT_MS // developers - longest.start
        (session,) = moved([longest], shift)
        # Sorted by time already.
        for at, points in itertools.groupby(session.points, lambda point: point[2]):
            tick = (at - start) // EXPORT_MS - 1
            if tick >= len(ticks):
                break
            ticks[tick].append(encoded([(session, list(points))]))
    return ticks


def keep_pace(pusher: Pusher, ticks: list[list[tuple[bytes, int]]], start: float) -> float:
    """Send each tick's requests within its ten seconds; returns by how many seconds the last one was late."""
    for number, requests in enumerate(ticks):
        for place, (body, samples) in enumerate(requests):
            planned = start + (number + 1 + place / len(requests)) * EXPORT_MS / 1000
            time.sleep(max(0, planned - time.time()))
            pusher.post(body, samples)
    return time.time() - (start + (len(ticks) + 1) * EXPORT_MS / 1000)
