# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stands between a client and the collector, and keeps a ledger of what the collector acknowledged.

It passes on OTLP over HTTP/protobuf as it is, and answers what the collector answers.
"""

from __future__ import annotations

import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.tools.ledger import METRICS, NANO, TOKEN_FIELDS, Ledger
from tests.tools.otlp import REQUESTS

TIMEOUT = 120
Rows = Iterator[tuple[str, str, float]]


class Relay:
    def __init__(self, upstream: str) -> None:
        self._sums: dict[str, dict[str, dict[str, float]]] = {"metrics": {}, "logs": {}}
        self._upstream = upstream.rstrip("/")
        self._lock = threading.Lock()
        # What has been booked: a client that heard no answer sends again, and both may have been acknowledged.
        self._booked: set[bytes] = set()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def prometheus(self) -> dict[str, Ledger]:
        """By session what Prometheus must hold of it."""
        return self._ledgers("metrics")

    @property
    def loki(self) -> dict[str, Ledger]:
        """By session what Loki must hold of it."""
        return self._ledgers("logs")

    def _ledgers(self, signal: str) -> dict[str, Ledger]:
        with self._lock:
            return {
                session: {"sessions": 1} | {row: round(value) for row, value in sums.items()}
                for session, sums in self._sums[signal].items()
            }

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        relay = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status, answer = relay.pass_on(self.path, body, self.headers["Content-Type"])
                self.send_response(status)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        return Handler

    def pass_on(self, path: str, body: bytes, content_type: str) -> tuple[int, bytes]:
        """The collector's status and answer; 503 if it gives none."""
        call = urllib.request.Request(self._upstream + path, body, {"Content-Type": content_type})
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(call, timeout=TIMEOUT) as answer:
                said = answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()
        except OSError as error:
            return 503, str(error).encode()
        self._book(path.rpartition("/")[2], body)
        return 200, said

    def _book(self, signal: str, body: bytes) -> None:
        request = REQUESTS[signal].FromString(body)
        with self._lock:
            for session, row, value in self._samples(request) if signal == "metrics" else self._events(request):
                sums = self._sums[signal].setdefault(session, {})
                sums[row] = sums.get(row, 0) + value

    def _new(self, *parts: bytes) -> bool:
        key = b"\0".join(parts)
        known = key in self._booked
        self._booked.add(key)
        return not known

    def _samples(self, request: Any) -> Rows:
        for resource in request.resource_metrics:
            metrics = [metric for scope in resource.scope_metrics for metric in scope.metrics]
            for metric in metrics:
                for point in metric.sum.data_points:
                    if self._new(metric.name.encode(), point.SerializeToString(deterministic=True)):
                        yield from _of_sample(metric.name, point)

    def _events(self, request: Any) -> Rows:
        for resource in request.resource_logs:
            for record in [record for scope in resource.scope_logs for record in scope.log_records]:
                if self._new(record.SerializeToString(deterministic=True)):
                    yield from _of_event(attributes(record))


def attributes(holder: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in holder.attributes}


def _of_sample(name: str, point: Any) -> Rows:
    labels = attributes(point)
    session = labels["session.id"]
    value = point.as_double if point.WhichOneof("value") == "as_double" else point.as_int
    if name == "claude_code.token.usage":
        yield session, f"tokens {labels['type']}", value
    elif name == "claude_code.cost.usage":
        yield session, "cost", value * NANO
    elif name == "claude_code.session.count":
        yield session, "starts", value
    elif name in METRICS:
        yield session, f"metric {name} {labels.get('type', '')}".rstrip(), value * METRICS[name][1]


def _of_event(event: dict[str, Any]) -> Rows:
    session, name = event["session.id"], event["event.name"]
    yield session, f"event {name}", 1
    if name == "managed_settings_resolved":
        yield session, "starts", 1
    if name == "api_request":
        yield session, "cost", float(event["cost_usd"]) * NANO
        for kind, field in TOKEN_FIELDS.items():
            yield session, f"tokens {kind}", int(event[field])
