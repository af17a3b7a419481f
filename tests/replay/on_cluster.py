# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The same on the hosts of docs/scale.md: collectors, Mimir and Loki on three hosts each, a load balancer, a bucket."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any

from ansible_collections.claude_code.observability.plugins.module_utils._tls import Access

from plugins.module_utils._rollups import Calendar
from tests.replay.backend import Backend
from tests.replay.mimir_past import LOOK_OFTEN, record_in_mimir
from tests.replay.scenes import TEAMS
from tests.replay.traffic import developers
from tests.scale.cluster import PATIENCE, WHOLE, Cluster, clear, waiting
from tests.tools.hosts import wait
from tests.tools.ledger import Store
from tests.tools.otlp import Sender

# Its word of who works there counts, so that one login sends for everybody.
AGENT = "load"
SUITE = "replay"
SUBNET = "10.213.78."
# By a scene's name of it: the group of its hosts, and the unit.
UNITS = {
    "prometheus": ("mimir", "mimir"),
    "loki": ("loki", "loki"),
    "otel_collector": ("otel_collector", "otel-collector"),
}


class AsAgent:
    """Says in the scope who works, as the agent of a laptop does."""

    def __init__(self, sender: Sender) -> None:
        self.name, self._sender = sender.name, sender

    def send(self, signal: str, request: dict[str, Any]) -> int:
        said = deepcopy(request)
        for resource in next(iter(said.values())):
            who = [each for each in resource["resource"]["attributes"] if each["key"] == "developer"]
            for scope in resource.get("scopeMetrics", []) + resource.get("scopeLogs", []):
                scope["scope"]["attributes"] = who
        return self._sender.send(signal, said)


class OnCluster(Backend):
    turns = "10s"

    def __init__(self, folder: Path, zones: dict[str, Calendar]) -> None:
        super().__init__(folder, zones)
        clear(SUITE)
        self.cluster = Cluster(folder, WHOLE, SUITE, SUBNET)
        self.cluster.access = self.cluster.access_of(f"agent/{AGENT}")
        self.cluster.start()

    @property
    def stores(self) -> Mapping[str, Store]:
        return self.cluster.stores

    def senders(self) -> list[Sender]:
        return [AsAgent(sender) for sender in (self.cluster.http(), self.cluster.grpc(), self.cluster.http("json"))]

    def configure(self, late_max: str, rules: bool) -> None:
        none: dict[str, Any] = {"groups": []}
        laptop = {"client_agent": True, "client_agent_laptop": AGENT}
        self.cluster.inventory(
            # The inventory says who is in which team.
            clients={
                f"laptop-{number}": {**laptop, "claude_settings_team": team, "client_agent_owner": developers(team)}
                for number, team in enumerate(TEAMS)
            },
            stack_late_max=late_max,
            loki_retention="90d",
            mimir_config_overrides=LOOK_OFTEN,
            # The first takes the place of the shipped rules of days.
            prometheus_rules={
                "claude-code-days" if not number else f"claude-code-days-{number}": self.days(zone) if rules else none
                for number, zone in enumerate(self.zones)
            },
        )

    def start(self, *names: str) -> None:
        if names:
            for host, unit in self._units(names):
                self.cluster.nodes[host].sh(f"systemctl start --no-block {unit}")
            for host, unit in self._units(names):
                wait(f"{unit} of {host} is ready", partial(self._is_ready, host, unit), PATIENCE)
        else:
            self.cluster.site.play("../docs/haproxy")
            self.restart()

    def restart(self) -> None:
        self.cluster.site.play("stack")
        self.wait_until_scraped()

    def stop(self) -> None:
        clear(SUITE)

    def kill(self, *names: str) -> None:
        for host, unit in self._units(names):
            self.cluster.nodes[host].sh(f"systemctl kill --signal=KILL {unit} && systemctl stop {unit}")

    def record_the_past(self, first: float) -> None:
        folder = self.cluster.folder
        keys = Access(f"{folder}/ca.pem", f"{folder}/certificate.pem", f"{folder}/key.pem")
        record_in_mimir(self, first, f"https://127.0.0.1:{self.cluster.ports['mimir']}", keys)

    def waiting(self) -> float:
        return self.cluster.waiting()

    def _units(self, names: tuple[str, ...]) -> list[tuple[str, str]]:
        return [(host, UNITS[name][1]) for name in names for host in self.cluster.groups[UNITS[name][0]]]

    def _is_ready(self, host: str, unit: str) -> bool:
        return waiting(self.cluster.nodes[host]) >= 0 if unit == "otel-collector" else self.cluster.ready(host, unit)
