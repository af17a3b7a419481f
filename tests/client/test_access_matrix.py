# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The real client at a real collector that asks for TLS and a credential: exactly who may send arrives."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.client.doctor_bench import Laptop
from tests.client.doctor_certificates import Certificates
from tests.client.doctor_faults import ON
from tests.tools.model_api import ModelApi
from tests.tools.programs import Running, free_port, program

AT_ONCE = 4
PROTOCOLS = ("grpc", "http/protobuf")
CREDENTIALS = {
    "none": "",
    "wrong": "ada:guessed",
    "revoked": "eve:once-valid",
    "rotated-out": "ada:first",
    "valid": "ada~2:second",
    "old-still-valid": "bob:first",
}
VALID = {"valid": "ada~2", "old-still-valid": "bob"}
# Whose certificate the collector shows, whom the client trusts, how its endpoint begins.
WAYS = {
    "right": ("tls", "ours", "https"),
    "wrong-ca": ("tls", "other", "https"),
    "no-ca": ("tls", "", "https"),
    "expired": ("expired", "ours", "https"),
    "plaintext": ("tls", "ours", "http"),
}
CELLS = [(protocol, credential, way) for protocol in PROTOCOLS for credential in CREDENTIALS for way in WAYS]
SENDERS = {"ada~2": "second", "bob": "first", "bob~2": "second"}
VARIABLE = {"grpc": "OTEL_EXPORTER_OTLP_CERTIFICATE", "http/protobuf": "NODE_EXTRA_CA_CERTS"}


@dataclass
class Centre:
    """The collector, its ports by certificate and protocol, and what it wrote."""

    ports: dict[tuple[str, str], int]
    received: Path
    running: Running


def htpasswd() -> str:
    return "".join(
        f"{login}:{{SHA}}{base64.b64encode(hashlib.sha1(token.encode()).digest()).decode()}\n"
        for login, token in SENDERS.items()
    )


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("ours"))


@pytest.fixture(scope="module")
def centre(certificates: Certificates, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Centre]:
    folder = tmp_path_factory.mktemp("centre")
    ports = {(door, protocol): free_port() for door in ("tls", "expired") for protocol in PROTOCOLS}
    health = f"127.0.0.1:{free_port()}"
    receivers: dict[str, Any] = {}
    for door in ("tls", "expired"):
        files = certificates.servers[door]
        common = {
            "tls": {"cert_file": str(files.certificate), "key_file": str(files.key)},
            "auth": {"authenticator": "basicauth/senders"},
        }
        kinds = {"grpc": "grpc", "http": "http/protobuf"}
        protocols = {
            kind: {"endpoint": f"127.0.0.1:{ports[door, protocol]}", **common} for kind, protocol in kinds.items()
        }
        receivers[f"otlp/{door}"] = {"protocols": protocols}
    (folder / "senders").write_text(htpasswd())
    pipeline = {"receivers": list(receivers), "processors": ["resource/sender"], "exporters": ["file"]}
    config = {
        "extensions": {
            "health_check": {"endpoint": health},
            "basicauth/senders": {"htpasswd": {"file": str(folder / "senders")}},
        },
        "receivers": receivers,
        "processors": {
            "resource/sender": {
                "attributes": [{"key": "sender", "from_context": "auth.username", "action": "upsert"}],
            }
        },
        "exporters": {"file": {"path": str(folder / "received.jsonl")}},
        "service": {
            "extensions": ["health_check", "basicauth/senders"],
            "telemetry": {"metrics": {"level": "none"}},
            "pipelines": {"metrics": pipeline, "logs": pipeline},
        },
    }
    (folder / "collector.json").write_text(json.dumps(config))
    argv = [program("otelcol-contrib"), f"--config={folder / 'collector.json'}"]
    running = Running(argv, f"http://{health}/", folder / "collector.log")
    running.start()
    yield Centre(ports, folder / "received.jsonl", running)
    running.stop()


@pytest.fixture(scope="module")
def arrived(
    centre: Centre,
    certificates: Certificates,
    claude: Path,
    model_api: ModelApi,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[tuple[str, str, str], dict[str, set[str]]]:
    """By cell: as whom metrics and events arrived."""
    trusted = {
        "ours": str(certificates.authority),
        "other": str(Certificates(tmp_path_factory.mktemp("other")).authority),
    }

    def send(cell: tuple[str, str, str]) -> str:
        protocol, credential, way = cell
        door, authority, scheme = WAYS[way]
        laptop = Laptop(tmp_path_factory.mktemp("laptop") / "laptop", claude, model_api)
        said = base64.b64encode(CREDENTIALS[credential].encode()).decode()
        laptop.settings(
            **ON,
            OTEL_EXPORTER_OTLP_PROTOCOL=protocol,
            OTEL_EXPORTER_OTLP_ENDPOINT=f"{scheme}://localhost:{centre.ports[door, protocol]}",
            OTEL_RESOURCE_ATTRIBUTES="sender=somebody-else",
            # The machine may be busy; what is refused is tried again until the time is up.
            CLAUDE_CODE_OTEL_SHUTDOWN_TIMEOUT_MS="20000" if credential in VALID and way == "right" else "5000",
            **({VARIABLE[protocol]: trusted[authority]} if authority else {}),
            **({"OTEL_EXPORTER_OTLP_HEADERS": f"Authorization=Basic {said}"} if credential != "none" else {}),
        )
        return laptop.ask()

    with ThreadPoolExecutor(AT_ONCE) as pool:
        sessions = dict(zip(CELLS, pool.map(send, CELLS)))
    # Ends with everything it has accepted written out.
    centre.running.stop()
    lines = [json.loads(line) for line in centre.received.read_text().splitlines()]
    return {
        cell: {
            key: {sender_of(block) for line in lines for block in line.get(key, []) if session in json.dumps(block)}
            for key in ("resourceMetrics", "resourceLogs")
        }
        for cell, session in sessions.items()
    }


def sender_of(block: dict[str, Any]) -> str:
    values = {one["key"]: one["value"].get("stringValue", "") for one in block["resource"]["attributes"]}
    return values["sender"]


@pytest.mark.parametrize("cell", CELLS, ids="-".join)
def test_exactly_who_may_send_arrives(
    cell: tuple[str, str, str], arrived: dict[tuple[str, str, str], dict[str, set[str]]]
) -> None:
    _protocol, credential, way = cell
    expected = {VALID[credential]} if credential in VALID and way == "right" else set()
    assert arrived[cell] == {"resourceMetrics": expected, "resourceLogs": expected}
