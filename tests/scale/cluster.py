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

import yaml
from ansible.plugins.inventory import expand_hostname_range
from ansible_collections.claude_code.observability.plugins.plugin_utils._certificates import host_certificate
from ansible_collections.claude_code.observability.plugins.plugin_utils._secrets_dir import SecretsDir
from ansible_collections.claude_code.observability.plugins.plugin_utils._senders import Senders as Registry

from tests.tools import hosts, s3
from tests.tools.hosts import ROOT, Site, TestHost, run, wait
from tests.tools.ledger import Loki, Prometheus, Store
from tests.tools.otlp import Access, GrpcSender, HttpSender
from tests.tools.programs import CACHE, free_port

SUITE = "scale"
# Addresses that a host keeps while it is off.
SUBNET = "10.213.77."
EXAMPLE = yaml.safe_load((ROOT / "inventory/scale.yml").read_text(encoding="utf-8"))
# The host with the load balancer, the object storage, and what scrapes.
(FRONT,) = EXAMPLE["balancer"]["hosts"]
PORTS = {"grpc": 4317, "http": 4318, "mimir": 9009, "loki": 3100}
S3_PORT = 7070
TENANT = "claude-code"
SENDER = "load"
# The port of each, and what makes it write what it has in memory.
STORES = {"mimir": (9009, "/ingester/flush?wait=true"), "loki": (3100, "/flush")}
# Requests in the queues of collectors that keep up.
FEW = 12
PATIENCE = 240

Groups = Mapping[str, Sequence[str]]


def clear(suite: str = SUITE) -> None:
    hosts.clear(label(suite))


def label(suite: str) -> str:
    return f"claude_code.observability.test={suite}"


def example(group: str) -> list[str]:
    """The hosts of a group of the example, as docs/haproxy.cfg knows them."""
    patterns = EXAMPLE["claude_code_observability"]["children"][group]["hosts"]
    return [name for pattern in patterns for name in (expand_hostname_range(pattern) if "[" in pattern else [pattern])]


CLUSTERED = ("otel_collector", "mimir", "loki")
# Each on hosts of its own, or one of each on every host.
WHOLE: Groups = {group: example(group) for group in CLUSTERED}
SMALL: Groups = {group: [f"node-{number}" for number in (1, 2, 3)] for group in CLUSTERED}


class Cluster:
    """The stack of the example on the hosts of `groups`, but for Grafana, and a sender who may send to it."""

    def __init__(self, folder: Path, groups: Groups, suite: str = SUITE, subnet: str = SUBNET) -> None:
        self.folder, self.suite, self.subnet = folder, suite, subnet
        self.network = f"ccobs-{suite}"
        self.groups: Groups = {**groups, "prometheus": [FRONT]}
        names = dict.fromkeys(name for members in groups.values() for name in members)
        self.nodes = {name: TestHost(f"{self.network}-{name.partition('.')[0]}") for name in names}
        self.front = TestHost(f"{self.network}-front")
        self.ports = {name: free_port() for name in PORTS}
        self.site = Site(folder / "inventory.yml")
        secrets = SecretsDir(str(folder / "secrets"))
        for name, text in host_certificate(secrets, SENDER, [SENDER]).items():
            (folder / f"{name}.pem").write_text(text)
        self.access = self.access_of(SENDER)
        self.tls = ssl.create_default_context(cafile=str(folder / "ca.pem"))
        self.tls.load_cert_chain(folder / "certificate.pem", folder / "key.pem")

    def access_of(self, sender: str) -> Access:
        credential = Registry(SecretsDir(str(self.folder / "secrets"))).credentials([sender])[0]
        return Access(credential["header"], str(self.folder / "ca.pem"))

    # Built.

    def start(self) -> None:
        run("docker", "network", "create", "--label", label(self.suite), f"--subnet={self.subnet}0/24", self.network)
        mirror = f"--volume={CACHE}/mirror:/mirror:ro"
        for name, node in self.nodes.items():
            node.start(self.suite, "plain", mirror, *self._network(name))
        published = [f"--publish=127.0.0.1:{here}:{PORTS[name]}" for name, here in self.ports.items()]
        program = f"--volume={s3.program()}:/usr/local/bin/versitygw:ro"
        self.front.start(self.suite, "balancer", mirror, program, *self._network(FRONT), *published)
        access, secret = s3.CREDENTIALS.values()
        buckets = " ".join(f"/srv/s3/{self._variables[f'{store}_s3_bucket']}" for store in STORES)
        self.front.sh(
            f"mkdir -p {buckets} && systemd-run --quiet --unit=s3 --setenv=HOME=/root versitygw --access '{access}'"
            f" --secret '{secret}' --region {self._variables['loki_s3_region']} --port :{S3_PORT} posix /srv/s3"
        )

    def _network(self, name: str) -> list[str]:
        """A node has the names that the example knows the hosts of its groups by."""
        known = [
            example(group)[members.index(name)]
            for group, members in self.groups.items()
            if name in members and name != FRONT
        ]
        aliases = [f"--network-alias={each}" for each in [name, *known]]
        return [f"--network={self.network}", f"--ip={self.address(name)}", *aliases]

    def address(self, name: str) -> str:
        return f"{self.subnet}{10 + [FRONT, *self.nodes].index(name)}"

    @property
    def _variables(self) -> dict[str, Any]:
        access, secret = s3.CREDENTIALS.values()
        storage = f"{self.address(FRONT)}:{S3_PORT}"
        return {
            **EXAMPLE["claude_code_observability"]["vars"],
            "vault_s3_access_key": access,
            "vault_s3_secret_key": secret,
            "mimir_s3_endpoint": storage,
            "mimir_s3_insecure": True,
            "loki_s3_endpoint": f"http://{storage}",
            "stack_mirror": "file:///mirror",
            "stack_secrets_dir": str(self.folder / "secrets"),
        }

    def inventory(self, clients: Mapping[str, Any] | None = None, **variables: Any) -> None:
        """What the next play plays. `clients` are laptops with their variables, which are not reached."""
        children = {group: {"hosts": {name: {} for name in members}} for group, members in self.groups.items()}
        docker = {
            "ansible_connection": "community.docker.docker",
            "ansible_python_interpreter": "/usr/bin/python3",
            "stack_secrets_dir": str(self.folder / "secrets"),
        }
        every = {FRONT: self.front, **self.nodes}
        own = {
            name: {**docker, "ansible_host": host.name, "stack_address": self.address(name)}
            for name, host in every.items()
        }
        inventory = {
            "claude_code_observability": {"children": children, "vars": {**self._variables, **variables}},
            "balancer": {"hosts": {FRONT: {}}},
            "clients": {"hosts": clients or {}},
            "all": {"hosts": own},
        }
        self.site.inventory.write_text(json.dumps(inventory))

    # Reached.

    def grpc(self) -> GrpcSender:
        return GrpcSender(f"127.0.0.1:{self.ports['grpc']}", self.access)

    def http(self, encoding: str = "protobuf") -> HttpSender:
        return HttpSender(f"https://127.0.0.1:{self.ports['http']}", encoding, self.access)

    @property
    def stores(self) -> dict[str, Store]:
        """What answers as one."""
        mimir = Store(f"https://127.0.0.1:{self.ports['mimir']}/prometheus", self.tls, (("X-Scope-OrgID", TENANT),))
        return {"prometheus": mimir, "loki": Store(f"https://127.0.0.1:{self.ports['loki']}", self.tls)}

    @property
    def prometheus(self) -> Prometheus:
        return Prometheus(self.stores["prometheus"])

    @property
    def loki(self) -> Loki:
        return Loki(self.stores["loki"])

    # What shows how it is.

    def collectors(self) -> list[TestHost]:
        return [self.nodes[name] for name in self.groups["otel_collector"]]

    def waiting(self) -> int:
        """Requests in the queues of all collectors, -1 while one does not answer."""
        counts = [waiting(collector) for collector in self.collectors()]
        return -1 if -1 in counts else sum(counts)

    def ready(self, host: str, store: str) -> bool:
        return "ready" in self._asked(host, store, "/ready")

    def objects(self, store: str) -> int:
        """How many files are in its bucket."""
        return int(self.front.sh(f"find /srv/s3/{self._variables[f'{store}_s3_bucket']} -type f | wc -l"))

    def _asked(self, host: str, store: str, path: str, *options: str) -> str:
        """The answer of one of the hosts by itself, empty while there is none."""
        tls = f"/etc/{store}/current/tls"
        key = f"--cacert {tls}/ca.pem --cert {tls}/certificate.pem --key {tls}/key.pem"
        url = f"https://127.0.0.1:{STORES[store][0]}{path}"
        return self.nodes[host].sh(f"curl --silent --fail {key} {' '.join(options)} '{url}'", check=False)

    # What happens to it.

    def flush(self) -> None:
        """What the stores have in memory goes to the object storage."""
        for store, (_port, path) in STORES.items():
            for host in self.groups[store]:
                self._asked(host, store, path, "--request POST")

    def stop_metrics(self) -> None:
        for name in self.groups["mimir"]:
            self.nodes[name].sh("systemctl stop mimir")

    def start_metrics(self) -> None:
        for name in self.groups["mimir"]:
            self.nodes[name].sh("systemctl start --no-block mimir")

    def recovered(self, at_most: int = FEW) -> None:
        for name in STORES:
            for host in self.groups[name]:
                wait(f"{name} of {host} is ready", lambda host=host, name=name: self.ready(host, name), PATIENCE)  # type: ignore[misc]
        wait(f"at most {at_most} requests wait", lambda: 0 <= self.waiting() <= at_most, PATIENCE)


def waiting(collector: TestHost) -> int:
    """Requests in the queues of a collector, -1 while it does not answer."""
    lines = collector.sh("curl --silent --fail http://127.0.0.1:8888/metrics", check=False).splitlines()
    known = ("otelcol_exporter_queue_size{", "otelcol_exporter_in_flight_requests{")
    return int(sum(float(line.split()[-1]) for line in lines if line.startswith(known))) if lines else -1
