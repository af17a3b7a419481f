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
    """The model API, as one meets it where the company's network reads along: with a certificate of the company."""

    certificate = "tls"

    def __init__(self, company: Certificates) -> None:
        super().__init__()
        files = company.servers[self.certificate]
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._context.load_cert_chain(files.certificate, files.key)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._inside = urlsplit(self.url)
        self.port = self._listener.getsockname()[1]
        self.url = f"https://localhost:{self.port}"
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def shell(self) -> dict[str, str]:
        """What the company has everybody set."""
        return {}

    def close(self) -> None:
        self._listener.close()
        super().close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                taken, _address = self._listener.accept()
                threading.Thread(target=self._pass_on, args=(taken,), daemon=True).start()

    def _pass_on(self, taken: socket.socket) -> None:
        inside = (self._inside.hostname or "", self._inside.port or 0)
        with (
            contextlib.suppress(OSError),
            self._context.wrap_socket(taken, server_side=True) as outer,
            socket.create_connection(inside) as inner,
        ):
            threading.Thread(target=_copy, args=(inner, outer), daemon=True).start()
            _copy(outer, inner)


class Proxied(Inspected):
    """The same behind the company's proxy: there is no other way, for nobody knows the address of the API."""

    certificate = "other-name"

    def __init__(self, company: Certificates) -> None:
        super().__init__(company)
        self.url = "https://elsewhere.example.com"
        self.asked_for: set[str] = set()

    @property
    def shell(self) -> dict[str, str]:
        return {"HTTPS_PROXY": f"http://127.0.0.1:{self.port}", "NO_PROXY": "localhost"}

    def _pass_on(self, taken: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head and (byte := taken.recv(1)):
            head += byte
        if (asked := head.split())[:1] == [b"CONNECT"]:
            self.asked_for.add(asked[1].decode())
            taken.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            super()._pass_on(taken)


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
def network(request: pytest.FixtureRequest, company: Certificates) -> Iterator[Inspected]:
    api: Inspected = getattr(request, "param", Inspected)(company)
    yield api
    api.close()


@pytest.fixture
def laptop(network: Inspected, claude: Path, tmp_path: Path) -> Laptop:
    return Laptop(tmp_path / "laptop", claude, network)


def in_the_shell(laptop: Laptop, variables: dict[str, str]) -> None:
    exports = "".join(f"export {name}={value}\n" for name, value in variables.items())
    laptop.terminal.update(variables)
    laptop.write("home/.bashrc", exports)
    laptop.write("home/.profile", f". ~/.bashrc\n{exports}")


def in_the_settings(laptop: Laptop, variables: dict[str, str]) -> None:
    laptop.write(USER, f'{{"env":{json.dumps(variables, separators=(" ,", ":"))}, "cleanupPeriodDays": 99}}\n')


@pytest.mark.parametrize("network", [Inspected, Proxied], indirect=True)
@pytest.mark.parametrize("led", [in_the_shell, in_the_settings])
@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_the_api_is_reached_before_with_and_after(
    led: Any,
    protocol: str,
    network: Inspected,
    laptop: Laptop,
    company: Certificates,
    ours: Certificates,
    collector: Collector,
) -> None:
    led(laptop, {NODE: str(company.authority), **network.shell})
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
    assert not isinstance(network, Proxied) or network.asked_for == {"elsewhere.example.com:443"}


def test_without_the_bundle_the_api_would_be_lost(laptop: Laptop, company: Certificates, ours: Certificates) -> None:
    in_the_shell(laptop, {NODE: str(company.authority)})
    laptop.settings(**{NODE: str(ours.authority)})
    laptop.ask()
    assert not laptop.output.startswith("done"), laptop.output
