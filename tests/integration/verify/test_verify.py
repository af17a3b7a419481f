# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verify playbook against stores that answer as a healthy one never does. Healthy ones are molecule's."""

from __future__ import annotations

import hmac
import json
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent import futures
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import grpc
import pytest
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2

ROOT = Path(__file__).parents[3]
ORIGINAL = ["Original's instant query", "Original's metric", "Original's range query", "Original's log query"]
PROBES = {f"Collector takes {signal} over {way}" for signal in ("metrics", "logs") for way in ("grpc", "http")}
STORES = {"Prometheus has the probe", "Loki has the probe"}


class Row(NamedTuple):
    host: str
    result: str
    detail: str


class Outcome(NamedTuple):
    code: int
    rows: dict[tuple[str, str], Row]
    output: str
    clients: dict[str, dict[str, str]]

    def row(self, check: str, host: str = "one") -> Row:
        return self.rows[(check, host)]

    def results(self) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for (check, _host), row in self.rows.items():
            found.setdefault(row.result, set()).add(check)
        return found


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


class Stack:
    """Collector and stores in one: what is pushed to it can be asked from it, unless `lost` holds it."""

    def __init__(self) -> None:
        self.lost: set[tuple[str, str]] = set()
        self.series = 0
        self.seen: list[dict[str, str]] = []
        self.entries: list[int] = []
        self.pushed: dict[str, list[dict[str, str]]] = {"metrics": [], "logs": []}
        self.asked: list[tuple[str, str]] = []

    def push(self, signal: str, body: bytes) -> None:
        if not body:
            return  # The doctor's empty request.
        if signal == "metrics":
            request = metrics_service_pb2.ExportMetricsServiceRequest.FromString(body)
            items = request.resource_metrics[0].scope_metrics[0].metrics[0].sum.data_points[0].attributes
        else:
            logs = logs_service_pb2.ExportLogsServiceRequest.FromString(body)
            items = logs.resource_logs[0].scope_logs[0].log_records[0].attributes
        labels = {item.key: item.value.string_value for item in items}
        if (signal, labels["transport"]) not in self.lost:
            self.pushed[signal].append(labels)

    def answer(self, path: str, query: str) -> dict[str, Any] | None:
        self.asked.append((path, query))
        if path == "/api/health":
            return {"database": "ok"}
        signal = "logs" if path.startswith("/loki/") else "metrics"
        if "probe_id" in query:
            result: list[Any] = [{"metric": labels, "value": [0, "1"]} for labels in self.pushed[signal]]
        elif "settings_revision" in query:
            return {
                "status": "success",
                "data": {"resultType": "vector", "result": [{"metric": one, "value": [0, "1"]} for one in self.seen]},
            }
        elif signal == "logs":
            result = [{"stream": {}, "values": [["0", "event"]] * count} for count in self.entries]
        else:
            result = [{"metric": {"n": str(number)}} for number in range(self.series)]
        return {"status": "success", "data": {"result": result}}

    def service(self, details: Any) -> Any:
        """The gRPC side: grpc.GenericRpcHandler's one method."""
        signal = "metrics" if "Metrics" in details.method else "logs"

        def export(body: bytes, _context: Any) -> bytes:
            self.push(signal, body)
            return b""

        return grpc.unary_unary_rpc_method_handler(export)


def http_handler(stack: Stack) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path == "/api/v1/query":
                self.reply(json.dumps(stack.answer(self.path, parse_qs(body.decode())["query"][0])).encode())
            else:
                stack.push(self.path.rpartition("/")[2], body)
                self.reply(b"")

        def do_GET(self) -> None:
            url = urlsplit(self.path)
            answer = stack.answer(url.path, parse_qs(url.query).get("query", [""])[0])
            self.reply(json.dumps(answer).encode())

        def reply(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: Any) -> None:
            pass

    return Handler


class Site:
    """An inventory on this machine whose components all are one Stack, and the playbook run on it."""

    def __init__(self, folder: Path, grpc_port: int, http_port: int) -> None:
        self.folder = folder
        self.groups: dict[str, list[str]] = {
            name: ["one"] for name in ("otel_collector", "prometheus", "loki", "grafana")
        }
        self.hosts: dict[str, dict[str, Any]] = {}
        self.clients: dict[str, dict[str, Any]] = {}
        self.variables: dict[str, Any] = {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "otel_collector_grpc_port": grpc_port,
            "otel_collector_http_port": http_port,
            "prometheus_port": http_port,
            "loki_port": http_port,
            "grafana_port": http_port,
        }

    def play(self, playbook: str, *arguments: str) -> tuple[int, str]:
        """Exit code and output."""
        children = {
            group: {"hosts": {host: self.hosts.get(host, {}) for host in hosts}} for group, hosts in self.groups.items()
        }
        groups = {
            "claude_code_observability": {"children": children},
            "clients": {"hosts": self.clients},
            "all": {"vars": self.variables},
        }
        inventory = self.folder / "inventory.json"
        inventory.write_text(json.dumps(groups))
        command = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", str(inventory)]
        command += [f"claude_code.observability.{playbook}", *arguments]
        environment = {
            **os.environ,
            "HOME": str(self.folder),
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"),
            "ANSIBLE_CALLBACK_RESULT_FORMAT": "json",
            "ANSIBLE_NOCOLOR": "1",
        }
        run = subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False)
        return run.returncode, run.stdout + run.stderr

    def verify(self, *arguments: str) -> Outcome:
        code, output = self.play(
            "verify", "-e", "verify_timeout=1", "-e", f"verify_json={self.folder}/rows.json", *arguments
        )
        table = re.search(r'"msg": (\[.*?\n    \])', output, re.DOTALL)
        assert table, output
        lines = [re.split(r"  +", line, maxsplit=3) for line in json.loads(table[1])[1:]]
        rows = {(check, host): Row(host, *rest) for check, host, *rest in lines} if any(self.groups.values()) else {}
        data = json.loads((self.folder / "rows.json").read_text())
        return Outcome(code, rows, output, {row["host"]: row for row in data["clients"]})

    def client(self, name: str, developer: str) -> Path:
        """Adds a client with a configuration directory of its own, which it returns."""
        directory = self.folder / name
        directory.mkdir()
        self.clients[name] = {"claude_settings_config_dir": str(directory), "claude_settings_developer": developer}
        return directory


@pytest.fixture
def stack() -> Stack:
    return Stack()


@pytest.fixture
def site(stack: Stack, tmp_path: Path) -> Iterator[Site]:
    grpc_server = grpc.server(futures.ThreadPoolExecutor(max_workers=1))
    grpc_server.add_generic_rpc_handlers((stack,))
    grpc_port = grpc_server.add_insecure_port("127.0.0.1:0")
    grpc_server.start()
    http_server = ThreadingHTTPServer(("127.0.0.1", 0), http_handler(stack))
    thread = threading.Thread(target=http_server.serve_forever)
    thread.start()
    yield Site(tmp_path, grpc_port, http_server.server_port)
    http_server.shutdown()
    thread.join()
    http_server.server_close()
    grpc_server.stop(None).wait()


def test_a_stack_that_works(site: Site, stack: Stack) -> None:
    stack.series, stack.entries = 12, [3, 1]
    outcome = site.verify()
    assert outcome.code == 0, outcome.output
    assert outcome.results() == {"ok": PROBES | STORES | set(ORIGINAL) | {"Grafana is healthy"}}
    assert outcome.row("Prometheus has the probe").detail == "from one over grpc, one over http"
    assert outcome.row("Original's metric").detail == "12 series"
    assert outcome.row("Original's log query").detail.startswith("4 entries")
    assert [query for path, query in stack.asked if "probe_id" not in query and path != "/api/health"] == [
        '{__name__=~"claude.*"}',
        "claude_code_input_tokens_total",
        "claude_code_input_tokens_total",
        '{service_name="claude-code"}',
    ]


def test_no_session_yet_is_no_failure(site: Site) -> None:
    outcome = site.verify()
    assert outcome.code == 0, outcome.output
    assert {outcome.row(check).detail for check in ORIGINAL} == {"no Claude Code session seen yet"}


def test_a_query_that_alone_has_no_data_is_told_apart(site: Site, stack: Stack) -> None:
    stack.series = 12
    outcome = site.verify()
    assert outcome.code == 0, outcome.output
    assert outcome.row("Original's log query").detail == "nothing, though other queries have data"


def test_check_mode_sends_and_asks_nothing(site: Site, stack: Stack) -> None:
    outcome = site.verify("--check")
    assert outcome.code == 0, outcome.output
    assert set(outcome.results()) == {"skipped"}
    assert outcome.row("Collector takes a probe").detail == "check mode sends nothing"
    assert not stack.asked
    assert stack.pushed == {"metrics": [], "logs": []}


def test_a_probe_that_is_lost_is_named(site: Site, stack: Stack) -> None:
    stack.lost = {("metrics", "http"), ("logs", "grpc")}
    outcome = site.verify()
    assert outcome.code == 2
    assert outcome.results()["broken"] == STORES
    assert outcome.row("Prometheus has the probe").detail == "after 1 s still without one over http"
    assert outcome.row("Loki has the probe").detail == "after 1 s still without one over grpc"
    assert "Look at the queue of the collector, curl -s http://127.0.0.1:8888/metrics" in outcome.output


def test_a_dead_store_does_not_hide_the_others(site: Site, stack: Stack) -> None:
    port = site.variables["prometheus_port"] = closed_port()
    outcome = site.verify()
    assert outcome.code == 2
    assert outcome.results()["broken"] == {"Prometheus has the probe", *ORIGINAL[:3]}
    assert outcome.row("Original's metric").detail == f"127.0.0.1:{port} Connection refused"
    assert outcome.row("Loki has the probe").result == "ok"
    assert "logs -e component=prometheus --limit one; the port is prometheus_port" in outcome.output


def test_a_dead_collector_leaves_the_stores_to_be_asked(site: Site, stack: Stack) -> None:
    site.variables["otel_collector_grpc_port"] = closed_port()
    site.variables["otel_collector_http_port"] = closed_port()
    outcome = site.verify()
    assert outcome.code == 2
    assert outcome.results()["broken"] == PROBES
    assert outcome.results()["skipped"] == STORES
    assert outcome.row("Original's metric").result == "ok"
    assert "logs -e component=otel-collector --limit one" in outcome.output


def test_another_program_on_the_port_is_no_store(site: Site, stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stack, "answer", lambda path, query: {"hello": "world"})
    outcome = site.verify()
    assert outcome.code == 2
    assert outcome.results()["broken"] == STORES | set(ORIGINAL) | {"Grafana is healthy"}
    assert outcome.row("Original's log query").detail.endswith(" answers, but not as loki does")


def test_every_store_must_have_the_probes_of_its_own_collectors(site: Site, stack: Stack) -> None:
    site.groups = {"otel_collector": ["one", "two", "three"], "prometheus": ["four", "two"], "loki": ["two"]}
    outcome = site.verify()
    assert outcome.code == 0, outcome.output
    prometheus = "Prometheus has the probe"
    assert outcome.row(prometheus, "two").detail == "from two over grpc, two over http"
    assert outcome.row(prometheus, "four").detail == "from " + ", ".join(
        f"{host} over {way}" for host in ("one", "three") for way in ("grpc", "http")
    )
    assert outcome.row("Loki has the probe", "two").detail.count(" over ") == 6
    assert outcome.row("Grafana is healthy", "one") == Row("one", "skipped", "no host in group grafana")


def test_a_store_of_somebody_else_is_asked_from_the_collector(site: Site, stack: Stack) -> None:
    site.groups["prometheus"] = []
    site.variables["prometheus_external_url"] = f"http://user:secret@127.0.0.1:{site.variables['prometheus_port']}"
    site.variables["prometheus_port"] = closed_port()
    stack.lost = {("metrics", "http")}
    outcome = site.verify()
    assert outcome.code == 2
    assert outcome.results()["broken"] == {"Prometheus has the probe"}
    assert outcome.row("Original's metric").result == "ok"
    assert "secret" not in outcome.output


def test_a_host_that_cannot_be_reached_is_a_row(site: Site, stack: Stack) -> None:
    site.groups["loki"] = ["far"]
    site.hosts["far"] = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": closed_port()}
    outcome = site.verify()
    assert outcome.code == 2
    assert outcome.results()["broken"] == {"Loki has the probe", "Original's log query"}
    assert "Connection refused" in outcome.row("Loki has the probe", "far").detail
    assert "Look at ansible far -m ansible.builtin.ping" in outcome.output


def test_limit_leaves_a_table(site: Site, stack: Stack) -> None:
    site.groups["loki"] = ["two"]
    outcome = site.verify("--limit", "two")
    assert outcome.code == 0, outcome.output
    assert {host for _check, host in outcome.rows} == {"two"}
    assert outcome.row("Loki has the probe", "two").result == "skipped"


def revision_of(directory: Path) -> str:
    env = json.loads((directory / "settings.json").read_text())["env"]
    return dict(item.split("=") for item in env["OTEL_RESOURCE_ATTRIBUTES"].split(","))["settings_revision"]


@pytest.fixture
def fleet(site: Site, stack: Stack) -> Site:
    """Of six clients, ada sends with her settings, grace sent with others, hedy never. No stack but Prometheus."""
    site.groups = {"prometheus": ["one"]}
    site.variables["otel_collector_external_url"] = f"http://127.0.0.1:{site.variables['otel_collector_http_port']}"
    site.variables["claude_settings_protocol"] = "http/protobuf"
    directories = {name: site.client(f"laptop-{name}", name) for name in ("ada", "grace", "hedy", "linus", "ken")}
    code, output = site.play("clients", "--limit", "laptop-ada,laptop-grace,laptop-hedy")
    assert code == 0, output
    (directories["ken"] / "settings.json").write_text("{]")
    site.clients["far"] = {
        "ansible_connection": "ssh",
        "ansible_host": "127.0.0.1",
        "ansible_port": closed_port(),
    }
    stack.seen = [
        {"developer": "ada", "settings_revision": revision_of(directories["ada"])},
        {"developer": "grace", "settings_revision": "0123456789"},
        {"developer": "grace"},
        {"developer": "somebody"},
    ]
    return site


def test_every_client_is_told_apart(fleet: Site, stack: Stack) -> None:
    outcome = fleet.verify()
    assert outcome.code == 2
    assert {host: (row["written"], row["arrived"], row["result"]) for host, row in outcome.clients.items()} == {
        "laptop-linus": ("no", "", "not written"),
        "laptop-ken": ("no", "", "not written"),
        "laptop-hedy": ("yes", "no", "silent"),
        "laptop-grace": ("yes", "older", "older"),
        "far": ("", "", "unreachable"),
        "laptop-ada": ("yes", "yes", "arrived"),
    }
    details = {host: row["detail"] for host, row in outcome.clients.items()}
    assert details["laptop-linus"].startswith("would be set: CLAUDE_CODE_ENABLE_TELEMETRY, ")
    assert f"{fleet.folder}/laptop-ken/settings.json:1:2: " in details["laptop-ken"]
    assert details["laptop-grace"].startswith("data with settings_revision 0123456789 and none, not yet ")
    assert "2 not written, on laptop-" in outcome.output
    assert "1 silent for 24h: hedy." in outcome.output
    assert "claude_code.observability.doctor" in outcome.output
    assert [query for path, query in stack.asked if "settings_revision" in query] == [
        'count by (developer, settings_revision) (last_over_time({__name__=~"claude_code_session_count'
        '|claude_code_token_usage_tokens", developer!=""}[24h]))'
    ]
    # Nothing was written by asking.
    assert not (fleet.folder / "laptop-linus/settings.json").exists()


def test_silence_is_a_failure_only_if_so_wished(fleet: Site, stack: Stack) -> None:
    only = ("--limit", "one,laptop-ada,laptop-hedy")
    outcome = fleet.verify(*only)
    assert outcome.code == 0, outcome.output
    assert outcome.clients["laptop-hedy"]["result"] == "silent"
    assert fleet.verify(*only, "-e", "verify_fail_silent=true").code == 2
    stack.seen = [{**stack.seen[0], "developer": name} for name in ("ada", "hedy")]
    assert fleet.verify(*only, "-e", "verify_fail_silent=true").code == 0


def test_a_silent_client_is_looked_at_closely(fleet: Site) -> None:
    # In its home, where the doctor looks: the endpoint of the shell would be another one.
    fleet.clients = {"laptop": {"claude_settings_developer": "hedy"}}
    code, output = fleet.play("clients")
    assert code == 0, output
    row = fleet.verify().clients["laptop"]
    assert (row["written"], row["effective"], row["result"]) == ("yes", "yes", "silent")
    assert row["detail"]


def test_a_client_that_logs_in_arrives_as_the_sender(fleet: Site, stack: Stack) -> None:
    # The collector of the inventory asks for tokens; nobody listens there, for the settings alone count here.
    del fleet.variables["otel_collector_external_url"]
    fleet.groups["otel_collector"] = ["centre"]
    fleet.hosts["centre"] = {"stack_listen_address": "0.0.0.0", "ansible_host": "127.0.0.1"}
    directory = fleet.client("laptop-own", "{user}")
    fleet.client("laptop-named", "mary")
    only = ("--limit", "one,laptop-own,laptop-named")
    code, output = fleet.play("clients", *only)
    assert code == 0, output
    stack.seen = [{"developer": "laptop-own", "settings_revision": revision_of(directory)}]
    clients = fleet.verify(*only).clients
    assert {host: (row["developer"], row["result"]) for host, row in clients.items()} == {
        "laptop-own": ("laptop-own", "arrived"),
        "laptop-named": ("mary", "silent"),
    }
    # Where the collector makes pseudonyms of names, the controller has the key.
    fleet.hosts["centre"]["stack_pseudonyms"] = True
    (fleet.folder / ".claude-code-observability/pseudonyms.key").write_text("key")
    stack.seen[0]["developer"] = hmac.new(b"key", b"laptop-own", "sha256").hexdigest()
    assert {host: row["result"] for host, row in fleet.verify(*only).clients.items()} == {
        "laptop-own": "arrived",
        "laptop-named": "silent",
    }


def test_without_prometheus_nobody_is_called_silent(fleet: Site) -> None:
    fleet.variables["prometheus_port"] = closed_port()
    outcome = fleet.verify("--limit", "one,laptop-ada")
    assert "Connection refused" in outcome.clients["laptop-ada"]["detail"]
    for groups, arguments in (
        ({"prometheus": ["one"]}, ("--limit", "laptop-ada")),
        ({}, ("--limit", "laptop-ada,localhost")),
    ):
        fleet.groups = groups
        outcome = fleet.verify(*arguments)
        assert outcome.code == 0, outcome.output
        assert outcome.clients["laptop-ada"]["result"] == "unknown"
        assert "prometheus_external_url" in outcome.clients["laptop-ada"]["detail"]
