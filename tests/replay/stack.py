# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collector, Prometheus and Loki with the configuration the roles write, on loopback; each can be killed."""

from __future__ import annotations

import json
import re
import subprocess
import time
import urllib.request
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from plugins.module_utils._rollups import DAY, Calendar, repair_span
from tests.tools.ledger import ask
from tests.tools.programs import Running, free_port, program
from tests.tools.queries import roles

SHIPPED = "72h"
# Samples of months, which no shipped configuration accepts, and none rejects.
HISTORY = f"{75 * 24}h"
# The shipped rules take their turns minutes to an hour apart. What they write does not depend on when, so they may
# take them more often.
TURNS = "3s"
TIMEOUT = 60


class Stack:
    """The three components. `zones` are the calendars whose days are recorded side by side."""

    def __init__(self, folder: Path, zones: dict[str, Calendar]) -> None:
        self.folder, self.zones = folder, zones
        names = ("grpc", "http", "export", "metrics", "health", "prometheus", "loki", "loki_grpc")
        ports = {name: free_port() for name in names}
        self.variables: dict[str, Any] = {
            "stack_runtime": "systemd",
            "stack_data_dir": str(folder / "data"),
            "stack_config_dir": str(folder / "config"),
            "loki_retention": "90d",
            "otel_collector_grpc_port": ports["grpc"],
            "otel_collector_http_port": ports["http"],
            "otel_collector_export_port": ports["export"],
            "otel_collector_metrics_port": ports["metrics"],
            "otel_collector_health_port": ports["health"],
            "prometheus_port": ports["prometheus"],
            "loki_port": ports["loki"],
            "loki_grpc_port": ports["loki_grpc"],
        }
        self.grpc = f"127.0.0.1:{ports['grpc']}"
        self.http = f"http://127.0.0.1:{ports['http']}"
        self.itself = f"http://127.0.0.1:{ports['metrics']}/metrics"
        self.stores = {
            "prometheus": f"http://127.0.0.1:{ports['prometheus']}",
            "loki": f"http://127.0.0.1:{ports['loki']}",
        }
        for name in ("otel-collector", "prometheus", "loki"):
            (folder / "data" / name).mkdir(parents=True)
        self.components = {
            "otel_collector": self._component("otel_collector", "otelcol-contrib", ["--config={0}/config.yaml"]),
            "prometheus": self._component(
                "prometheus",
                "prometheus",
                [
                    "--config.file={0}/prometheus.yml",
                    f"--storage.tsdb.path={folder}/data/prometheus",
                    f"--web.listen-address=127.0.0.1:{ports['prometheus']}",
                    "--web.enable-otlp-receiver",
                ],
            ),
            "loki": self._component("loki", "loki", ["-config.file={0}/config.yml"]),
        }
        self.components["otel_collector"].ready_url = f"http://127.0.0.1:{ports['health']}/"
        self.components["prometheus"].ready_url = f"{self.stores['prometheus']}/-/ready"
        self.components["loki"].ready_url = f"{self.stores['loki']}/ready"

    def _component(self, role: str, name: str, arguments: list[str]) -> Running:
        argv = [program(name), *(each.format(self.folder / "config" / role) for each in arguments)]
        return Running(argv, "", self.folder / f"{role}.log")

    def configure(self, late_max: str, rules: bool) -> None:
        """Write what the roles write for this lateness."""
        for role in self.components:
            for name, text in roles.files(role, stack_late_max=late_max, **self.variables).items():
                if not name.startswith("rules/"):
                    self._write(f"{role}/{name}", text)
        if rules:
            own = roles.files("prometheus", stack_late_max=late_max, **self.variables)["rules/claude-code.yml"]
            self._write("prometheus/rules/claude-code.yml", own)
            for zone, calendar in self.zones.items():
                text = yaml.safe_dump({"groups": calendar.groups()})
                self._write(f"prometheus/rules/days{zone}.yml", re.sub("interval: .*", f"interval: {TURNS}", text))

    def _write(self, name: str, text: str) -> Path:
        path = self.folder / "config" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def start(self, *names: str) -> None:
        for name in names or ("prometheus", "loki", "otel_collector"):
            if name == "prometheus":
                guard = self.folder / "config" / name / "keep-unwritten-samples.sh"
                subprocess.run(["/bin/sh", str(guard), f"{self.folder}/data/prometheus"], check=True)
            self.components[name].start()

    def stop(self, *names: str) -> None:
        for name in names or ("otel_collector", "loki", "prometheus"):
            self.components[name].stop()

    def kill(self, *names: str) -> None:
        for name in names:
            self.components[name].kill()

    def record_the_past(self, first: float) -> None:
        """The repair, for each of the zones."""
        groups = [group for zone, calendar in self.zones.items() for group in calendar.repair_groups(zone)]
        rules = self._write("repair.yml", yaml.safe_dump({"groups": groups}))
        argv = [program("promtool"), "tsdb", "create-blocks-from", "rules"]
        argv += [f"--url={self.stores['prometheus']}", *repair_span(int(first) - DAY)]
        argv += [f"--output-dir={self.folder}/data/prometheus", str(rules)]
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
        groups = self._get(f"{self.stores['prometheus']}/api/v1/rules")["data"]["groups"]
        return [
            f"{rule['name']} {rule.get('lastError', '')}"
            for group in groups
            for rule in group["rules"]
            if rule["name"].endswith(":day")
            if rule["health"] != "ok" or datetime.fromisoformat(group["lastEvaluation"]).timestamp() <= moment
        ]

    def wait_until_scraped(self) -> None:
        """Until the counters of path (b) have been read once more."""
        now, end = time.time(), time.monotonic() + TIMEOUT
        while (last := self._scraped()) <= now and time.monotonic() < end:
            time.sleep(0.5)
        assert last > now, "Prometheus does not read the collector's counters"

    def _scraped(self) -> float:
        answer = ask(self.stores["prometheus"], "/api/v1/query", query='timestamp(up{job="claude-code"})')
        return float(answer[0]["value"][1]) if answer else 0.0

    @staticmethod
    def _get(url: str) -> Any:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(url, timeout=10) as answer:
            return json.load(answer)
