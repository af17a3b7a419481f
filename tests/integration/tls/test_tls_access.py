# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules against the real collector and Prometheus, encrypted and asking who is there."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils.testing import patch_module_args
from ansible_collections.claude_code.observability.plugins.modules import otlp_probe, prometheus_query
from ansible_collections.claude_code.observability.plugins.plugin_utils._certificates import host_certificate
from ansible_collections.claude_code.observability.plugins.plugin_utils._secrets_dir import SecretsDir

sys.path.insert(0, str(Path(__file__).parents[3]))

from tests.integration.alerts.written import written
from tests.tools.programs import free_port, program

TIMEOUT = 90
# ada's token is "tok".
SENDERS = "ada:{SHA}eb6tjm1lhioAz/qhLM3hGJ7DTSk="
ADA = {"Authorization": "Basic YWRhOnRvaw=="}
WRONG = {"Authorization": "Basic YWRhOndyb25n"}


class Stack:
    """Both programs on loopback, and the files by which they and we know each other."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ports = {name: free_port() for name in ("grpc", "http", "metrics", "prometheus")}
        for name in ("ours", "theirs"):
            host_certificate(SecretsDir(str(folder / name)), "host", ["127.0.0.1", "localhost"])
        self.trust = {"ca_path": f"{folder}/ours/ca.pem"}
        self.own = self.certificate("ours")
        self.programs: list[subprocess.Popen[bytes]] = []

    def certificate(self, authority: str) -> dict[str, str]:
        stem = f"{self.folder}/{authority}/host-host"
        return {"client_cert": f"{stem}.pem", "client_key": f"{stem}.key"}

    def url(self, name: str, scheme: str = "https") -> str:
        return f"{scheme}://127.0.0.1:{self.ports[name]}"

    def start(self) -> None:
        pair = {"cert_file": self.own["client_cert"], "key_file": self.own["client_key"]}
        guarded = {"tls": pair, "auth": {"authenticator": "basicauth"}}
        config = yaml.safe_load(
            written("otel_collector", otel_collector_metrics_port=self.ports["metrics"])["config.yaml"]
        )
        receivers = {name: {"endpoint": f"127.0.0.1:{self.ports[name]}", **guarded} for name in ("grpc", "http")}
        pipeline = {"receivers": ["otlp"], "exporters": ["debug"]}
        collector = {
            "extensions": {"basicauth": {"htpasswd": {"inline": SENDERS}}},
            "receivers": {"otlp": {"protocols": receivers}},
            "exporters": {"debug": {}},
            "service": {
                "extensions": ["basicauth"],
                "telemetry": config["service"]["telemetry"],
                "pipelines": {"metrics": pipeline, "logs": pipeline},
            },
        }
        web = {**pair, "client_auth_type": "RequireAndVerifyClientCert", "client_ca_file": self.trust["ca_path"]}
        self.run("otelcol-contrib", "--config", collector)
        self.run(
            *(
                "prometheus",
                "--web.config.file",
                {"tls_server_config": web},
                f"--config.file={self.write('empty', {})}",
            ),
            *(f"--storage.tsdb.path={self.folder}/data", f"--web.listen-address=127.0.0.1:{self.ports['prometheus']}"),
        )

    def write(self, name: str, content: dict[str, Any]) -> Path:
        file = self.folder / f"{name}.yml"
        file.write_text(yaml.safe_dump(content))
        return file

    def run(self, name: str, option: str, content: dict[str, Any], *arguments: str) -> None:
        with (self.folder / f"{name}.log").open("wb") as log:
            argv = [program(name), f"{option}={self.write(name, content)}", *arguments]
            self.programs.append(subprocess.Popen(argv, stdout=log, stderr=log))

    def refused(self) -> dict[str, int]:
        """How many requests the collector counts as from nobody it knows, by the line of its metrics."""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"{self.url('metrics', 'http')}/metrics", timeout=10) as answer:
            lines = [line.rpartition(" ") for line in answer.read().decode().splitlines()]
        return {
            name: int(float(value))
            for name, _blank, value in lines
            if "_count{" in name and ("401" in name or "UNAUTH" in name)
        }


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    stack = Stack(tmp_path_factory.mktemp("tls"))
    stack.start()
    yield stack
    for running in stack.programs:
        running.terminate()
        running.wait(30)


@pytest.fixture
def module(capsys: pytest.CaptureFixture[str]) -> Any:
    def run(what: Any, **arguments: Any) -> Any:
        with patch_module_args(arguments), pytest.raises(SystemExit):
            what.main()
        return json.loads(capsys.readouterr().out)

    return run


@pytest.fixture
def probe(stack: Stack, module: Any) -> Any:
    """Sends through the collector; what each transport says of it."""

    def send(scheme: str = "https", **arguments: Any) -> dict[str, str]:
        urls = {f"{name}_url": stack.url(name, scheme) for name in ("grpc", "http")}
        answer = module(otlp_probe, probe_id="x", **urls, **arguments)
        return {request["transport"]: request["detail"] for request in answer["requests"]}

    return send


@pytest.fixture
def ask(stack: Stack, module: Any) -> Any:
    def query(scheme: str = "https", **arguments: Any) -> str:
        answer = module(prometheus_query, url=stack.url("prometheus", scheme), query="vector(7)", **arguments)
        return str(answer.get("msg", "").partition(": ")[2] or answer["rows"][0]["value"])

    return query


def wait(found: Any, wanted: Any) -> None:
    end = time.monotonic() + TIMEOUT
    while (said := found()) != wanted:
        assert time.monotonic() < end, said
        time.sleep(0.5)


def test_prometheus_answers_only_whom_it_knows(stack: Stack, ask: Any) -> None:
    wait(lambda: ask(**stack.trust, **stack.own), "7")
    # By TLS 1.3 the refusal may come before the request is out, or after.
    assert "client_cert and client_key" in ask(**stack.trust)
    theirs = stack.certificate("theirs")
    assert re.search("does (it|not) accept the certificate in client_cert, ", ask(**stack.trust, **theirs))
    assert ask(**stack.own).startswith("its TLS certificate is not trusted: ")
    assert ask("http") == "it speaks TLS only; write https:// into the URL."


def test_the_collector_takes_only_from_whom_it_knows(stack: Stack, probe: Any) -> None:
    accepted = {"grpc": "accepted", "http": "accepted"}
    wait(lambda: probe(headers=ADA, **stack.trust), accepted)
    before = stack.refused()
    for headers, over_grpc in (({}, "no basic auth provided"), (WRONG, "invalid credentials")):
        said = probe(headers=headers, **stack.trust)
        assert said["grpc"].startswith(f"the sender is not accepted (UNAUTHENTICATED: {over_grpc})")
        assert said["http"].startswith("the sender is not accepted (HTTP status 401: ")
    # Two signals each, and what the dashboard and the alert ask for.
    wait(
        lambda: {name: count - before.get(name, 0) for name, count in stack.refused().items()},
        {
            'http_server_request_duration_seconds_count{http_response_status_code="401"}': 4,
            'rpc_server_call_duration_seconds_count{rpc_response_status_code="UNAUTHENTICATED"}': 4,
        },
    )


def test_what_hinders_the_probe_is_told(stack: Stack, probe: Any) -> None:
    wait(lambda: set(probe(headers=ADA, **stack.trust).values()), {"accepted"})
    other = probe(headers=ADA, ca_path=f"{stack.folder}/theirs/ca.pem")
    assert {text.partition(":")[0] for text in other.values()} == {"its TLS certificate is not trusted"}
    assert {name: text.rpartition("; ")[2] for name, text in probe("http", headers=ADA).items()} == {
        "grpc": "if it speaks TLS only, write https:// into the URL",
        "http": "write https:// into the URL",
    }
