# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collector, Prometheus and Loki with the configuration the roles write, on loopback; each can be killed."""

from __future__ import annotations

import subprocess
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from plugins.module_utils._rollups import Calendar
from tests.replay.backend import Backend
from tests.tools.ledger import Store
from tests.tools.otlp import GrpcSender, HttpSender, Sender
from tests.tools.programs import Running, free_port, program
from tests.tools.queries import roles

PORTS = {
    "prometheus": ("port",),
    "mimir": ("port", "grpc_port"),
    "loki": ("port", "grpc_port"),
    "otel_collector": ("grpc_port", "http_port", "export_port", "metrics_port", "health_port"),
}


class Stack(Backend):
    # What runs for each name that a scene knows, in the order in which it starts: a store before what pushes to it.
    members: Mapping[str, tuple[str, ...]] = {
        "prometheus": ("prometheus",),
        "loki": ("loki",),
        "otel_collector": ("otel_collector",),
    }
    # Where the configuration has the rules of metrics.
    rules = "prometheus/rules"

    def __init__(self, folder: Path, zones: dict[str, Calendar]) -> None:
        super().__init__(folder, zones)
        every = self._roles(tuple(self.members))
        self.ports = {f"{role}_{port}": free_port() for role in every for port in PORTS[role]}
        self.variables: dict[str, Any] = {
            "stack_runtime": "systemd",
            "stack_data_dir": str(folder / "data"),
            "stack_config_dir": str(folder / "config"),
            "loki_retention": "90d",
            **self.ports,
        }
        self.grpc = f"127.0.0.1:{self.ports['otel_collector_grpc_port']}"
        self.http = self.url("otel_collector_http_port")
        self.itself = f"{self.url('otel_collector_metrics_port')}/metrics"
        self.components = {role: self._component(role) for role in every}

    @property
    def stores(self) -> Mapping[str, Store]:
        return {name: Store(self.url(f"{name}_port")) for name in ("prometheus", "loki")}

    def senders(self) -> list[Sender]:
        return [HttpSender(self.http), GrpcSender(self.grpc), HttpSender(self.http, "json")]

    def url(self, port: str) -> str:
        return f"http://127.0.0.1:{self.ports[port]}"

    def _component(self, role: str) -> Running:
        config, data = self.folder / "config" / role, self.folder / "data" / role.replace("_", "-")
        data.mkdir(parents=True)
        argv, ready = {
            "prometheus": (
                [
                    "prometheus",
                    f"--config.file={config}/prometheus.yml",
                    f"--storage.tsdb.path={data}",
                    f"--web.listen-address=127.0.0.1:{self.ports['prometheus_port']}",
                    "--web.enable-otlp-receiver",
                ],
                "prometheus_port/-/ready",
            ),
            "mimir": (["mimir", f"-config.file={config}/config.yml"], "mimir_port/ready"),
            "loki": (["loki", f"-config.file={config}/config.yml"], "loki_port/ready"),
            "otel_collector": (["otelcol-contrib", f"--config={config}/config.yaml"], "otel_collector_health_port/"),
        }[role]
        port, _slash, path = ready.partition("/")
        return Running([program(argv[0]), *argv[1:]], f"{self.url(port)}/{path}", self.folder / f"{role}.log")

    def configure(self, late_max: str, rules: bool) -> None:
        variables = {**self.variables, "stack_late_max": late_max}
        for role in self.components:
            for name, text in roles.files(role, **variables).items():
                if not name.startswith("rules/"):
                    self._write(f"{role}/{name}", text)
        if rules:
            own = roles.value("prometheus", "__prometheus_own_rules", **variables)
            self._write(f"{self.rules}/claude-code.yml", own)
            for zone in self.zones:
                self._write(f"{self.rules}/days{zone}.yml", yaml.safe_dump(self.days(zone)))

    def _write(self, name: str, text: str) -> None:
        self.written(f"config/{name}", text)

    def start(self, *names: str) -> None:
        for role in self._roles(names or tuple(self.members)):
            if role == "prometheus":
                guard = self.folder / "config" / role / "keep-unwritten-samples.sh"
                subprocess.run(["/bin/sh", str(guard), f"{self.folder}/data/prometheus"], check=True)
            self.components[role].start()

    def stop(self, *names: str) -> None:
        for role in reversed(self._roles(names or tuple(self.members))):
            self.components[role].stop()

    def restart(self) -> None:
        self.stop()
        self.start()

    def kill(self, *names: str) -> None:
        for role in self._roles(names):
            self.components[role].kill()

    def _roles(self, names: tuple[str, ...]) -> list[str]:
        return [role for name in names for role in self.members[name]]

    def record_the_past(self, first: float) -> None:
        self.repaired(first, self.url("prometheus_port"), self.folder / "data" / "prometheus")

    def waiting(self) -> float:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(self.itself, timeout=10) as answer:
            text = answer.read().decode()
        return sum(
            float(line.rsplit(" ", 1)[1])
            for line in text.splitlines()
            if line.startswith(("otelcol_exporter_queue_size", "otelcol_exporter_in_flight_requests"))
        )
