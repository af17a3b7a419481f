# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A company reads its clients' TLS: they reach the model API by its authority only, before, with and after ours."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.client.doctor_bench import Collector, Laptop, counted
from tests.client.doctor_certificates import Certificates
from tests.client.doctor_faults import EVENTS, ON, POINTS
from tests.client.module_calls import ModuleCalls
from tests.tools.model_api import ModelApi

ALL = {"metrics": POINTS, "events": EVENTS}
NONE = {"metrics": 0, "events": 0}
NODE = "NODE_EXTRA_CA_CERTS"
USER = "home/.claude/settings.json"


class Inspected(ModelApi):
    """The model API, as one meets it behind the company's proxy: with a certificate of the company."""

    def __init__(self, company: Certificates) -> None:
        super().__init__()
        files = company.servers["tls"]
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(files.certificate, files.key)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._inside = urlsplit(self.url)
        self.url = f"https://localhost:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._serve, args=(context,), daemon=True).start()

    def close(self) -> None:
        self._listener.close()
        super().close()

    def _serve(self, context: ssl.SSLContext) -> None:
        with contextlib.suppress(OSError):
            while True:
                taken, _address = self._listener.accept()
                threading.Thread(target=self._pass_on, args=(context, taken), daemon=True).start()

    def _pass_on(self, context: ssl.SSLContext, taken: socket.socket) -> None:
        inside = (self._inside.hostname or "", self._inside.port or 0)
        with (
            contextlib.suppress(OSError),
            context.wrap_socket(taken, server_side=True) as outer,
            socket.create_connection(inside) as inner,
        ):
            threading.Thread(target=_copy, args=(inner, outer), daemon=True).start()
            _copy(outer, inner)


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("company"))


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("ours"))


@pytest.fixture(scope="module")
def collector(ours: Certificates, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    running = Collector(tmp_path_factory.mktemp("collector"), ours)
    yield running
    running.close()


@pytest.fixture
def laptop(company: Certificates, claude: Path, tmp_path: Path) -> Iterator[Laptop]:
    api = Inspected(company)
    yield Laptop(tmp_path / "laptop", claude, api)
    api.close()


def in_the_shell(laptop: Laptop, company: Certificates) -> None:
    laptop.terminal[NODE] = str(company.authority)
    laptop.write("home/.bashrc", f"export {NODE}={company.authority}\n")
    laptop.write("home/.profile", f". ~/.bashrc\nexport {NODE}={company.authority}\n")


def in_the_settings(laptop: Laptop, company: Certificates) -> None:
    laptop.write(USER, f'{{"env":{{ "{NODE}":"{company.authority}"}}, "cleanupPeriodDays": 99}}\n')


@pytest.mark.parametrize("led", [in_the_shell, in_the_settings])
@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_the_api_is_reached_before_with_and_after(
    led: Any, protocol: str, laptop: Laptop, company: Certificates, ours: Certificates, collector: Collector
) -> None:
    led(laptop, company)
    settings = laptop.root / USER
    former = settings.read_bytes() if settings.exists() else None
    port = (collector.grpc if protocol == "grpc" else collector.http)["tls"]
    env = {
        **ON,
        "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"https://localhost:{port}",
        "CLAUDE_CODE_OTEL_SHUTDOWN_TIMEOUT_MS": "20000",
    }

    def session() -> str:
        found = laptop.ask()
        assert laptop.output.startswith("done"), laptop.output
        return found

    session()
    with ModuleCalls(laptop.environment()) as module:
        result = module.call({"env": env, "ca": ours.authority.read_text()}).result
        assert result["changed"], json.dumps(result)
        sent = session()
        assert counted(collector, sent, ALL) == ALL
        assert module.call({"state": "absent"}).result["changed"]
    after = session()
    assert (settings.read_bytes() if settings.exists() else None) == former
    assert collector.counts(after) == NONE


def test_without_the_bundle_the_api_would_be_lost(laptop: Laptop, company: Certificates, ours: Certificates) -> None:
    in_the_shell(laptop, company)
    laptop.settings(**{NODE: str(ours.authority)})
    laptop.ask()
    assert not laptop.output.startswith("done"), laptop.output
