# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Loki accepted is there after kill -9, also what came after it had written a stream away."""

from __future__ import annotations

import json
import sys
import time
import urllib.request
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[3]))

from tests.tools.hosts import wait
from tests.tools.ledger import ask
from tests.tools.programs import Running, free_port, program
from tests.tools.queries import roles

DAY = 86400
PATIENCE = 120
STREAM = {"service_name": "claude-code"}


class Loki:
    """One host, as the role configures it."""

    def __init__(self, folder: Path) -> None:
        self._config, data = folder / "config" / "loki" / "current", folder / "data"
        (data / "loki").mkdir(parents=True)
        self._variables: dict[str, Any] = {
            "stack_runtime": "systemd",
            "stack_config_dir": str(folder / "config"),
            "stack_data_dir": str(data),
            "loki_retention": "90d",
            "loki_config_overrides": {"ingester": {"flush_check_period": "200ms"}},
            "loki_port": free_port(),
            "loki_grpc_port": free_port(),
        }
        self._url = f"http://127.0.0.1:{self._variables['loki_port']}"
        argv = [program("loki"), f"-config.file={self._config}/config.yml"]
        self.running = Running(argv, f"{self._url}/ready", folder / "loki.log")
        self._sent = 0

    def start(self, **variables: str) -> None:
        roles.write(self._config, "loki", kinds=["files"], **self._variables, **variables)
        self.running.start()

    def push(self, ages: Iterable[float]) -> None:
        """An event of each age in seconds, one request each."""
        for age in ages:
            self._sent += 1
            at = time.time_ns() - int(age * 10**9)
            body = {"streams": [{"stream": STREAM, "values": [[str(at), f"event {self._sent}"]]}]}
            headers = {"Content-Type": "application/json"}
            request = urllib.request.Request(f"{self._url}/loki/api/v1/push", json.dumps(body).encode(), headers)
            self._open(request)

    def count(self) -> int:
        query = 'sum(count_over_time({service_name="claude-code"}[85d]))'
        return int(ask(self._url, "/loki/api/v1/query", query=query)[0]["value"][1])

    def flush(self) -> None:
        """Has it write what it has in memory."""
        self._open(urllib.request.Request(f"{self._url}/flush", method="POST"))

    def metric(self, name: str) -> float:
        """The sum of one of its own counters."""
        lines = self._open(urllib.request.Request(f"{self._url}/metrics")).splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))

    def _open(self, request: urllib.request.Request) -> str:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as answer:
            return str(answer.read().decode())


@pytest.fixture()
def loki(tmp_path: Path) -> Iterator[Loki]:
    made = Loki(tmp_path)
    yield made
    made.running.kill()


@pytest.mark.parametrize("apart", [DAY / 3, DAY])
def test_events_of_two_months_and_then_todays(loki: Loki, apart: float) -> None:
    """Whether a chunk ends between them or not, also when less late data is allowed for."""
    old = round(56 * DAY / apart)
    loki.start(stack_late_max="2000h")
    loki.push(4 * DAY + event * apart for event in range(old, 0, -1))
    loki.running.stop()
    loki.start(stack_late_max="72h")
    wait("old chunks are written", lambda: loki.metric("loki_ingester_memory_chunks") <= 1, PATIENCE)
    # It looks ten times whether the last one is too old as well.
    time.sleep(2)
    loki.push(range(40, 0, -1))
    assert loki.count() == old + 40
    loki.running.kill()
    loki.start(stack_late_max="72h")
    assert loki.count() == old + 40


def test_why_streams_stay(loki: Loki) -> None:
    """Loki 3.7.8 loses what comes to a stream that had gone. Once it does not, the role need not keep them."""
    loki.start()
    loki.push(range(60, 20, -1))
    loki.flush()
    wait("the stream is gone", lambda: loki.metric("loki_ingester_streams_removed_total") == 1, PATIENCE)
    loki.push(range(20, 0, -1))
    assert loki.count() == 40 + 20
    loki.running.kill()
    loki.start()
    assert loki.count() == 40
