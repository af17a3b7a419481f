# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The real client at a collector set up by the role for a network: exactly who may send arrives, under their name."""

from __future__ import annotations

import base64
import json
import re
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
import yaml
from ansible_collections.claude_code.observability.plugins.plugin_utils._certificates import (
    HOST_TIME,
    authority,
    host_certificate,
)
from ansible_collections.claude_code.observability.plugins.plugin_utils._secrets_dir import SecretsDir
from ansible_collections.claude_code.observability.plugins.plugin_utils._senders import Senders

from tests.client.doctor_bench import Laptop
from tests.client.doctor_faults import ON
from tests.tools.model_api import ModelApi
from tests.tools.programs import Running, free_port, program
from tests.tools.queries import roles

AT_ONCE = 6
PORTS = [f"otel_collector_{name}_port" for name in ("grpc", "http", "export", "metrics", "health")]
PORT = {"grpc": "otel_collector_grpc_port", "http/protobuf": "otel_collector_http_port"}
AUTHORITY = {"grpc": "OTEL_EXPORTER_OTLP_CERTIFICATE", "http/protobuf": "NODE_EXTRA_CA_CERTS"}
# Which of the collectors the client is led to, whom it trusts, how its endpoint begins.
WAYS = {
    "right": ("good", "ours", "https"),
    "wrong-ca": ("good", "other", "https"),
    "expired": ("expired", "ours", "https"),
    "plaintext": ("good", "ours", "http"),
}
REFUSED = ("none", "wrong", "revoked", "rotated-out")
# As whom it arrives.
VALID = {"valid": "ada", "old-still-valid": "bob"}
CELLS = [
    (protocol, credential, way)
    for protocol in PORT
    for credential in (*REFUSED, *VALID)
    for way in WAYS
    if credential != "old-still-valid" or way == "right"
]
NO_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Collector:
    """With the configuration of the role. Only where it sends to is a file, in place of the stores."""

    def __init__(self, folder: Path, secrets: Path) -> None:
        self.ports = {name: free_port() for name in PORTS}
        self.received = folder / "received.jsonl"
        self.current = folder / "config" / "otel-collector" / "current"
        known = {
            "stack_runtime": "systemd",
            "stack_listen_address": "0.0.0.0",
            "stack_config_dir": str(folder / "config"),
            "stack_data_dir": str(folder / "data"),
            "stack_secrets_dir": str(secrets),
            **self.ports,
        }
        roles.write(self.current, "otel_collector", **known)
        config = yaml.safe_load((self.current / "config.yaml").read_text())
        config["exporters"] = {"file": {"path": str(self.received)}}
        for pipeline in config["service"]["pipelines"].values():
            if not set(pipeline["exporters"]) <= set(config["connectors"]):
                pipeline["exporters"] = ["file"]
        self.write("config.yaml", yaml.safe_dump(config))
        argv = [program("otelcol-contrib"), f"--config={self.current / 'config.yaml'}"]
        health = f"http://127.0.0.1:{self.ports['otel_collector_health_port']}/"
        self.running = Running(argv, health, folder / "collector.log")

    def write(self, name: str, text: str) -> None:
        """Puts a file beside the configuration."""
        path = self.current / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def metrics(self) -> str:
        """What it says of itself, as Stack health reads it."""
        with NO_PROXY.open(f"http://127.0.0.1:{self.ports['otel_collector_metrics_port']}/metrics") as answer:
            return str(answer.read().decode())


@dataclass
class Centre:
    """The collectors, the authorities a client may trust, as files, and the headers of senders."""

    collectors: dict[str, Collector]
    authorities: dict[str, Path]
    headers: dict[str, str]


@dataclass
class Outcome:
    """As whom each cell's metrics and events arrived, and what the good collector said of itself then."""

    names: dict[tuple[str, str, str], dict[str, set[str]]]
    metrics: str


@pytest.fixture(scope="module")
def centre(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Centre]:
    folder = tmp_path_factory.mktemp("centre")
    secrets = SecretsDir(str(folder / "secrets"))
    authorities = {"ours": folder / "ours.pem", "other": folder / "other.pem"}
    authorities["ours"].write_text(authority(secrets))
    authorities["other"].write_text(authority(SecretsDir(str(folder / "others"))))
    headers = issue(Senders(secrets))
    collectors = {door: Collector(folder / door, folder / "secrets") for door in ("good", "expired")}
    before = datetime.now(timezone.utc) - HOST_TIME - timedelta(days=1)
    expired = host_certificate(secrets, "expired", ["localhost", "127.0.0.1"], before)
    collectors["expired"].write("tls/certificate.pem", expired["certificate"])
    collectors["expired"].write("tls/key.pem", expired["key"])
    try:
        for collector in collectors.values():
            collector.running.start()
        yield Centre(collectors, authorities, headers)
    finally:
        for collector in collectors.values():
            collector.running.stop()


def issue(senders: Senders) -> dict[str, str]:
    """Headers by what has become of the sender's token."""

    def header(name: str) -> str:
        return senders.credentials([name])[0]["header"]

    headers = {"wrong": "Basic " + base64.b64encode(b"ada:guessed").decode()}
    headers |= {"revoked": header("eve"), "rotated-out": header("ada"), "old-still-valid": header("bob")}
    senders.change(rotate=["ada", "bob"], retire=["ada"], revoke=["eve"])
    return {**headers, "valid": header("ada")}


@pytest.fixture(scope="module")
def outcome(centre: Centre, claude: Path, model_api: ModelApi, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    def send(cell: tuple[str, str, str]) -> str:
        protocol, credential, way = cell
        door, trusted, scheme = WAYS[way]
        laptop = Laptop(tmp_path_factory.mktemp("laptop") / "laptop", claude, model_api)
        header = centre.headers.get(credential)
        laptop.settings(
            **ON,
            OTEL_EXPORTER_OTLP_PROTOCOL=protocol,
            OTEL_EXPORTER_OTLP_ENDPOINT=f"{scheme}://localhost:{centre.collectors[door].ports[PORT[protocol]]}",
            OTEL_RESOURCE_ATTRIBUTES="developer=somebody-else",
            # The machine may be busy; what is refused is tried again until the time is up.
            CLAUDE_CODE_OTEL_SHUTDOWN_TIMEOUT_MS="20000" if credential in VALID and way == "right" else "3000",
            **{AUTHORITY[protocol]: str(centre.authorities[trusted])},
            **({"OTEL_EXPORTER_OTLP_HEADERS": f"Authorization={header}"} if header else {}),
        )
        return laptop.ask()

    with ThreadPoolExecutor(AT_ONCE) as pool:
        sessions = dict(zip(CELLS, pool.map(send, CELLS)))
    metrics = centre.collectors["good"].metrics()
    lines = []
    for collector in centre.collectors.values():
        # Ends with everything it has accepted written out.
        collector.running.stop()
        lines += [json.loads(line) for line in collector.received.read_text().splitlines()]
    names = {
        cell: {
            key: {name for line in lines for block in line.get(key, []) for name in developers(block, session)}
            for key in ("resourceMetrics", "resourceLogs")
        }
        for cell, session in sessions.items()
    }
    return Outcome(names, metrics)


def developers(block: object, session: str) -> set[str]:
    """Whoever is named, at any level, in what belongs to a session."""
    text = json.dumps(block)
    return (
        set(re.findall(r'"key": "developer", "value": {"stringValue": "([^"]*)"}', text)) if session in text else set()
    )


@pytest.mark.parametrize("cell", CELLS, ids="-".join)
def test_exactly_who_may_send_arrives(cell: tuple[str, str, str], outcome: Outcome) -> None:
    _protocol, credential, way = cell
    expected = {VALID[credential]} if credential in VALID and way == "right" else set()
    assert outcome.names[cell] == {"resourceMetrics": expected, "resourceLogs": expected}


@pytest.mark.parametrize("refusal", ['http_response_status_code="401"', 'rpc_response_status_code="UNAUTHENTICATED"'])
def test_the_collector_counts_whom_it_refused(refusal: str, outcome: Outcome) -> None:
    assert any(
        refusal in line and line.split()[0].partition("{")[0].endswith("_count") and float(line.split()[-1]) > 0
        for line in outcome.metrics.splitlines()
    )
