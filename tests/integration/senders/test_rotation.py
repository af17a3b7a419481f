# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tokens change while telemetry comes in: who is revoked gets in no more, and what was acknowledged is stored, once."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.senders.guarded import TRANSIENT, Guarded, wait
from tests.tools.otlp import HttpSender
from tests.tools.programs import Running, free_port, program
from tests.tools.queries import roles

METRIC = "claude_code.session.count"
LAPTOP = "laptop-9"


def point(session: str, number: int) -> dict[str, Any]:
    """One of a session's points; each has a millisecond of its own."""
    moment = str((time.time_ns() // 1_000_000_000 * 1000 - 60_000 + number) * 1_000_000)
    attributes = [{"key": "session.id", "value": {"stringValue": session}}]
    data = {"timeUnixNano": moment, "startTimeUnixNano": moment, "asInt": "1", "attributes": attributes}
    metric = {"name": METRIC, "sum": {"aggregationTemporality": 1, "isMonotonic": True, "dataPoints": [data]}}
    scope = {"scope": {"name": "com.anthropic.claude_code"}, "metrics": [metric]}
    return {"resourceMetrics": [{"resource": {}, "scopeMetrics": [scope]}]}


def stored(guarded: Guarded, session: str) -> dict[str, int]:
    """How many points of a session Prometheus has, by developer."""
    expression = f'sum by (developer) (count_over_time(claude_code_session_count{{session_id="{session}"}}[1h]))'
    return {row["metric"]["developer"]: int(row["value"][1]) for row in guarded.prometheus.query(expression)}


class Stream(threading.Thread):
    """Sends point after point until it is ended, each until it is taken or refused for good."""

    def __init__(self, guarded: Guarded, name: str, transport: str) -> None:
        super().__init__(daemon=True)
        self.guarded, self.name, self.transport = guarded, name, transport
        self.session = f"{name}-{transport}"
        self.header = guarded.header(name)
        self.accepted = self.refused = 0
        self.ended = threading.Event()

    def run(self) -> None:
        number = 0
        while not self.ended.is_set():
            request = point(self.session, number)
            number += 1
            answer = 503
            while answer in TRANSIENT and not self.ended.is_set():
                answer = self.guarded.send(self.transport, "metrics", request, {"Authorization": self.header})
            self.accepted += answer == 200
            self.refused += answer == 401


@pytest.mark.parametrize("transport", ["grpc", "http"])
def test_reloads_lose_nothing_that_was_acknowledged(guarded: Guarded, transport: str) -> None:
    steady, leaving, rotated = (Stream(guarded, f"{name}-{transport}", transport) for name in ("linus", "eve", "grace"))
    streams = (steady, leaving, rotated)
    guarded.apply()

    def progress() -> None:
        """Until each of them who may has sent more."""
        before = [stream.accepted + stream.refused for stream in streams]
        wait(
            "every stream goes on",
            lambda: all(s.accepted + s.refused > n + 5 for s, n in zip(streams, before, strict=True)),
        )

    for stream in streams:
        stream.start()
    progress()
    guarded.senders.change(rotate=[rotated.name])
    guarded.apply()
    progress()
    rotated.header = guarded.header(rotated.name)
    progress()
    guarded.senders.change(retire=[rotated.name], revoke=[leaving.name])
    guarded.apply()
    taken = leaving.accepted
    progress()
    for stream in streams:
        stream.ended.set()
        stream.join(60)
    assert (steady.refused, rotated.refused) == (0, 0)
    # One request may have been under way when the collector began to reload.
    assert leaving.refused > 0 and leaving.accepted - taken <= 1
    for stream in streams:
        wait(f"all of {stream.name}", lambda s=stream: stored(guarded, s.session) == {s.name: s.accepted})


class Agent:
    """The agent of a laptop, as the role configures it, delivering to a collector that may be away."""

    def __init__(self, guarded: Guarded, folder: Path) -> None:
        self.guarded, self.folder = guarded, folder
        self.ports = {f"otel_collector_{name}_port": free_port() for name in ("grpc", "http", "metrics")}
        places = {"stack_config_dir": str(folder), "stack_data_dir": str(folder / "data")}
        centre = {
            "otel_collector_authentication": "tokens",
            "ansible_host": "127.0.0.1",
            "otel_collector_http_port": guarded.ports["otel_collector_http_port"],
        }
        made = roles.files(
            "otel_collector",
            inventory_hostname=LAPTOP,
            group_names=["clients"],
            groups={"otel_collector": ["centre"], "clients": [LAPTOP]},
            hostvars={"centre": centre},
            client_agent=True,
            client_agent_owner="ada",
            stack_runtime="systemd",
            stack_secrets_dir=str(guarded.folder / "secrets"),
            **places,
            **self.ports,
        )
        self.current = folder / "otel-collector" / "current"
        self.current.mkdir(parents=True)
        config = yaml.safe_load(made["config.yaml"])
        # So that the test need not wait for the longest pause between two attempts.
        config["exporters"]["otlp_http/centre"]["retry_on_failure"]["max_interval"] = "2s"
        (self.current / "config.yaml").write_text(yaml.safe_dump(config))
        self.write_token()
        ready = f"http://127.0.0.1:{self.ports['otel_collector_metrics_port']}/metrics"
        argv = [program("otelcol-contrib"), f"--config={self.current}/config.yaml"]
        self.running = Running(argv, ready, folder / "agent.log")

    def write_token(self) -> None:
        (self.current / "token").write_text(self.guarded.header(f"agent/{LAPTOP}").removeprefix("Basic "))

    def send(self, session: str, numbers: range) -> None:
        sender = HttpSender(f"http://127.0.0.1:{self.ports['otel_collector_http_port']}")
        for number in numbers:
            sender.send("metrics", point(session, number))


def wait_for(guarded: Guarded, session: str, points: int) -> None:
    wait(f"{points} points", lambda: stored(guarded, session) == {"ada": points})


def test_a_full_queue_outlives_a_rotation(guarded: Guarded, tmp_path: Path) -> None:
    agent, session = Agent(guarded, tmp_path), "queue"
    agent.running.start()
    try:
        guarded.apply()
        guarded.collector.stop()
        agent.send(session, range(40))
        guarded.senders.change(rotate=[f"agent/{LAPTOP}"])
        guarded.write_logins()
        guarded.collector.start()
        wait_for(guarded, session, 40)
        agent.write_token()
        agent.running.reload()
        wait("the agent is back", lambda: agent.running.log.read_text().count("Everything is ready") == 2)
        guarded.collector.stop()
        agent.send(session, range(40, 80))
        guarded.senders.change(retire=[f"agent/{LAPTOP}"])
        guarded.write_logins()
        guarded.collector.start()
        wait_for(guarded, session, 80)
    finally:
        agent.running.stop()
