# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two hosts with a stack each, and somebody who sends to one of them without a pause."""

from __future__ import annotations

import base64
import http.client
import json
import os
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.acceptance.testbed import CACHE, ROOT, run
from tests.replay.traffic import Entry, Traffic
from tests.tools.hosts import Site
from tests.tools.ledger import ask, nanoseconds
from tests.tools.otlp import HttpSender

SUITE = "backup"
LABEL = f"claude_code.observability.test={SUITE}"
PATIENCE = 180
# Five gigabytes take a loaded machine a quarter of an hour.
HANGS = 3600
TOKENS = "claude_code_token_usage_tokens"
LINE = 48_000


def wait(what: str, ready: Callable[[], bool]) -> None:
    """Until it is so. Fails, saying what was waited for."""
    end = time.monotonic() + PATIENCE
    while not ready():
        assert time.monotonic() < end, f"not within {PATIENCE} s: {what}"
        time.sleep(0.5)


@dataclass
class Host:
    """A systemd test host whose stack this machine reaches, and plays on it."""

    name: str
    folder: Path

    @property
    def inventory(self) -> Path:
        path = self.folder / f"{self.name}.yml"
        variables = {
            "ansible_connection": "community.docker.docker",
            "ansible_python_interpreter": "/usr/bin/python3",
            "stack_runtime": "systemd",
            "stack_mirror": "file:///mirror",
            "stack_listen_address": "0.0.0.0",
            "stack_allow_insecure_network": True,
        }
        groups = {group: {"hosts": {self.name: {}}} for group in ("otel_collector", "prometheus", "loki")}
        path.write_text(json.dumps({"claude_code_observability": {"children": groups, "vars": variables}}))
        return path

    def start(self) -> None:
        published = (f"--publish=127.0.0.1::{port}" for port in (4318, 8888, 9090, 3100))
        run(
            f"{ROOT}/tests/hosts/run",
            self.name,
            SUITE,
            "plain",
            f"--volume={CACHE}/bundle/mirror:/mirror:ro",
            *published,
        )

    def url(self, port: int) -> str:
        return "http://" + run("docker", "port", self.name, str(port)).splitlines()[0]

    def sh(self, script: str) -> str:
        return run("docker", "exec", self.name, "sh", "-c", script)

    def begin(self, playbook: str, *options: str) -> subprocess.Popen[str]:
        return Site(self.inventory).begin(playbook, *options)

    def play(self, playbook: str, *options: str, fails: bool = False) -> str:
        """What a play says that ends as expected, in one line."""
        process = self.begin(playbook, *options)
        output = process.communicate(timeout=HANGS)[0]
        assert (process.returncode != 0) == fails, output
        return " ".join(output.split())

    def processes(self) -> str:
        """Which processes run as the stores and the collector, and since when."""
        units = "prometheus loki otel-collector"
        return self.sh(f"systemctl show --property=MainPID,NRestarts,ExecMainStartTimestampMonotonic {units}")

    def waiting(self) -> int:
        """Requests in the collector's queues."""
        said = self.sh("curl --silent http://127.0.0.1:8888/metrics").splitlines()
        return sum(int(line.split()[-1]) for line in said if line.startswith("otelcol_exporter_queue_size{"))

    def delivered(self) -> None:
        wait("an empty queue", lambda: self.waiting() == 0)

    def samples(self, at: float) -> list[str]:
        """Every sample of Claude Code in the hour before that moment."""
        found = ask(self.url(9090), "/api/v1/query", query='{__name__=~"claude_code.+"}[1h]', time=str(at))
        return sorted(json.dumps([series["metric"], series["values"]], sort_keys=True) for series in found)

    def scraped(self) -> float:
        """When the collector's counters were last read, of what is stored."""
        found = ask(self.url(9090), "/api/v1/query", query='timestamp(up{job="claude-code"})')
        return max((float(series["value"][1]) for series in found), default=0)

    def events(self, at: float) -> list[str]:
        """Every event of Claude Code in the hour before that moment."""
        path = "/loki/api/v1/query_range"
        span = {"start": nanoseconds(at - 3600), "end": nanoseconds(at), "limit": "5000"}
        found = ask(self.url(3100), path, query='{service_name="claude-code"}', **span)
        return sorted(json.dumps([stream["stream"], stream["values"]], sort_keys=True) for stream in found)

    def ledger(self, session: str) -> tuple[int, int]:
        """Tokens and events of a session in the last hour."""
        tokens = f'sum(sum_over_time({TOKENS}{{session_id="{session}"}}[1h]))'
        events = f'sum(count_over_time({{service_name="claude-code"}} | session_id="{session}" [1h]))'
        now = time.time()
        answers = (
            ask(self.url(9090), "/api/v1/query", query=tokens, time=str(now)),
            ask(self.url(3100), "/loki/api/v1/query", query=events, time=nanoseconds(now)),
        )
        return tuple(int(float(answer[0]["value"][1])) if answer else 0 for answer in answers)  # type: ignore[return-value]

    def pad(self, megabytes: int) -> None:
        """Gives Loki that much which cannot be compressed."""
        url = urlsplit(self.url(3100))
        loki = http.client.HTTPConnection(str(url.hostname), url.port)
        for _round in range(megabytes):
            now = time.time_ns()
            lines = [[str(now + n), base64.b64encode(os.urandom(LINE)).decode()] for n in range(16)]
            body = json.dumps({"streams": [{"stream": {"app": "padding"}, "values": lines}]})
            while True:
                loki.request("POST", "/loki/api/v1/push", body, {"Content-Type": "application/json"})
                answer = loki.getresponse()
                said = answer.read()
                # Faster than Loki takes one stream.
                if answer.status != 429:
                    break
                time.sleep(1)
            assert answer.status == 204, said


@dataclass
class Client:
    """Sends turns of one session, and keeps what was accepted."""

    host: Host
    seed: int
    entries: list[Entry] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._traffic = Traffic(self.seed)
        self.session = self._traffic.session("payments")
        self._sender = HttpSender(self.host.url(4318))
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._go_on)
        self.errors: list[Exception] = []

    def turn(self) -> None:
        for request in self._traffic.turn(self.session, time.time_ns() // 10**6):
            self._sender.send(request.signal, request.body)
            self.entries += request.entries

    def _go_on(self) -> None:
        while not self._stop.wait(0.05):
            try:
                self.turn()
            except Exception as error:
                self.errors.append(error)
                return

    def __enter__(self) -> Client:
        self._thread.start()
        return self

    def __exit__(self, *_error: Any) -> None:
        self._stop.set()
        self._thread.join()

    def ledger(self) -> tuple[int, int]:
        """Tokens and events that were accepted."""
        tokens = sum(int(entry.value) for entry in self.entries if entry.name == TOKENS)
        return tokens, sum(1 for entry in self.entries if not entry.name)


def clear() -> None:
    """Removes what this or an interrupted run has left."""
    left = run("docker", "ps", "--all", "--quiet", "--filter", f"label={LABEL}").split()
    if left:
        run("docker", "rm", "--force", "--volumes", *left)
