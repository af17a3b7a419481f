# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The real programs on loopback as the roles configure them: without protection on 127.0.0.1, with it on 127.0.0.2."""

from __future__ import annotations

import importlib
import json
import os
import signal
import ssl
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from ansible.plugins.loader import init_plugin_loader  # type: ignore[import-untyped]
from ansible.utils.collection_loader import AnsibleCollectionConfig  # type: ignore[import-untyped]

from benchmarks.month.live import Memory, cpu_seconds
from tests.tools.programs import free_port, program
from tests.tools.queries import roles
from tests.tools.queries.vocabulary import ROOT

TEAMS = 30
PATIENCE = 180.0
POLL = 0.02
PORTS = ("grpc", "http", "export", "metrics", "health")

Config = dict[str, Any]
Change = Callable[[Config], None]


class Company:
    """So many developers in teams, each with a token; the inventory and the secrets of their stack."""

    def __init__(self, folder: Path, developers: int) -> None:
        self.names = [f"dev{number:05}" for number in range(developers)]
        self.secrets = folder / f"secrets-{developers}"
        registry = _utility("senders").Senders(_utility("secrets_dir").SecretsDir(str(self.secrets)))
        # What each developer's client sends as Authorization.
        self.headers: list[str] = [each["header"] for each in registry.credentials(self.names)]

    def variables(self) -> dict[str, Any]:
        laptops = {
            f"laptop-{name}": {
                "claude_settings_scope": "managed",
                "claude_settings_developer": name,
                "claude_settings_team": f"team{number % TEAMS:02}",
            }
            for number, name in enumerate(self.names)
        }
        components = ("all", "otel_collector", "prometheus", "loki", "grafana")
        groups = {**{name: [roles.HOST] for name in components}, "clients": list(laptops)}
        return {"groups": groups, "hostvars": laptops, "stack_secrets_dir": str(self.secrets)}


@contextmanager
def running(argv: list[str], log: Path, ready: Callable[[], object], **environment: str) -> Iterator[int]:
    """A program, by its process id, from when it is ready to its orderly end. Raises RuntimeError with its log."""
    with log.open("ab") as output:
        process = subprocess.Popen(argv, stdout=output, stderr=output, env={**os.environ, **environment})
    try:
        end = time.monotonic() + PATIENCE
        while True:
            try:
                ready()
                break
            except OSError as error:
                if process.poll() is not None or time.monotonic() > end:
                    raise RuntimeError(f"{argv[0]}: {error}\n{log.read_text()[-3000:]}") from error
            time.sleep(POLL)
        yield process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE)


def get(url: str, tls: ssl.SSLContext | None = None, **parameters: str) -> str:
    """The answer to a POST of a form, or a GET without parameters. Raises OSError."""
    handlers = [urllib.request.ProxyHandler({}), *([urllib.request.HTTPSHandler(context=tls)] if tls else [])]
    body = urllib.parse.urlencode(parameters).encode() if parameters else None
    with urllib.request.build_opener(*handlers).open(url, body, timeout=PATIENCE) as answer:
        return str(answer.read().decode())


class Stores:
    """Prometheus and Loki at one address. Nothing is scraped and no rule runs, so that a round is like the next one."""

    def __init__(self, folder: Path, address: str, company: Company) -> None:
        self.folder, self.address = folder, address
        self.tls: ssl.SSLContext | None = None
        self._ports = {name: free_port() for name in ("prometheus_port", "loki_port", "loki_grpc_port")}
        self._company = company

    def variables(self, folder: Path) -> dict[str, Any]:
        """Of the inventory, for a component that lives below this folder."""
        return {
            **self._company.variables(),
            **self._ports,
            "stack_runtime": "systemd",
            "stack_listen_address": self.address,
            "stack_config_dir": str(folder / "config"),
            "stack_data_dir": str(folder / "data"),
        }

    def configured(self, role: str) -> Path:
        return roles.write(self.folder / "config" / role / "current", role, **self.variables(self.folder))

    @contextmanager
    def up(self) -> Iterator[None]:
        prometheus, loki = self.configured("prometheus"), self.configured("loki")
        _edit(prometheus / "prometheus.yml", lambda config: config.update(scrape_configs=[], rule_files=[]))
        _edit(loki / "config.yml", lambda config: config.pop("ruler"))
        argv = [program("prometheus"), f"--config.file={prometheus}/prometheus.yml", "--web.enable-otlp-receiver"]
        argv += [f"--storage.tsdb.path={self.folder}/tsdb", f"--web.listen-address={self._place('prometheus')}"]
        if (prometheus / "web.yml").exists():
            argv.append(f"--web.config.file={prometheus}/web.yml")
            self.tls = ssl.create_default_context(cafile=str(prometheus / "tls/ca.pem"))
            self.tls.load_cert_chain(prometheus / "tls/certificate.pem", prometheus / "tls/key.pem")
        with (
            running(argv, self.folder / "prometheus.log", lambda: self._ask("prometheus", "/-/ready")),
            running(
                [program("loki"), f"-config.file={loki}/config.yml"],
                self.folder / "loki.log",
                lambda: self._ask("loki", "/ready"),
            ),
        ):
            yield

    def stored(self, sessions: str, since: float) -> tuple[int, int]:
        """The points and the events of the sessions that match, which are no older than `since` (unix seconds)."""
        window = f"{int(time.time() - since) + 60}s"
        mine = f'session_id=~"{sessions}"'
        points = f'sum(count_over_time({{__name__=~"claude_code.+", {mine}}}[{window}]))'
        events = f'sum(count_over_time({{service_name=~".+"}} | {mine} [{window}]))'
        return self._count("prometheus", "/api/v1/query", points), self._count("loki", "/loki/api/v1/query", events)

    def _count(self, store: str, path: str, query: str) -> int:
        rows = json.loads(self._ask(store, path, query=query))["data"]["result"]
        return int(rows[0]["value"][1]) if rows else 0

    def _ask(self, store: str, path: str, **parameters: str) -> str:
        return get(f"{'https' if self.tls else 'http'}://{self._place(store)}{path}", self.tls, **parameters)

    def _place(self, store: str) -> str:
        return f"{self.address}:{self._ports[f'{store}_port']}"


@dataclass
class Collector:
    """A collector in front of stores; `change` is done to the configuration that the role renders."""

    name: str
    stores: Stores
    change: Change = lambda _config: None
    variables: Mapping[str, Any] = field(default_factory=dict)
    pid: int = 0

    def __post_init__(self) -> None:
        self._ports = {f"otel_collector_{name}_port": free_port() for name in PORTS}
        self.folder = self.stores.folder / self.name.replace(" ", "-")
        self.receiver = (self.stores.address, self._ports["otel_collector_http_port"])

    @property
    def cpu(self) -> float:
        """Seconds of a processor so far."""
        return cpu_seconds(self.pid)

    @property
    def memory(self) -> Memory:
        return Memory.of(self.pid)

    def configure(self) -> None:
        variables = {**self.stores.variables(self.folder), **self._ports, **self.variables}
        self._place = self.folder / "config" / "otel-collector" / "current"
        roles.write(self._place, "otel_collector", **variables)
        _edit(self._place / "config.yaml", self.change)

    @contextmanager
    def up(self) -> Iterator[Collector]:
        health = f"http://127.0.0.1:{self._ports['otel_collector_health_port']}/"
        argv = [program("otelcol-contrib"), *(f"--config={path}" for path in sorted(self._place.glob("*.yaml")))]
        with running(argv, self.folder / "collector.log", lambda: get(health), GOMEMLIMIT="409MiB") as self.pid:
            yield self

    @property
    def authority(self) -> str:
        """The file of the authority that a client trusts, empty without TLS."""
        return str(self._place / "tls/ca.pem") if self.stores.tls else ""

    def wait_until_delivered(self) -> None:
        end = time.monotonic() + PATIENCE
        while (waiting := self._metric("otelcol_exporter_queue_size", "otelcol_exporter_in_flight_requests")) > 0:
            assert time.monotonic() < end, f"{self.name}: still in the queue: {waiting}"
            time.sleep(POLL)

    def _metric(self, *names: str) -> float:
        text = get(f"http://127.0.0.1:{self._ports['otel_collector_metrics_port']}/metrics")
        return sum(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(names))


def _utility(name: str) -> Any:
    """One of the collection's own modules, which can be imported once ansible knows the collection."""
    if AnsibleCollectionConfig.collection_finder is None:
        init_plugin_loader([str(ROOT / ".collections")])
    return importlib.import_module(f"ansible_collections.claude_code.observability.plugins.plugin_utils._{name}")


def _edit(path: Path, change: Change) -> None:
    config = yaml.safe_load(path.read_text())
    change(config)
    path.write_text(yaml.safe_dump(config, sort_keys=False))
