# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes on a network of their own, each with any components, and a host in front with the load balancer."""

from __future__ import annotations

import json
import ssl
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.claude_code.observability.plugins.plugin_utils._certificates import host_certificate
from ansible_collections.claude_code.observability.plugins.plugin_utils._secrets_dir import SecretsDir
from ansible_collections.claude_code.observability.plugins.plugin_utils._senders import Senders as Registry

from tests.tools import hosts
from tests.tools.hosts import ROOT, Site, TestHost, run, wait
from tests.tools.ledger import Loki, Prometheus, Store
from tests.tools.otlp import Access
from tests.tools.programs import CACHE, free_port

SUITE = "scale"
LABEL = f"claude_code.observability.test={SUITE}"
NETWORK = "ccobs-scale"
# Addresses that a host keeps while it is off.
SUBNET = "10.213.77."
FRONT = "front"
BALANCER = "otlp.example.com"
# What of the front this machine reaches.
PORTS = {"grpc": 4317, "http": 4318, "prometheus": 9090, "loki": 3100}
SENDER = "load"
# Requests in the queues of collectors that keep up.
FEW = 12
PATIENCE = 240


def clear() -> None:
    hosts.clear(LABEL)


class Cluster:
    """`groups` are those of the inventory, each with the numbers of its nodes; none of a group is on the front."""

    def __init__(self, folder: Path, groups: Mapping[str, Sequence[int]]) -> None:
        self.folder = folder
        self.groups = {name: [f"node-{number}" for number in numbers] or [FRONT] for name, numbers in groups.items()}
        names = sorted({name for members in self.groups.values() for name in members} - {FRONT})
        self.nodes = {name: TestHost(f"{NETWORK}-{name}") for name in names}
        self.front = TestHost(f"{NETWORK}-{FRONT}")
        self.ports = {name: free_port() for name in PORTS}
        self.site = Site(folder / "inventory.yml")
        secrets = SecretsDir(str(folder / "secrets"))
        own = host_certificate(secrets, SENDER, [SENDER])
        for name, text in own.items():
            (folder / f"{name}.pem").write_text(text)
        credential = Registry(secrets).credentials([SENDER])[0]
        self.access = Access(credential["header"], str(folder / "ca.pem"))
        self.tls = ssl.create_default_context(cafile=str(folder / "ca.pem"))
        self.tls.load_cert_chain(folder / "certificate.pem", folder / "key.pem")

    # Built.

    def start(self) -> None:
        run("docker", "network", "create", "--label", LABEL, f"--subnet={SUBNET}0/24", NETWORK)
        mirror = f"--volume={CACHE}/mirror:/mirror:ro"
        for name, node in self.nodes.items():
            node.start(SUITE, "plain", mirror, *self._network(name))
        published = [f"--publish=127.0.0.1:{here}:{PORTS[name]}" for name, here in self.ports.items()]
        self.front.start(SUITE, "balancer", mirror, *self._network(FRONT), *published)
        run("docker", "cp", str(ROOT / "docs/haproxy.cfg"), f"{self.front.name}:/etc/haproxy/haproxy.cfg")
        self.front.sh("systemctl restart haproxy")

    def _network(self, name: str) -> list[str]:
        """A node has the names that inventory/scale.yml and docs/haproxy.cfg know the hosts of its groups by."""
        known = [
            f"{group.removeprefix('otel_')}-{members.index(name) + 1}.example.com"
            for group, members in self.groups.items()
            if name in members
        ]
        aliases = [f"--network-alias={each}" for each in [name, *known]]
        return [f"--network={NETWORK}", f"--ip={self.address(name)}", *aliases]

    def address(self, name: str) -> str:
        return f"{SUBNET}{10 + [FRONT, *self.nodes].index(name)}"

    def inventory(self, **variables: Any) -> None:
        """What the next play plays."""
        every = {
            "ansible_connection": "community.docker.docker",
            "ansible_python_interpreter": "/usr/bin/python3",
            "stack_runtime": "systemd",
            "stack_mirror": "file:///mirror",
            "stack_listen_address": "0.0.0.0",
            "stack_secrets_dir": str(self.folder / "secrets"),
            "otel_collector_external_url": f"https://{BALANCER}:4318",
            **variables,
        }
        own = {
            name: {"ansible_host": f"{NETWORK}-{name}", "stack_address": self.address(name)}
            for name in [FRONT, *self.nodes]
        }
        children = {group: {"hosts": {name: own[name] for name in members}} for group, members in self.groups.items()}
        text = json.dumps({"claude_code_observability": {"children": children, "vars": every}})
        self.site.inventory.write_text(text)

    # Reached.

    @property
    def prometheus(self) -> Prometheus:
        return Prometheus(self._store("prometheus"))

    @property
    def loki(self) -> Loki:
        return Loki(self._store("loki"))

    def _store(self, name: str) -> Store:
        return Store(f"https://127.0.0.1:{self.ports[name]}", self.tls)

    def host(self, name: str) -> TestHost:
        return {FRONT: self.front, **self.nodes}[name]

    # What shows how it is.

    def collectors(self) -> list[TestHost]:
        return [self.nodes[name] for name in self.groups["otel_collector"]]

    def waiting(self) -> int:
        """Requests in the queues of all collectors, -1 while one does not answer."""
        counts = [waiting(collector) for collector in self.collectors()]
        return -1 if -1 in counts else sum(counts)

    # What happens to it.

    def stop_metrics(self) -> None:
        for name in self.groups["prometheus"]:
            self.host(name).sh("systemctl stop prometheus")

    def start_metrics(self) -> None:
        for name in self.groups["prometheus"]:
            self.host(name).sh("systemctl start prometheus")

    def recovered(self, at_most: int = FEW) -> None:
        wait(f"at most {at_most} requests wait", lambda: 0 <= self.waiting() <= at_most, PATIENCE)


def waiting(collector: TestHost) -> int:
    """Requests in the queues of a collector, -1 while it does not answer."""
    lines = collector.sh("curl --silent --fail http://127.0.0.1:8888/metrics", check=False).splitlines()
    known = ("otelcol_exporter_queue_size{", "otelcol_exporter_in_flight_requests{")
    return int(sum(float(line.split()[-1]) for line in lines if line.startswith(known))) if lines else -1
