# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.claude_code.observability.plugins.module_utils._doctor_targets import exporters, target_of

GRPC = {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}
PREFIX = "OTEL_EXPORTER_OTLP_"


@pytest.mark.parametrize(
    ("env", "url"),
    [
        ({}, "http://localhost:4318/v1/metrics"),
        ({"ENDPOINT": "http://c:4318"}, "http://c:4318/v1/metrics"),
        ({"ENDPOINT": " http://c:4318/x/"}, "http://c:4318/x/v1/metrics"),
        ({"ENDPOINT": "http://c", "METRICS_ENDPOINT": "http://m/p "}, "http://m/p"),
        ({"ENDPOINT": "http://c", "METRICS_ENDPOINT": "m:4318/p"}, "http://c/v1/metrics"),
        ({"PROTOCOL": "grpc"}, "http://localhost:4317"),
        ({"PROTOCOL": "grpc", "ENDPOINT": " http://c:4317 "}, "http://c:4317"),
        ({"PROTOCOL": "grpc", "ENDPOINT": "c:4317"}, "https://c:4317"),
        ({"PROTOCOL": "grpc", "ENDPOINT": "c:4317", "INSECURE": "true"}, "http://c:4317"),
        ({"METRICS_PROTOCOL": "grpc", "ENDPOINT": "http://c:4318"}, "http://c:4318"),
    ],
)
def test_where_metrics_go(env: dict[str, str], url: str) -> None:
    target = target_of({PREFIX + name: value for name, value in env.items()}, "metrics")
    assert (target.url, target.malformed) == (url, "")


@pytest.mark.parametrize(
    ("env", "variable"),
    [
        ({"ENDPOINT": "c:4318"}, "ENDPOINT"),
        ({"ENDPOINT": "http://c:4318 "}, "ENDPOINT"),
        ({"ENDPOINT": "ftp://c"}, "ENDPOINT"),
        ({"ENDPOINT": "http://c:port"}, "ENDPOINT"),
        ({"ENDPOINT": "http://c", "METRICS_ENDPOINT": "http://m /v1/metrics"}, "METRICS_ENDPOINT"),
        ({"PROTOCOL": "grpc", "ENDPOINT": "http://c d:4317"}, "ENDPOINT"),
    ],
)
def test_an_address_the_client_can_not_use(env: dict[str, str], variable: str) -> None:
    target = target_of({PREFIX + name: value for name, value in env.items()}, "metrics")
    assert target.malformed == PREFIX + variable


def test_headers_are_decoded_for_grpc_only() -> None:
    headers = {"OTEL_EXPORTER_OTLP_HEADERS": "a=x%20y, b = 1", "OTEL_EXPORTER_OTLP_METRICS_HEADERS": "b=2"}
    assert target_of({**headers, **GRPC}, "metrics").headers == (("a", "x y"), ("b", "2"))
    assert target_of(headers, "logs").headers == (("a", "x%20y"), ("b", "1"))


def test_files_of_the_two_protocols() -> None:
    env = {"NODE_EXTRA_CA_CERTS": "n", "OTEL_EXPORTER_OTLP_LOGS_CERTIFICATE": "l", "OTEL_EXPORTER_OTLP_CLIENT_KEY": "k"}
    found = [target_of({**env, **more}, signal) for more in ({}, GRPC) for signal in ("metrics", "logs")]
    assert [(one.authority, one.key) for one in found] == [("n", ""), ("n", ""), ("n", "k"), ("l", "k")]


def test_no_credential_is_shown() -> None:
    assert target_of({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://ada:word@c:1"}, "logs").shown == "http://c:1/v1/logs"


def test_exporters_are_a_list() -> None:
    assert exporters({"OTEL_LOGS_EXPORTER": " otlp ,console,"}, "logs") == ["otlp", "console"]
