# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sessions of the real client with given settings, and what a real collector received from each.

All of it runs in a network of its own, a process started by `observe`: there the registered ports are free, and what
the client sends to an address it made up hits nobody.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.client.doctor_certificates import Certificates
from tests.e2e.sessions import Session, say
from tests.tools import client
from tests.tools.model_api import Call, ModelApi, Usage
from tests.tools.programs import Running, program

ROOT = Path(__file__).parents[2]
AT_ONCE = 4
TOKEN = "let-me-in"
# Ports of gRPC and HTTP, by receiver. `other` answers HTTP below /base only.
RECEIVERS = {"plain": (4317, 4318), "tls": (14317, 14318), "token": (24317, 24318), "other": (34317, 34318)}
HEALTH_PORT = 13133
SIGNALS = ("metrics", "logs", "traces")
# Every session makes two requests of ten input tokens each.
INPUT, REQUESTS = 10, 2
SIOCSIFFLAGS, IFF_UP = 0x8914, 1


@dataclass
class Received:
    """What one receiver got from one session: the resource, and each datapoint, event and span by its attributes.

    Datapoints have `value`, datapoints and spans `name` besides.
    """

    resource: dict[str, Any] = field(default_factory=dict)
    metrics: list[dict[str, Any]] = field(default_factory=list)
    logs: list[dict[str, Any]] = field(default_factory=list)
    traces: list[dict[str, Any]] = field(default_factory=list)
    temporalities: list[int] = field(default_factory=list)


@dataclass
class Observed:
    """A session: how it ended, what it printed, and what each receiver got."""

    code: int
    output: str
    received: dict[str, Received]


def observe(folder: Path, environments: Mapping[str, Mapping[str, str]]) -> dict[str, Observed]:
    """Run a session for each block of variables in the user's settings; `{ca}` in a value is the CA's file."""
    alone = ["unshare", "--net", *([] if os.geteuid() == 0 else ["--map-root-user"])]
    done = subprocess.run(
        [*alone, sys.executable, "-m", "tests.client.telemetry_bench", str(folder)],
        input=json.dumps(environments),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return {
        name: Observed(one["code"], one["output"], {where: Received(**got) for where, got in one["received"].items()})
        for name, one in json.loads(done.stdout).items()
    }


def main(folder: Path, environments: Mapping[str, Mapping[str, str]]) -> dict[str, Observed]:
    set_loopback_up()
    certificates = Certificates(folder)
    collector = start_collector(folder, certificates)
    api = ModelApi()

    def run(name: str, env: Mapping[str, str]) -> Session:
        variables = {key: value.replace("{ca}", str(certificates.authority)) for key, value in env.items()}
        session = prepare(folder / "homes" / user_id(name)[:12], name, variables, api)
        look = Call("Read", {"file_path": str(session.folder / "notes.txt")}, Usage(input=INPUT, output=1))
        api.script(session.key, look, say("the answer", input=INPUT))
        session.ask("the prompt", "--session-id", session.id, "--output-format", "text")
        return session

    with ThreadPoolExecutor(AT_ONCE) as pool:
        sessions = dict(zip(environments, pool.map(run, environments.keys(), environments.values())))
    # Ends with everything it has accepted written out.
    collector.stop()
    received = read_files(folder)
    return {
        name: Observed(session.codes[0], session.output, received.get(user_id(name), {}))
        for name, session in sessions.items()
    }


def set_loopback_up() -> None:
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", IFF_UP))


def user_id(name: str) -> str:
    """The client sends it with everything; it tells the sessions apart."""
    return hashlib.sha256(name.encode()).hexdigest()


def prepare(home: Path, name: str, env: Mapping[str, str], api: ModelApi) -> Session:
    (home / ".claude").mkdir(parents=True)
    (home / ".claude" / "settings.json").write_text(json.dumps({"env": env}))
    (home / ".claude.json").write_text(json.dumps({"userID": user_id(name)}))
    (home / "notes.txt").write_text("the notes")
    return PatientSession(home.name, home, home, client.install(), api)


class PatientSession(Session):
    """Has more time to send the rest at its end than the 2 s it takes otherwise: the machine may be busy."""

    def environment(self) -> dict[str, str]:
        return super().environment() | {"CLAUDE_CODE_OTEL_SHUTDOWN_TIMEOUT_MS": "20000"}


def start_collector(folder: Path, certificates: Certificates) -> Running:
    server = certificates.servers["tls"]
    extra: dict[str, dict[str, Any]] = {
        "tls": {"tls": {"cert_file": str(server.certificate), "key_file": str(server.key)}},
        "token": {"auth": {"authenticator": "bearertokenauth"}},
    }
    paths = {f"{signal}_url_path": f"/base/v1/{signal}" for signal in SIGNALS}

    def receiver(name: str) -> dict[str, Any]:
        grpc, http = ({"endpoint": f"0.0.0.0:{port}", **extra.get(name, {})} for port in RECEIVERS[name])
        return {"protocols": {"grpc": grpc, "http": http | (paths if name == "other" else {})}}

    config = {
        "extensions": {
            "health_check": {"endpoint": f"127.0.0.1:{HEALTH_PORT}"},
            "bearertokenauth": {"token": TOKEN},
        },
        "receivers": {f"otlp/{name}": receiver(name) for name in RECEIVERS},
        "exporters": {f"file/{name}": {"path": str(folder / f"{name}.jsonl")} for name in RECEIVERS},
        "service": {
            "extensions": ["health_check", "bearertokenauth"],
            "telemetry": {"metrics": {"level": "none"}},
            "pipelines": {
                f"{signal}/{name}": {"receivers": [f"otlp/{name}"], "exporters": [f"file/{name}"]}
                for signal in SIGNALS
                for name in RECEIVERS
            },
        },
    }
    (folder / "collector.json").write_text(json.dumps(config))
    argv = [program("otelcol-contrib"), "--config", str(folder / "collector.json")]
    collector = Running(argv, f"http://127.0.0.1:{HEALTH_PORT}/", folder / "collector.log")
    collector.start()
    return collector


def read_files(folder: Path) -> dict[str, dict[str, Received]]:
    """By the user.id of a session, then by receiver."""
    found: dict[str, dict[str, Received]] = {}
    for name in RECEIVERS:
        for line in (folder / f"{name}.jsonl").read_text().splitlines():
            request = json.loads(line)
            for signal, resource, item in items(request):
                received = found.setdefault(item["user.id"], {}).setdefault(name, Received())
                received.resource.update(resource)
                temporality = item.pop("temporality", None)
                if temporality is not None:
                    received.temporalities.append(temporality)
                getattr(received, signal).append(item)
    return found


def items(request: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Signal, resource attributes and the item itself."""
    for block in request.get("resourceMetrics", []):
        for metric in (metric for scope in block["scopeMetrics"] for metric in scope["metrics"]):
            for point in metric["sum"]["dataPoints"]:
                extra = {
                    "name": metric["name"],
                    "value": point["asDouble"],
                    "temporality": metric["sum"]["aggregationTemporality"],
                }
                yield "metrics", attributes(block["resource"]), attributes(point) | extra
    for block in request.get("resourceLogs", []):
        for record in (record for scope in block["scopeLogs"] for record in scope["logRecords"]):
            yield "logs", attributes(block["resource"]), attributes(record)
    for block in request.get("resourceSpans", []):
        for span in (span for scope in block["scopeSpans"] for span in scope["spans"]):
            yield "traces", attributes(block["resource"]), attributes(span) | {"name": span["name"]}


def attributes(of: Mapping[str, Any]) -> dict[str, Any]:
    return {one["key"]: next(iter(one["value"].values()), None) for one in of.get("attributes", [])}


if __name__ == "__main__":
    observed = main(Path(sys.argv[1]), json.load(sys.stdin))
    print(json.dumps({name: asdict(one) for name, one in observed.items()}))
