# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Three Loki as the role configures three hosts, each at an address of its own, one object store, and collectors."""

from __future__ import annotations

import shutil
import ssl
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.tools import s3
from tests.tools.ledger import Loki, Store
from tests.tools.programs import Running, free_port, program
from tests.tools.queries import roles

ADDRESSES = {"loki-1": "127.0.0.71", "loki-2": "127.0.0.72", "loki-3": "127.0.0.73"}
COLLECTORS = ("collector-1", "collector-2")
BUCKET = "events"
PATIENCE = 90


class Ring:
    """The hosts by name. Nobody else knows their authority, so that each request shows a certificate."""

    def __init__(self, folder: Path, server: s3.Server) -> None:
        self.folder, self.server = folder, server
        (server.directory / BUCKET).mkdir()
        self.port = free_port()
        access, secret = s3.CREDENTIALS.values()
        self.variables: dict[str, Any] = {
            "stack_late_max": "72h",
            "stack_utc_offset": "Z",
            "stack_runtime": "systemd",
            "stack_secrets_dir": str(folder / "secrets"),
            "prometheus_external_url": f"http://127.0.0.1:{free_port()}",
            "loki_port": self.port,
            "loki_grpc_port": free_port(),
            "loki_memberlist_port": free_port(),
            "loki_s3_endpoint": server.url,
            "loki_s3_bucket": BUCKET,
            "loki_s3_access_key": access,
            "loki_s3_secret_key": secret,
        }
        self.ports: dict[str, dict[str, int]] = {}
        self.lokis = {name: self._loki(name) for name in ADDRESSES}
        self.collectors = [self._collector(name, host) for name, host in zip(COLLECTORS, ADDRESSES)]

    # As the roles configure them.

    def _known(self, role: str, name: str, **variables: Any) -> dict[str, Any]:
        """The variables of a host."""
        groups = {
            "loki": list(ADDRESSES),
            "otel_collector": list(COLLECTORS),
            "prometheus": [],
            "all": [*ADDRESSES, *COLLECTORS],
        }
        return {
            **self.variables,
            "groups": groups,
            "group_names": [role],
            "inventory_hostname": name,
            "hostvars": {host: self._of_loki(host) for host in ADDRESSES},
            "stack_config_dir": str(self.folder / name),
            "stack_data_dir": str(self.folder / name / "data"),
            **variables,
        }

    def _written(self, role: str, known: dict[str, Any]) -> Path:
        """Writes the files of a role for a host; their directory."""
        place = self.folder / known["inventory_hostname"]
        part = role.replace("_", "-")
        (place / "data" / part).mkdir(parents=True)
        return roles.write(place / part / "current", role, **known)

    def _of_loki(self, name: str) -> dict[str, Any]:
        return {**self.variables, "stack_address": ADDRESSES[name], "stack_listen_address": ADDRESSES[name]}

    def _loki(self, name: str) -> Running:
        known = self._known("loki", name, **self._of_loki(name))
        directory = self._written("loki", known)
        tls = ssl.create_default_context(cafile=directory / "tls" / "ca.pem")
        tls.load_cert_chain(directory / "tls" / "certificate.pem", directory / "tls" / "key.pem")
        argv = [
            *roles.value("loki", "__loki_starter", **known),
            program("loki"),
            f"-config.file={directory}/config.yml",
        ]
        running = Running(argv, f"{self.url(name)}/ready", self.folder / f"{name}.log", tls)
        running.environment = roles.files("loki", kind="environment", **known)
        return running

    def _collector(self, name: str, loki: str) -> Running:
        """It pushes to one of the hosts, as one beside that host would."""
        ports = {f"otel_collector_{kind}_port": free_port() for kind in ("grpc", "http", "export", "metrics", "health")}
        self.ports[name] = ports
        away = {"loki_external_url": self.url(loki), "prometheus_external_url": ""}
        directory = self._written("otel_collector", self._known("otel_collector", name, **away, **ports))
        argv = [program("otelcol-contrib"), f"--config={directory}/config.yaml"]
        ready = f"http://127.0.0.1:{ports['otel_collector_health_port']}/"
        return Running(argv, ready, self.folder / f"{name}.log")

    # What is done to them.

    def start(self, *names: str) -> None:
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda name: self.lokis[name].start(), names or ADDRESSES))

    def stop(self) -> None:
        """Ends everything that runs."""
        for running in (*self.collectors, *self.lokis.values()):
            running.kill()

    def move_to_the_object_store(self) -> None:
        """Has every host write what it has in memory there, and leaves it nothing else."""
        for name in ADDRESSES:
            request = urllib.request.Request(f"{self.url(name)}/flush", method="POST")
            self._opener(name).open(request, timeout=60).close()
        with ThreadPoolExecutor() as pool:
            # Told to end in order, they take the index there.
            list(pool.map(lambda running: running.stop(), self.lokis.values()))
        for name in ADDRESSES:
            place = self.folder / name / "data" / "loki"
            shutil.rmtree(place)
            place.mkdir()

    # What they say.

    def url(self, name: str) -> str:
        return f"https://{ADDRESSES[name]}:{self.port}"

    def receiver(self, number: int) -> str:
        return f"http://127.0.0.1:{self.ports[COLLECTORS[number]]['otel_collector_http_port']}"

    def ask(self, name: str) -> Loki:
        return Loki(Store(self.url(name), self.lokis[name].tls))

    def metric(self, name: str, metric: str) -> list[str]:
        """The values of a metric of a host."""
        with self._opener(name).open(f"{self.url(name)}/metrics", timeout=30) as answer:
            lines = answer.read().decode().splitlines()
        return [line.rpartition(" ")[2] for line in lines if line.startswith(metric)]

    def _opener(self, name: str) -> urllib.request.OpenerDirector:
        handlers = (urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=self.lokis[name].tls))
        return urllib.request.build_opener(*handlers)

    def wait_until_delivered(self) -> None:
        end = time.monotonic() + PATIENCE
        while waiting := sum(self._waiting(name) for name in COLLECTORS):
            assert time.monotonic() < end, f"{waiting} requests are still in the collectors' queues"
            time.sleep(0.3)

    def _waiting(self, name: str) -> float:
        url = f"http://127.0.0.1:{self.ports[name]['otel_collector_metrics_port']}/metrics"
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        counted = ("otelcol_exporter_queue_size", "otelcol_exporter_in_flight_requests")
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(counted))
