# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host with Mimir as the roles configure it, and a Prometheus that its collector pushes the same to."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path
from typing import Any

from tests.tools.ledger import Store
from tests.tools.programs import Running, free_port, program
from tests.tools.queries import roles

HOST = "stack"
TENANT = "business-unit"
GROUPS = {name: [HOST] for name in ("all", "otel_collector", "prometheus", "loki", "mimir")}
# The order in which they start: a store before what pushes to it.
ORDER = ("mimir", "compared", "prometheus", "loki", "otel_collector")
PORTS = {
    "mimir": ("port", "grpc_port"),
    "prometheus": ("port",),
    "loki": ("port", "grpc_port"),
    "otel_collector": ("grpc_port", "http_port", "export_port", "metrics_port", "health_port"),
}


class BesidePrometheus:
    """`components` by name; `compared` is the Prometheus that there would be without Mimir."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ports = {f"{role}_{port}": free_port() for role, ports in PORTS.items() for port in ports}
        self.compared = f"http://127.0.0.1:{free_port()}"
        self.variables: dict[str, Any] = {
            "groups": GROUPS,
            "stack_runtime": "systemd",
            "stack_config_dir": str(folder / "config"),
            "stack_data_dir": str(folder / "data"),
            "stack_late_max": "72h",
            "stack_utc_offset": "Z",
            "stack_tenant": TENANT,
            "otel_collector_config_overrides": {
                "exporters": {"otlp_http/compared": {"endpoint": f"{self.compared}/api/v1/otlp"}},
                "service": {
                    "pipelines": {"metrics/exact": {"exporters": ["otlp_http/prometheus", "otlp_http/compared"]}}
                },
            },
            **self.ports,
        }
        self.grpc = f"127.0.0.1:{self.ports['otel_collector_grpc_port']}"
        self.http = f"http://127.0.0.1:{self.ports['otel_collector_http_port']}"
        self.mimir = f"http://127.0.0.1:{self.ports['mimir_port']}"
        self.loki = f"http://127.0.0.1:{self.ports['loki_port']}"
        self.stores = {
            "mimir": Store(f"{self.mimir}/prometheus", headers=(("X-Scope-OrgID", TENANT),)),
            "prometheus": Store(self.compared),
        }
        self.components = {name: self._component(name) for name in ORDER}

    def _component(self, name: str) -> Running:
        if name == "compared":
            alone = {key: value for key, value in GROUPS.items() if key != "mimir"}
            port = int(self.compared.rpartition(":")[2])
            return self._prometheus(name, self.compared, groups=alone, prometheus_port=port)
        if name == "prometheus":
            return self._prometheus(name, f"http://127.0.0.1:{self.ports['prometheus_port']}")
        place = self._written(name, name.replace("_", "-"))
        argv, ready = {
            "mimir": (["mimir", f"-config.file={place}/config.yml"], f"{self.mimir}/ready"),
            "loki": (["loki", f"-config.file={place}/config.yml"], f"{self.loki}/ready"),
            "otel_collector": (
                ["otelcol-contrib", f"--config={place}/config.yaml"],
                f"http://127.0.0.1:{self.ports['otel_collector_health_port']}/",
            ),
        }[name]
        return Running([program(argv[0]), *argv[1:]], ready, self.folder / f"{name}.log")

    def _prometheus(self, name: str, url: str, **variables: Any) -> Running:
        place = self._written("prometheus", name, **variables)
        argv = [
            program("prometheus"),
            f"--config.file={place}/prometheus.yml",
            f"--storage.tsdb.path={self.folder}/data/{name}",
            f"--web.listen-address={url.rpartition('/')[2]}",
            "--web.enable-otlp-receiver",
        ]
        return Running(argv, f"{url}/-/ready", self.folder / f"{name}.log")

    def _written(self, role: str, name: str, **variables: Any) -> Path:
        """Writes the files of a role; their directory."""
        (self.folder / "data" / name).mkdir(parents=True)
        return roles.write(self.folder / "config" / name / "current", role, **{**self.variables, **variables})

    def start(self) -> None:
        for name in ORDER:
            self.components[name].start()

    def stop(self) -> None:
        for name in reversed(ORDER):
            self.components[name].kill()

    def get(self, store: str, path: str) -> Any:
        """The data of an answer of the API."""
        asked = self.stores[store]
        request = urllib.request.Request(asked.url + path, headers=dict(asked.headers))
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as answer:
            return json.load(answer)["data"]
