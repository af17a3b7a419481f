# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A collector that asks for tokens, with the stores behind it."""

from __future__ import annotations

import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import yaml
from ansible_collections.claude_code.observability.plugins.plugin_utils._secrets_dir import SecretsDir
from ansible_collections.claude_code.observability.plugins.plugin_utils._senders import Senders

from tests.tools.ledger import Loki, Prometheus
from tests.tools.otlp import STUBS, message
from tests.tools.programs import Running, free_port, program
from tests.tools.queries import roles

PATIENCE = 120
PORTS = [*(f"otel_collector_{name}_port" for name in ("grpc", "http", "export", "metrics", "health"))]
STORES = ["prometheus_port", "loki_port", "loki_grpc_port"]
NO_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))
# The inventory knows one person's team, whose name is a text like any other. Of the others it knows none.
MALLORY, TEAM = "mallory", '연구 🚀 "$red" ${x} $1'
CLIENTS = {
    "groups": {name: [roles.HOST] for name in ("otel_collector", "prometheus", "loki", "grafana")}
    | {"clients": ["laptop"]},
    "hostvars": {"laptop": {"claude_settings_developer": MALLORY, "claude_settings_team": TEAM}},
}
# Answers after which a client sends again.
TRANSIENT = {429, 502, 503, 504}


def wait(what: str, ready: Callable[[], bool]) -> None:
    """Until it is so. Fails, saying what was waited for."""
    end = time.monotonic() + PATIENCE
    while not ready():
        assert time.monotonic() < end, f"not within {PATIENCE} s: {what}"
        time.sleep(0.2)


class Guarded:
    """The programs, and the registry of senders that the collector reads its logins from.

    The variables are further ones of the collector, which asks for tokens unless they say else.
    """

    def __init__(self, folder: Path, **variables: Any) -> None:
        self.folder = folder
        self.variables = {"otel_collector_authentication": "tokens", **variables}
        self.ports = {name: free_port() for name in PORTS + STORES}
        self.senders = Senders(SecretsDir(str(folder / "secrets")))
        self.running: dict[str, Running] = {}

    @property
    def prometheus(self) -> Prometheus:
        return Prometheus(self._url("prometheus_port"))

    @property
    def loki(self) -> Loki:
        return Loki(self._url("loki_port"))

    @property
    def collector(self) -> Running:
        return self.running["otelcol-contrib"]

    def start(self) -> None:
        prometheus, loki = self._write("prometheus"), self._write("loki")
        loki_config = yaml.safe_load((loki / "config.yml").read_text())
        loki_config.pop("ruler", None)
        (loki / "config.yml").write_text(yaml.safe_dump(loki_config))
        arguments = [f"--config.file={prometheus}/prometheus.yml", f"--storage.tsdb.path={self.folder}/tsdb"]
        arguments += [f"--web.listen-address=127.0.0.1:{self.ports['prometheus_port']}", "--web.enable-otlp-receiver"]
        self._run("prometheus", arguments, self._url("prometheus_port") + "/-/ready")
        self._run("loki", [f"-config.file={loki}/config.yml"], self._url("loki_port") + "/ready")
        collector = self._write("otel_collector", **self.variables, **CLIENTS)
        self.write_logins()
        self._run("otelcol-contrib", [f"--config={collector}/config.yaml"], self._url("otel_collector_health_port"))

    def stop(self) -> None:
        for running in self.running.values():
            running.stop()

    def write_logins(self) -> None:
        """What the role puts beside the collector's configuration."""
        (self.folder / "config" / "otel-collector" / "current" / "senders").write_text(self.senders.hashes())

    def apply(self) -> None:
        """As senders.yml: the new logins, and a reload, until the collector answers by them."""
        self.write_logins()
        starts = self._starts()
        self.collector.reload()
        wait("the collector has reloaded", lambda: self._starts() > starts)

    def header(self, name: str) -> str:
        """The Authorization of a sender, who is made if need be; the collector must be told then."""
        return self.senders.credentials([name])[0]["header"]

    def send(self, transport: str, signal: str, request: dict[str, Any], headers: dict[str, str]) -> int:
        """Sends a request once. The HTTP status, with gRPC's codes translated."""
        return (self._by_grpc if transport == "grpc" else self._by_http)(signal, request, headers)

    def _by_http(self, signal: str, request: dict[str, Any], headers: dict[str, str]) -> int:
        call = urllib.request.Request(
            f"{self._url('otel_collector_http_port')}/v1/{signal}",
            data=message(signal, request).SerializeToString(),
            headers={"Content-Type": "application/x-protobuf", **headers},
        )
        try:
            with NO_PROXY.open(call, timeout=30) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 503

    def _by_grpc(self, signal: str, request: dict[str, Any], headers: dict[str, str]) -> int:
        metadata = [(name.lower(), value) for name, value in headers.items()]
        with grpc.insecure_channel(f"127.0.0.1:{self.ports['otel_collector_grpc_port']}") as channel:
            try:
                STUBS[signal](channel).Export(message(signal, request), timeout=30, metadata=metadata)
            except grpc.RpcError as error:
                return {"UNAUTHENTICATED": 401, "UNAVAILABLE": 503, "INVALID_ARGUMENT": 400}[error.code().name]
        return 200

    def _starts(self) -> int:
        return self.collector.log.read_text().count("Everything is ready")

    def _write(self, role: str, **variables: Any) -> Path:
        """The configuration of a role, in the directory where the role puts it."""
        places = {f"stack_{name}_dir": str(self.folder / name) for name in ("config", "data", "secrets")}
        folder = self.folder / "config" / role.replace("_", "-") / "current"
        return roles.write(folder, role, ["files"], stack_runtime="systemd", **places, **self.ports, **variables)

    def _run(self, name: str, arguments: list[str], ready: str) -> None:
        self.running[name] = Running([program(name), *arguments], ready, self.folder / f"{name}.log")
        self.running[name].start()

    def _url(self, port: str) -> str:
        return f"http://127.0.0.1:{self.ports[port]}"
