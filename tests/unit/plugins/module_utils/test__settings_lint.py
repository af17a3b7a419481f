# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.claude_code.observability.plugins.module_utils._settings_lint import lint

GRPC = {
    "CLAUDE_CODE_ENABLE_TELEMETRY": "1",
    "OTEL_METRICS_EXPORTER": "otlp",
    "OTEL_LOGS_EXPORTER": "otlp",
    "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4317",
    "OTEL_METRIC_EXPORT_INTERVAL": "10000",
}
HTTP = {
    **GRPC,
    "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "https://collector.example.com:4318/",
    "OTEL_EXPORTER_OTLP_HEADERS": "Authorization=Bearer abc==",
}


@pytest.mark.parametrize(
    "env",
    [
        {},
        GRPC,
        HTTP,
        {**HTTP, "OTEL_EXPORTER_OTLP_PROTOCOL": ""},
        {**HTTP, "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "https://collector.example.com/v1/metrics"},
        {**GRPC, "OTEL_EXPORTER_OTLP_HEADERS": "Authorization=Bearer%20abc"},
        {**GRPC, "OTEL_EXPORTER_OTLP_CERTIFICATE": "/etc/ssl/ca.pem"},
        {**GRPC, "OTEL_METRICS_EXPORTER": "otlp,prometheus", "OTEL_LOG_TOOL_DETAILS": "TRUE"},
        {**GRPC, "OTEL_LOGS_EXPORTER": "otlp, none"},
        {**GRPC, "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": "DELTA"},
        {**GRPC, "CLAUDE_CODE_USE_BEDROCK": "1", "EDITOR": "vi "},
        {
            **{name: value for name, value in GRPC.items() if not name.endswith("PROTOCOL")},
            "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL": "grpc",
            "OTEL_EXPORTER_OTLP_LOGS_PROTOCOL": "grpc",
        },
        {**HTTP, "OTEL_EXPORTER_OTLP_METRICS_HEADERS": "Authorization=Bearer abc==,x=1"},
    ],
)
def test_what_claude_code_understands(env: dict[str, str]) -> None:
    found = lint(env)
    assert (found.problems, found.warnings) == ([], [])


@pytest.mark.parametrize(
    ("base", "variable", "value", "fix"),
    [
        (GRPC, "OTEL_EXPORTER_OTLP_PROTOCOL", "GRPC", "grpc, http/protobuf or http/json, in lower case"),
        (HTTP, "OTEL_EXPORTER_OTLP_PROTOCOL", "http", "grpc, http/protobuf or http/json"),
        (GRPC, "OTEL_EXPORTER_OTLP_LOGS_PROTOCOL", "https", "grpc, http/protobuf or http/json"),
        (GRPC, "OTEL_METRICS_EXPORTER", "oltp", "otlp, console, prometheus or none"),
        (GRPC, "OTEL_LOGS_EXPORTER", "prometheus", "otlp, console or none"),
        (GRPC, "OTEL_METRIC_EXPORT_INTERVAL", "0", "nothing at all, and not say so. Write whole milliseconds"),
        (GRPC, "OTEL_METRIC_EXPORT_INTERVAL", "0.5", "nothing at all, and not say so. Write whole milliseconds"),
        (GRPC, "OTEL_METRIC_EXPORT_INTERVAL", "10s", "another time. Write whole milliseconds"),
        (GRPC, "CLAUDE_CODE_OTEL_SHUTDOWN_TIMEOUT_MS", "-1", "would be lost. Write whole milliseconds"),
        (GRPC, "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", " delta", "Leave them out"),
        (GRPC, "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "http/json", "4317 is the port of gRPC"),
        (HTTP, "OTEL_EXPORTER_OTLP_LOGS_PROTOCOL", "grpc", "4318 is the port of HTTP"),
        (GRPC, "OTEL_EXPORTER_OTLP_ENDPOINT", "HTTP://localhost:4317", "in lower case"),
        (HTTP, "OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4318/v1/metrics", "End it before /v1"),
        (HTTP, "OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4318?team=1", "End it before /v1, ? and #"),
        (HTTP, "OTEL_EXPORTER_OTLP_HEADERS", "Authorization=Bearer abc,x y=1", "NAME=VALUE"),
        (GRPC, "OTEL_EXPORTER_OTLP_HEADERS", "x=café", "percent codes"),
        (HTTP, "OTEL_EXPORTER_OTLP_LOGS_HEADERS", "Authorization=Bearer other", "Set it for each signal alone"),
        (GRPC, "OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4317", "Write the whole URL"),
        (HTTP, "OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector.example.com :4318", "Write the whole URL"),
        (HTTP, "OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:x", "no URL"),
        (GRPC, "OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4318", "4318 is the port of HTTP"),
        (HTTP, "OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4317", "4317 is the port of gRPC"),
        (HTTP, "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://collector:4318", "End it in /v1/metrics"),
        (HTTP, "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "http://collector:4318/v1/metrics", "End it in /v1/logs"),
        (HTTP, "OTEL_EXPORTER_OTLP_HEADERS", "Authorization=Bearer%20abc", "Write the characters themselves"),
        (HTTP, "OTEL_EXPORTER_OTLP_HEADERS", "Authorization: Bearer abc", "NAME=VALUE"),
        (HTTP, "OTEL_EXPORTER_OTLP_CERTIFICATE", "/etc/ssl/ca.pem", "Use NODE_EXTRA_CA_CERTS"),
        (HTTP, "OTEL_EXPORTER_OTLP_METRICS_CLIENT_KEY", "/etc/ssl/key.pem", "Use CLAUDE_CODE_CLIENT_KEY"),
        (GRPC, "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "cumulative", "write delta"),
        (GRPC, "CLAUDE_CODE_ENABLE_TELEMETRY", "enabled", "write 1 or 0"),
    ],
)
def test_what_loses_telemetry_is_a_problem_that_names_variable_and_fix(
    base: dict[str, str], variable: str, value: str, fix: str
) -> None:
    (problem,) = lint({**base, variable: value}).problems
    # Of protocol and endpoint, which do not fit together, the endpoint is named.
    assert variable in problem or variable.endswith("S_PROTOCOL")
    assert fix in problem


@pytest.mark.parametrize(
    ("env", "warning"),
    [
        ({**GRPC, "CLAUDE_CODE_ENABLE_TELEMETRY": "0"}, "no telemetry is sent"),
        ({**GRPC, "OTEL_LOGS_EXPORTER": ""}, "no events are sent"),
        ({**GRPC, "OTEL_METRICS_EXPORTER": "none"}, "no metrics are sent"),
        ({**GRPC, "OTEL_METRICS_EXPORTER": "prometheus"}, "no metrics are sent"),
        ({**GRPC, "OTEL_LOGS_EXPORTER": "otlp,console"}, "claude -p"),
        (
            {**GRPC, "ENABLE_BETA_TRACING_DETAILED": "1", "BETA_TRACING_ENDPOINT": "http://traces:4318"},
            "they go to http://traces:4318",
        ),
        ({**HTTP, "OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost.example.com:4318"}, "goes there unencrypted"),
        ({**GRPC, "OTEL_SDK_DISABLED": "true"}, "CLAUDE_CODE_ENABLE_TELEMETRY turns"),
        ({**GRPC, "OTEL_EXPORTER_OTLP_TIMEOUT": "10"}, "may be lost"),
        ({**GRPC, "OTEL_METRICS_INCLUDE_SESSION_ID": "false"}, "displace each other"),
        ({**GRPC, "OTEL_METRICS_INCLUDE_RESOURCE_ATTRIBUTES": "0"}, "no attributes but developer and team"),
        ({**GRPC, "OTEL_SERVICE_NAME": "mine"}, "has no effect here"),
        ({**GRPC, "OTEL_METRICS_EXPORT_INTERVAL": "10000"}, "Is OTEL_METRIC_EXPORT_INTERVAL meant?"),
        ({**GRPC, "CLAUDE_CODE_ENABLE_TELEMETRI": "1"}, "Is CLAUDE_CODE_ENABLE_TELEMETRY meant?"),
        ({**GRPC, "OTEL_BLRP_SCHEDULE_DELAY": "1"}, "knows no variable OTEL_BLRP_SCHEDULE_DELAY."),
    ],
)
def test_what_is_likely_not_meant_is_warned_about(env: dict[str, str], warning: str) -> None:
    found = lint(env)
    assert found.problems == []
    assert [warning in text for text in found.warnings] == [True]


def test_no_header_shows() -> None:
    problems = lint({**HTTP, "OTEL_EXPORTER_OTLP_HEADERS": "Authorization: Bearer topsecret"}).problems
    assert problems and "topsecret" not in " ".join(problems)
