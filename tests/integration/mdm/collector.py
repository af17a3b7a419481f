# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The real collector on loopback, which writes down what it gets."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.tools.programs import Running, free_port, program

TIMEOUT = 90
# Of the model API's ledger, by the client's attribute `type`.
ROWS = {kind: f"tokens {kind}" for kind in ("input", "output", "cacheRead", "cacheCreation")}


class Collector:
    def __init__(self, folder: Path) -> None:
        self._received = folder / "received.json"
        grpc, http, health = free_port(), free_port(), free_port()
        self.endpoint = f"http://127.0.0.1:{grpc}"
        self.http_endpoint = f"http://127.0.0.1:{http}"
        configuration = {
            "extensions": {"health_check": {"endpoint": f"127.0.0.1:{health}"}},
            "receivers": {
                "otlp": {
                    "protocols": {
                        "grpc": {"endpoint": f"127.0.0.1:{grpc}"},
                        "http": {"endpoint": f"127.0.0.1:{http}"},
                    }
                }
            },
            "exporters": {"file": {"path": str(self._received)}},
            "service": {
                "extensions": ["health_check"],
                "telemetry": {"metrics": {"level": "none"}},
                "pipelines": {signal: {"receivers": ["otlp"], "exporters": ["file"]} for signal in ("metrics", "logs")},
            },
        }
        file = folder / "config.yaml"
        file.write_text(json.dumps(configuration))
        argv = [program("otelcol-contrib"), "--config", str(file)]
        self._running = Running(argv, f"http://127.0.0.1:{health}", folder / "log")

    def start(self) -> None:
        self._running.start()

    def stop(self) -> None:
        self._running.stop()

    def wait_for(self, session: str, tokens: dict[str, int]) -> dict[str, str]:
        """Until exactly these tokens of a session are there; the resource attributes they came with."""
        until = time.monotonic() + TIMEOUT
        while True:
            found, resource = self._tokens(session)
            if found == tokens:
                return resource
            assert time.monotonic() < until, f"{found} arrived, not {tokens}"
            time.sleep(0.5)

    def _tokens(self, session: str) -> tuple[dict[str, int], dict[str, str]]:
        rows: dict[str, int] = {}
        resource: dict[str, str] = {}
        for group in self._groups():
            for metric in (metric for scope in group["scopeMetrics"] for metric in scope["metrics"]):
                for point in metric.get("sum", {}).get("dataPoints", []):
                    attributes = _values(point)
                    if metric["name"] == "claude_code.token.usage" and attributes["session.id"] == session:
                        row = ROWS[attributes["type"]]
                        rows[row] = rows.get(row, 0) + int(point["asDouble"])
                        resource = _values(group["resource"])
        return rows, resource

    def _groups(self) -> Iterator[dict[str, Any]]:
        text = self._received.read_text(encoding="utf-8") if self._received.exists() else ""
        # The last line may not be there as a whole yet.
        for line in text.split("\n")[:-1]:
            yield from json.loads(line).get("resourceMetrics", [])


def _values(holder: dict[str, Any]) -> dict[str, str]:
    return {item["key"]: item["value"].get("stringValue", "") for item in holder["attributes"]}
