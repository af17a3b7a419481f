# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collector, Prometheus and Loki with the configuration the roles write, on loopback; each can be killed."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.request
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from plugins.module_utils._rollups import DAY, Calendar, repair_span
from tests.tools.ledger import Store, ask
from tests.tools.programs import Running, free_port, program
from tests.tools.queries import roles

SHIPPED = "72h"
# Samples of months, which no shipped configuration accepts, and none rejects.
HISTORY = f"{75 * 24}h"
TIMEOUT = 300
PORTS = {
    "prometheus": ("port",),
    "mimir": ("port", "grpc_port"),
    "loki": ("port", "grpc_port"),
    "otel_collector": ("grpc_port", "http_port", "export_port", "metrics_port", "health_port"),
}


def rules_of_days(calendar: Calendar, turns: str) -> dict[str, Any]:
    return {"groups": [{**group, "interval": turns} for group in calendar.groups()]}


class Stack:
    """The three components. `zones` are the calendars whose days are recorded side by side."""

    # What runs for each name that a scene knows, in the order in which it starts: a store before what pushes to it.
    members: Mapping[str, tuple[str, ...]] = {
        "prometheus": ("prometheus",),
        "loki": ("loki",),
        "otel_collector": ("otel_collector",),
    }
    # Where the configuration has the rules of metrics.
    rules = "prometheus/rules"
    # The shipped rules take their turns minutes to an hour apart. What they write does not depend on when, so they may
    # take them more often.
    turns = "3s"

    def __init__(self, folder: Path, zones: dict[str, Calendar]) -> None:
        self.folder, self.zones = folder, zones
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
        # URLs, or how else a store is reached.
        self.stores: dict[str, Any] = {name: self.url(f"{name}_port") for name in ("prometheus", "loki")}
        self.components = {role: self._component(role) for role in every}

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
        """Write what the roles write for this lateness."""
        variables = {**self.variables, "stack_late_max": late_max}
        for role in self.components:
            for name, text in roles.files(role, **variables).items():
                if not name.startswith("rules/"):
                    self._write(f"{role}/{name}", text)
        if rules:
            own = roles.value("prometheus", "__prometheus_own_rules", **variables)
            self._write(f"{self.rules}/claude-code.yml", own)
            for zone, calendar in self.zones.items():
                self._write(f"{self.rules}/days{zone}.yml", yaml.safe_dump(rules_of_days(calendar, self.turns)))

    def _write(self, name: str, text: str) -> Path:
        path = self.folder / "config" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

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
        """The repair, for each of the zones."""
        self._recorded(first, self.url("prometheus_port"), self.folder / "data" / "prometheus")

    def _recorded(self, first: float, url: str, blocks: Path, *options: str) -> None:
        """Asks the store and writes blocks."""
        groups = [group for zone, calendar in self.zones.items() for group in calendar.repair_groups(zone)]
        rules = self._write("repair.yml", yaml.safe_dump({"groups": groups}))
        argv = [program("promtool"), "tsdb", "create-blocks-from", "rules"]
        argv += [f"--url={url}", *repair_span(int(first) - DAY), f"--output-dir={blocks}", *options, str(rules)]
        subprocess.run(argv, check=True, capture_output=True)

    def wait_until_delivered(self) -> None:
        """Until the collector's disk queues are empty and nothing of them is on its way."""
        end = time.monotonic() + TIMEOUT
        while (waiting := self._waiting()) and time.monotonic() < end:
            time.sleep(0.2)
        assert not waiting, f"still in the collector's queue: {waiting}"

    def _waiting(self) -> float:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(self.itself, timeout=10) as answer:
            text = answer.read().decode()
        return sum(
            float(line.rsplit(" ", 1)[1])
            for line in text.splitlines()
            if line.startswith(("otelcol_exporter_queue_size", "otelcol_exporter_in_flight_requests"))
        )

    def wait_until_recorded(self) -> None:
        """Until every day has been recorded once more, and well."""
        now, end = time.time(), time.monotonic() + TIMEOUT
        while (open_rules := self._not_evaluated_since(now)) and time.monotonic() < end:
            time.sleep(0.3)
        assert not open_rules, f"not evaluated: {open_rules}"

    def _not_evaluated_since(self, moment: float) -> list[str]:
        return [
            f"{rule['name']} {rule.get('lastError', '')}"
            for group in self._groups()
            for rule in group["rules"]
            if rule["name"].endswith(":day")
            if rule["health"] != "ok" or datetime.fromisoformat(group["lastEvaluation"]).timestamp() <= moment
        ]

    def _groups(self) -> list[dict[str, Any]]:
        """The groups of rules of metrics, as they are evaluated."""
        store = self.stores["prometheus"]
        if isinstance(store, str):
            store = Store(store)
        request = urllib.request.Request(f"{store.url}/api/v1/rules", headers=dict(store.headers))
        handlers = (urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=store.tls))
        with urllib.request.build_opener(*handlers).open(request, timeout=10) as answer:
            groups: list[dict[str, Any]] = json.load(answer)["data"]["groups"]
            return groups

    def wait_until_scraped(self) -> None:
        """Until the counters of path (b) have been read once more."""
        now, end = time.time(), time.monotonic() + TIMEOUT
        while (last := self._scraped()) <= now and time.monotonic() < end:
            time.sleep(0.5)
        assert last > now, "Prometheus does not read the collector's counters"

    def _scraped(self) -> float:
        answer = ask(self.stores["prometheus"], "/api/v1/query", query='timestamp(up{job="claude-code"})')
        return min((float(each["value"][1]) for each in answer), default=0.0)
