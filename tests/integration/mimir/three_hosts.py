# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Three Mimir as the role configures three hosts, each at an address of its own, with one object store."""

from __future__ import annotations

import json
import ssl
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.tools import s3
from tests.tools.ledger import Store
from tests.tools.programs import Running, free_port, program
from tests.tools.queries import roles

ADDRESSES = {"mimir-1": "127.0.0.81", "mimir-2": "127.0.0.82", "mimir-3": "127.0.0.83"}
TENANT = "claude-code"
BUCKET = "metrics"


class ThreeHosts:
    """The hosts by name. They ask each other, and everybody else, for a certificate of the stack's authority."""

    def __init__(self, folder: Path, server: s3.Server) -> None:
        self.folder = folder
        (server.directory / BUCKET).mkdir()
        access, secret = s3.CREDENTIALS.values()
        self.port = free_port()
        self.variables: dict[str, Any] = {
            "groups": {"mimir": list(ADDRESSES), "all": list(ADDRESSES), "prometheus": [], "loki": []},
            "stack_late_max": "72h",
            "stack_utc_offset": "Z",
            "stack_runtime": "systemd",
            "stack_secrets_dir": str(folder / "secrets"),
            "mimir_port": self.port,
            "mimir_grpc_port": free_port(),
            "mimir_memberlist_port": free_port(),
            "mimir_s3_endpoint": server.url.removeprefix("http://"),
            "mimir_s3_insecure": True,
            "mimir_s3_bucket": BUCKET,
            "mimir_s3_access_key": access,
            "mimir_s3_secret_key": secret,
        }
        self.hosts = {name: self._host(name) for name in ADDRESSES}

    def _of(self, name: str) -> dict[str, Any]:
        return {**self.variables, "stack_address": ADDRESSES[name], "stack_listen_address": ADDRESSES[name]}

    def _host(self, name: str) -> Running:
        places = {"stack_config_dir": str(self.folder / name), "stack_data_dir": str(self.folder / name / "data")}
        known = {**self._of(name), **places, "inventory_hostname": name, "group_names": ["mimir"]}
        known["hostvars"] = {host: self._of(host) for host in ADDRESSES}
        place = self.folder / name / "mimir" / "current"
        (self.folder / name / "data" / "mimir").mkdir(parents=True)
        roles.write(place, "mimir", **known)
        self.tls = ssl.create_default_context(cafile=place / "tls" / "ca.pem")
        self.tls.load_cert_chain(place / "tls" / "certificate.pem", place / "tls" / "key.pem")
        argv = [program("mimir"), f"-config.file={place}/config.yml"]
        running = Running(argv, f"{self.url(name)}/ready", self.folder / f"{name}.log", self.tls)
        running.environment = roles.files("mimir", "environment", **known)
        return running

    def url(self, name: str) -> str:
        return f"https://{ADDRESSES[name]}:{self.port}"

    def store(self, name: str) -> Store:
        return Store(f"{self.url(name)}/prometheus", self.tls, (("X-Scope-OrgID", TENANT),))

    def start(self) -> None:
        with ThreadPoolExecutor() as together:
            list(together.map(Running.start, self.hosts.values()))

    def stop(self) -> None:
        for host in self.hosts.values():
            host.kill()

    def send(self, name: str, path: str, body: bytes = b"", kind: str = "application/json") -> bytes:
        """Posts to a host. Raises OSError."""
        headers = {"X-Scope-OrgID": TENANT, "Content-Type": kind}
        request = urllib.request.Request(self.url(name) + path, body, headers)
        handlers = (urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=self.tls))
        with urllib.request.build_opener(*handlers).open(request, timeout=30) as answer:
            return bytes(answer.read())

    def push(self, name: str, points: dict[int, int], series: str) -> None:
        """Pushes points of a gauge, value by millisecond, as the collector does."""
        told = [{"timeUnixNano": str(at * 10**6), "asDouble": value} for at, value in points.items()]
        metric = {"name": series, "gauge": {"dataPoints": told}}
        body = {"resourceMetrics": [{"resource": {}, "scopeMetrics": [{"scope": {}, "metrics": [metric]}]}]}
        self.send(name, "/otlp/v1/metrics", json.dumps(body).encode())
