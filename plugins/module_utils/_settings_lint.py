# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Claude Code would make of its telemetry variables: it says nothing about a value it cannot use.

Seen with Claude Code 2.1.330, unless a variable is known from its documentation only.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

SIGNALS = ("METRICS", "LOGS", "TRACES")
PROTOCOLS = ("grpc", "http/protobuf", "http/json")
DEFAULT_PROTOCOL = "http/protobuf"
EXPORTERS = {
    "OTEL_METRICS_EXPORTER": ("otlp", "console", "prometheus", "none"),
    "OTEL_LOGS_EXPORTER": ("otlp", "console", "none"),
    "OTEL_TRACES_EXPORTER": ("otlp", "console", "none"),
}
ON = ("1", "true", "yes", "on")
OFF = ("0", "false", "no", "off")
FLAGS = (
    "CLAUDE_CODE_ENABLE_TELEMETRY",
    "CLAUDE_CODE_ENHANCED_TELEMETRY_BETA",
    "ENABLE_ENHANCED_TELEMETRY_BETA",
    "ENABLE_BETA_TRACING_DETAILED",
    "OTEL_SDK_DISABLED",
    "OTEL_METRICS_INCLUDE_SESSION_ID",
    "OTEL_METRICS_INCLUDE_ACCOUNT_UUID",
    "OTEL_METRICS_INCLUDE_RESOURCE_ATTRIBUTES",
    "OTEL_METRICS_INCLUDE_VERSION",
    "OTEL_METRICS_INCLUDE_ENTRYPOINT",
    "OTEL_METRICS_INCLUDE_REPOSITORY",
    "OTEL_LOG_USER_PROMPTS",
    "OTEL_LOG_TOOL_DETAILS",
    "OTEL_LOG_TOOL_CONTENT",
    "OTEL_LOG_ASSISTANT_RESPONSES",
    "OTEL_LOG_MANAGED_SETTINGS",
    "CLAUDE_CODE_OTEL_DIAG_STDERR",
    "CLAUDE_CODE_PROPAGATE_TRACEPARENT",
    "CLAUDE_CODE_ENABLE_FEEDBACK_SURVEY_FOR_OTEL",
)
# Milliseconds.
TIMES = (
    "OTEL_METRIC_EXPORT_INTERVAL",
    "OTEL_LOGS_EXPORT_INTERVAL",
    "OTEL_TRACES_EXPORT_INTERVAL",
    "OTEL_EXPORTER_OTLP_TIMEOUT",
    "CLAUDE_CODE_OTEL_SHUTDOWN_TIMEOUT_MS",
    "CLAUDE_CODE_OTEL_FLUSH_TIMEOUT_MS",
    "CLAUDE_CODE_OTEL_HEADERS_HELPER_DEBOUNCE_MS",
    *(f"OTEL_EXPORTER_OTLP_{signal}_TIMEOUT" for signal in SIGNALS),
)
OTHERS = (
    "BETA_TRACING_ENDPOINT",
    "OTEL_RESOURCE_ATTRIBUTES",
    "OTEL_SERVICE_NAME",
    "OTEL_LOG_RAW_API_BODIES",
    "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT",
    "CLAUDE_CODE_OTEL_CONTENT_MAX_LENGTH",
    "CLAUDE_CODE_CLIENT_CERT",
    "CLAUDE_CODE_CLIENT_KEY",
    "CLAUDE_CODE_CLIENT_KEY_PASSPHRASE",
    "CLAUDE_CODE_ACCOUNT_UUID",
    "CLAUDE_CODE_USER_EMAIL",
    "CLAUDE_CODE_ORGANIZATION_UUID",
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC",
    "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE",
)
# General, and for one signal alone.
OTLP = ("PROTOCOL", "ENDPOINT", "HEADERS", "COMPRESSION", "INSECURE", "CERTIFICATE", "CLIENT_CERTIFICATE", "CLIENT_KEY")
KNOWN = {
    *EXPORTERS,
    *FLAGS,
    *TIMES,
    *OTHERS,
    *(f"OTEL_EXPORTER_OTLP_{scope}{name}" for name in OTLP for scope in ("", *(f"{signal}_" for signal in SIGNALS))),
}
# The registered ports of OTLP, by the kind of protocol that does not speak there.
MIXED_UP = {"grpc": 4318, "http": 4317}
NOTHING = "Claude Code would then send nothing at all, and not say so"


@dataclass
class Findings:
    """`problems` lose telemetry or send it elsewhere; `warnings` are likely not what was meant. One sentence each."""

    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def lint(env: Mapping[str, str]) -> Findings:
    """Judge the variables of one block together. An empty value counts as not set, as it does for Claude Code."""
    env = {name: value for name, value in env.items() if value != ""}
    found = Findings()
    found.problems += [*_exporters(env), *_protocols(env), *_endpoints(env), *_headers(env), *_times(env)]
    found.problems += [*_temporality(env), *_flags(env), *_certificates(env)]
    found.warnings += [*_side_effects(env), *_unknown(env)]
    return found


def protocol_of(env: Mapping[str, str], signal: str) -> str:
    """The protocol a signal is sent by."""
    general = env.get("OTEL_EXPORTER_OTLP_PROTOCOL", DEFAULT_PROTOCOL)
    return env.get(f"OTEL_EXPORTER_OTLP_{signal}_PROTOCOL", general)


def _kind(protocol: str) -> str:
    return protocol.partition("/")[0]


def _scoped(env: Mapping[str, str], name: str) -> Iterator[tuple[str, str, str]]:
    """The variable for all signals and those for one of them, as (variable, value, kind of protocol)."""
    general = f"OTEL_EXPORTER_OTLP_{name}"
    if general in env:
        yield general, env[general], _kind(env.get("OTEL_EXPORTER_OTLP_PROTOCOL", DEFAULT_PROTOCOL))
    for signal in SIGNALS:
        variable = f"OTEL_EXPORTER_OTLP_{signal}_{name}"
        if variable in env:
            yield variable, env[variable], _kind(protocol_of(env, signal))


def _exporters(env: Mapping[str, str]) -> Iterator[str]:
    for variable, allowed in EXPORTERS.items():
        unknown = set(filter(None, env.get(variable, "").split(","))) - set(allowed)
        if unknown:
            yield f"{variable} is {env[variable]}: {NOTHING}. Write {_or(allowed)}."


def _protocols(env: Mapping[str, str]) -> Iterator[str]:
    for variable, value, _kind_of in _scoped(env, "PROTOCOL"):
        if value not in PROTOCOLS:
            yield f"{variable} is {value}: {NOTHING}. Write {_or(PROTOCOLS)}, in lower case."


def _endpoints(env: Mapping[str, str]) -> Iterator[str]:
    for variable, value, kind in _scoped(env, "ENDPOINT"):
        try:
            url = urlsplit(value)
            port = url.port
        except ValueError as error:
            yield f"{variable} is {value}, which is no URL: {error}."
            continue
        if re.search(r"\s", value) or url.scheme not in ("http", "https") or not url.hostname:
            yield (
                f"{variable} is {value!r}: without http:// or https:// in front, or with blanks in it, Claude Code "
                "would send elsewhere (HTTP to localhost:4318) or nothing. Write the whole URL."
            )
            continue
        if port == MIXED_UP.get(kind):
            other = "4317 is the port of gRPC" if kind == "http" else "4318 is the port of HTTP"
            yield (
                f"{variable} is {value}, but the protocol is {kind}: {other}, and nothing would arrive. "
                "Change one of them."
            )
        signal = variable.split("_")[3].lower()
        if kind == "http" and signal != "endpoint" and not url.path.endswith(f"/v1/{signal}"):
            yield (
                f"{variable} is {value}: over HTTP this URL is used as it stands, and nothing would arrive. "
                f"End it in /v1/{signal}, or set OTEL_EXPORTER_OTLP_ENDPOINT only."
            )


def _headers(env: Mapping[str, str]) -> Iterator[str]:
    # Secret: no value is shown.
    for variable, value, kind in _scoped(env, "HEADERS"):
        items = [item.partition("=") for item in value.split(",") if item.strip()]
        if any(not name.strip() or not equals for name, equals, _text in items):
            yield f"{variable} has an item that is not NAME=VALUE. A comma in a value is %2C, with gRPC only."
        elif kind == "http" and re.search(r"%[0-9A-Fa-f]{2}", value):
            yield (
                f"{variable} holds percent codes, which Claude Code decodes with gRPC only: over HTTP the collector "
                "would get them as they stand and refuse. Write the characters themselves."
            )


def _times(env: Mapping[str, str]) -> Iterator[str]:
    for variable in TIMES:
        if variable in env and not re.fullmatch(r"[1-9]\d*", env[variable]):
            effect = NOTHING if variable == "OTEL_METRIC_EXPORT_INTERVAL" else "Claude Code may use another time"
            yield f"{variable} is {env[variable]}: {effect}. Write whole milliseconds, such as 60000."


def _temporality(env: Mapping[str, str]) -> Iterator[str]:
    variable = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE"
    if env.get(variable, "delta") != "delta":
        yield (
            f"{variable} is {env[variable]}: running totals of several processes cannot be added up exactly, so they "
            "stay out of the dashboards. Leave it out, or write delta."
        )


def _flags(env: Mapping[str, str]) -> Iterator[str]:
    for variable in FLAGS:
        if variable in env and env[variable].lower() not in (*ON, *OFF):
            yield f"{variable} is {env[variable]}: write 1 or 0."


def _certificates(env: Mapping[str, str]) -> Iterator[str]:
    for name in ("CERTIFICATE", "CLIENT_CERTIFICATE", "CLIENT_KEY"):
        instead = {
            "CERTIFICATE": "NODE_EXTRA_CA_CERTS",
            "CLIENT_CERTIFICATE": "CLAUDE_CODE_CLIENT_CERT",
            "CLIENT_KEY": "CLAUDE_CODE_CLIENT_KEY",
        }[name]
        for variable, _path, kind in _scoped(env, name):
            if kind == "http":
                yield f"{variable} has no effect over HTTP, and TLS would fail. Use {instead}."


def _side_effects(env: Mapping[str, str]) -> Iterator[str]:
    enabled = env.get("CLAUDE_CODE_ENABLE_TELEMETRY", "").lower()
    if enabled in OFF:
        yield f"CLAUDE_CODE_ENABLE_TELEMETRY is {env['CLAUDE_CODE_ENABLE_TELEMETRY']}: no telemetry is sent."
    for variable in ("OTEL_METRICS_EXPORTER", "OTEL_LOGS_EXPORTER"):
        exporters = env.get(variable, "").split(",")
        what = "metrics" if "METRICS" in variable else "events"
        if enabled in ON and exporters in ([""], ["none"]):
            yield f"{variable} is {exporters[0] or 'not set'}: no {what} are sent."
        if "console" in exporters:
            yield f"{variable} holds console, which prints telemetry among the answers of claude -p."
    if env.get("OTEL_METRICS_INCLUDE_SESSION_ID", "1").lower() in OFF:
        yield "Without OTEL_METRICS_INCLUDE_SESSION_ID sessions that report in one millisecond displace each other."
    if env.get("OTEL_METRICS_INCLUDE_RESOURCE_ATTRIBUTES", "1").lower() in OFF:
        yield "Without OTEL_METRICS_INCLUDE_RESOURCE_ATTRIBUTES metrics carry no attributes but developer and team."
    if "OTEL_SERVICE_NAME" in env:
        yield "OTEL_SERVICE_NAME has no effect here: the collector names the service after the client."


def _unknown(env: Mapping[str, str]) -> Iterator[str]:
    for variable in env:
        if variable in KNOWN or not variable.startswith(("OTEL_", "CLAUDE_CODE_")):
            continue
        near = difflib.get_close_matches(variable, KNOWN, n=1, cutoff=0.85)
        # Claude Code has many variables that are none of telemetry's business.
        if near or variable.startswith("OTEL_"):
            yield f"Claude Code knows no variable {variable}" + (f". Is {near[0]} meant?" if near else ".")


def _or(words: tuple[str, ...]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}"
