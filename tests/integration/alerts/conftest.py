# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The real collector, Prometheus and Loki with what the roles write, and something that stands for an Alertmanager.

What differs from a real stack: rules and scrapes take their turns every second or two, so that nobody has to wait.
"""

from __future__ import annotations

import json
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[3]))

from tests.integration.alerts.written import EVERYTHING, written
from tests.tools.ledger import ask
from tests.tools.otlp import HttpSender
from tests.tools.programs import Running, free_port, program

TIMEOUT = 120
QUEUE = 50


class Alertmanager:
    """Takes alerts as the second version of the Alertmanager's API does, below a path."""

    def __init__(self) -> None:
        self.alerts: dict[str, dict[str, Any]] = {}
        self.requests: set[tuple[str, str]] = set()
        manager = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                manager.requests.add((self.path, self.headers.get("Authorization", "")))
                manager.alerts.update({alert["labels"]["alertname"]: alert for alert in body})
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/below"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class Stack:
    """The three programs on loopback."""

    def __init__(self, folder: Path, alertmanager: Alertmanager) -> None:
        self.alertmanager = alertmanager
        names = ["prometheus_port", "loki_port", "loki_grpc_port"]
        names += [f"otel_collector_{name}_port" for name in ("grpc", "http", "export", "metrics", "health")]
        ports = {name: free_port() for name in names}
        self.prometheus, self.loki, self.collector_url, health = (
            f"http://127.0.0.1:{ports[f'{name}_port']}"
            for name in ("prometheus", "loki", "otel_collector_http", "otel_collector_health")
        )
        self.collector = HttpSender(self.collector_url)
        variables = {
            **EVERYTHING,
            **ports,
            "prometheus_alertmanagers": [alertmanager.url],
            "prometheus_alert_thresholds": {**EVERYTHING["prometheus_alert_thresholds"], "retries_exhausted": 1},
            "prometheus_scrape_interval": "1s",
            "otel_collector_queue_requests": QUEUE,
            "stack_config_dir": str(folder / "config"),
            "stack_data_dir": str(folder / "data"),
        }
        places = {"prometheus": "prometheus", "loki": "loki", "otel_collector": "otel-collector"}
        for role, place in places.items():
            (folder / "data" / place).mkdir(parents=True)
            for name, text in written(role, **variables).items():
                path = folder / "config" / place / "current" / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(re.sub(r"(?m)^(  interval:) .*$", r"\1 2s", text))
        config = folder / "config"
        (config / "prometheus" / "current" / "alertmanager_password").write_text("secret")
        arguments = {
            "prometheus": [
                f"--config.file={config}/prometheus/current/prometheus.yml",
                f"--storage.tsdb.path={folder}/data/prometheus",
                f"--web.listen-address={self.prometheus.removeprefix('http://')}",
                "--web.enable-otlp-receiver",
                "--web.enable-remote-write-receiver",
                f"--web.user-assets={folder}/reports",
            ],
            "loki": [f"-config.file={config}/loki/current/config.yml"],
            "otelcol-contrib": [f"--config={config}/otel-collector/current/config.yaml"],
        }
        ready = {"prometheus": f"{self.prometheus}/-/ready", "loki": f"{self.loki}/ready", "otelcol-contrib": health}
        # Stopped, it ends Prometheus as kill -9 would.
        guard = f"{config}/prometheus/current/run-while-there-is-room.sh"
        starters = {"prometheus": ["/bin/sh", guard, "5", f"{folder}/data/prometheus", f"{folder}/reports"]}
        self.running = {
            name: Running(
                [*starters.get(name, []), program(name), *arguments[name]], ready[name], folder / f"{name}.log"
            )
            for name in arguments
        }

    def query(self, expression: str) -> list[dict[str, Any]]:
        return ask(self.prometheus, "/api/v1/query", query=expression)

    def wait(self, what: str, found: Callable[[], Any]) -> Any:
        """What is found, as soon as it is something."""
        end = time.monotonic() + TIMEOUT
        while not (result := found()):
            assert time.monotonic() < end, f"not within {TIMEOUT} s: {what}"
            time.sleep(0.5)
        return result


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    alertmanager = Alertmanager()
    stack = Stack(tmp_path_factory.mktemp("stack"), alertmanager)
    try:
        for running in stack.running.values():
            running.start()
        yield stack
    finally:
        # Loki waits for a Prometheus that is gone: it has series to hand over.
        for running in reversed(stack.running.values()):
            running.stop()
        alertmanager.close()
