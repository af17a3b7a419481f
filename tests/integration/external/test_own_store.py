# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A store of metrics of one's own that asks for a login: a Prometheus with a password, and what is said to it."""

from __future__ import annotations

import base64
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[3]))

from plugins.module_utils._event_rules import COUNT
from tests.tools import late
from tests.tools.hosts import wait
from tests.tools.ledger import Prometheus, Store, StoreError, ask
from tests.tools.otlp import GrpcSender
from tests.tools.programs import Running, free_port, program
from tests.tools.queries import roles

USER, PASSWORD = "stack", "a secret"
# Of the password, by bcrypt.
HASH = "$2b$04$xyWS.ral8M1iML5tJAcJS.Q0Msj2idCfqrn8aWneDJ/ty.3Pl5aAi"
LOGIN = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
PORTS = {"otel_collector": ("grpc", "http", "export", "metrics", "health"), "loki": ("", "grpc")}
PATIENCE = 120


@pytest.mark.parametrize(
    "said", [{}, {"stack_metrics_username": USER, "stack_metrics_password": PASSWORD}], ids=["nothing", "login"]
)
def test_who_writes_logs_in(tmp_path: Path, said: dict[str, str]) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    (tmp_path / "web.yml").write_text(f'basic_auth_users: {{{USER}: "{HASH}"}}\n')
    (tmp_path / "prometheus.yml").write_text("storage: {tsdb: {out_of_order_time_window: 74h}}\n")
    ports = {f"{role}_{port}_port".replace("__", "_"): free_port() for role, ports in PORTS.items() for port in ports}
    variables = {
        "groups": {name: ["stack"] for name in ("all", "otel_collector", "loki")},
        "prometheus_external_url": url,
        "stack_runtime": "systemd",
        "stack_config_dir": str(tmp_path),
        "stack_data_dir": str(tmp_path / "data"),
        **ports,
        **said,
    }
    for name in ("otel-collector", "loki"):
        (tmp_path / "data" / name).mkdir(parents=True)
    collector = roles.write(tmp_path / "otel-collector" / "current", "otel_collector", **variables)
    loki = roles.write(tmp_path / "loki" / "current", "loki", **variables)
    argv = [
        program("prometheus"),
        f"--config.file={tmp_path}/prometheus.yml",
        f"--web.config.file={tmp_path}/web.yml",
        f"--storage.tsdb.path={tmp_path}/data/prometheus",
        f"--web.listen-address={url.removeprefix('http://')}",
        "--web.enable-otlp-receiver",
        "--web.enable-remote-write-receiver",
    ]
    log, health = tmp_path / "log", ports["otel_collector_health_port"]
    ours = [
        Running(
            [program("loki"), f"-config.file={loki}/config.yml"], f"http://127.0.0.1:{ports['loki_port']}/ready", log
        ),
        Running([program("otelcol-contrib"), f"--config={collector}/config.yaml"], f"http://127.0.0.1:{health}/", log),
    ]
    prometheus = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    store = Store(url, headers=(("Authorization", f"Basic {LOGIN}"),))
    try:
        for each in ours:
            each.start()
        wait("Prometheus answers whoever logs in", lambda: answers(store), PATIENCE)
        mark = late.push(GrpcSender(f"127.0.0.1:{ports['otel_collector_grpc_port']}"), 60)
        if said:
            wait("the point is there", lambda: bool(Prometheus(store).ledgers([mark.session], mark.moment)), PATIENCE)
            wait("Loki has recorded", lambda: bool(ask(store, "/api/v1/query", query=COUNT)), PATIENCE)
        else:
            wait("the point is refused", lambda: "401" in log.read_text(), PATIENCE)
        assert PASSWORD not in (collector / "config.yaml").read_text() + (loki / "config.yml").read_text()
    finally:
        prometheus.kill()
        prometheus.wait()
        for each in ours:
            each.kill()


def answers(store: Store) -> bool:
    try:
        return ask(store, "/api/v1/query", query="vector(1)") != []
    except StoreError:
        return False
