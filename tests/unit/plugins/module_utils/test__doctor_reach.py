# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import socket
import threading

import pytest
from ansible_collections.claude_code.observability.plugins.module_utils._doctor_reach import proxy_for, reach
from ansible_collections.claude_code.observability.plugins.module_utils._doctor_targets import target_of

AWAY = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector.example.com:4318"}
OVER_TLS = {"OTEL_EXPORTER_OTLP_ENDPOINT": "https://collector.example.com:4318"}
PROXIES = {"HTTP_PROXY": "http://plain:1", "HTTPS_PROXY": "http://tls:2"}


@pytest.mark.parametrize(
    ("env", "proxy"),
    [
        (AWAY, ""),
        ({**AWAY, **PROXIES}, "http://plain:1"),
        ({**OVER_TLS, **PROXIES}, "http://tls:2"),
        ({**AWAY, **PROXIES, "http_proxy": "lower:3"}, "http://lower:3"),
        ({**AWAY, **PROXIES, "NO_PROXY": "other.org, .example.com"}, ""),
        ({**AWAY, **PROXIES, "NO_PROXY": "*"}, ""),
        ({**PROXIES, "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.9:4318"}, ""),
        ({**PROXIES, "OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318"}, ""),
        ({**AWAY, **PROXIES, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, ""),
    ],
)
def test_when_a_proxy_is_used(env: dict[str, str], proxy: str) -> None:
    assert proxy_for(target_of(env, "metrics"), env) == proxy


@pytest.mark.parametrize(
    ("env", "first_line", "answer"),
    [
        (AWAY, b"POST http://collector.example.com:4318/v1/logs HTTP/1.1", b"200 OK"),
        (OVER_TLS, b"CONNECT collector.example.com:4318 HTTP/1.1", b"407 No"),
    ],
)
def test_the_proxy_gets_its_credential(env: dict[str, str], first_line: bytes, answer: bytes) -> None:
    received = bytearray()

    def serve(listener: socket.socket) -> None:
        opened, _address = listener.accept()
        with opened:
            while b"\r\n\r\n" not in received:
                received.extend(opened.recv(4096))
            opened.sendall(b"HTTP/1.1 " + answer + b"\r\nContent-Length: 0\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        proxy = f"http://ada:w%20d@127.0.0.1:{listener.getsockname()[1]}"
        env = {**env, "HTTP_PROXY": proxy, "HTTPS_PROXY": proxy}
        reached = reach(target_of(env, "logs"), env)
        thread.join()
    assert received.startswith(first_line)
    assert b"\r\nProxy-Authorization: Basic YWRhOncgZA==\r\n" in received
    assert reached.cause == ("" if answer == b"200 OK" else "proxy")
    assert "w%20d" not in reached.detail
