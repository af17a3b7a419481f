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
from typing import NamedTuple
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
# Lists, whose items Claude Code takes without the blanks around them.
LISTS = ("OTEL_RESOURCE_ATTRIBUTES", "HEADERS", "EXPORTER")
TEMPORALITIES = ("delta", "lowmemory")
# The registered ports of OTLP, by the kind of protocol that does not speak there.
MIXED_UP = {"grpc": 4318, "http": 4317}
HEADERS = "OTEL_EXPORTER_OTLP_HEADERS"
SECRET = "authorization"
# Milliseconds a collector far away may well need to answer.
ENOUGH = 1000
HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
NOTHING = "Claude Code would then send nothing at all, and not say so"
# What becomes of a time of zero or less, where that is known.
AT_ZERO = {
    "OTEL_METRIC_EXPORT_INTERVAL": NOTHING,
    "CLAUDE_CODE_OTEL_SHUTDOWN_TIMEOUT_MS": "what a session has not sent when it ends would be lost",
}


@dataclass
class Findings:
    """`problems` lose telemetry or send it elsewhere; `warnings` are likely not what was meant. One sentence each."""

    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def lint(env: Mapping[str, str]) -> Findings:
    """Judge the variables of one block together. An empty value counts as not set, as it does for Claude Code."""
    blanks = list(_blanks(env))
    env = {name: value.strip() for name, value in env.items() if value.strip()}
    problems = [*_exporters(env), *_protocols(env), *_endpoints(env), *_headers(env), *_times(env)]
    problems += [*_temporality(env), *_flags(env), *_certificates(env)]
    warnings = [*_side_effects(env), *_plain(env), *_short_times(env), *_unknown(env)]
    # What is wrong with a variable for all signals may be found once by kind of protocol.
    return Findings(list(dict.fromkeys(blanks + problems)), warnings)


def protocol_of(env: Mapping[str, str], signal: str) -> str:
    """The protocol a signal is sent by."""
    general = env.get("OTEL_EXPORTER_OTLP_PROTOCOL", DEFAULT_PROTOCOL)
    return env.get(f"OTEL_EXPORTER_OTLP_{signal}_PROTOCOL", general)


class _Use(NamedTuple):
    """A variable, and the signals it counts for that go by one kind of protocol."""

    variable: str
    value: str
    kind: str
    signals: tuple[str, ...]

    @property
    def what(self) -> str:
        return " and ".join(self.signals).lower()


def _uses(env: Mapping[str, str], name: str) -> Iterator[_Use]:
    """The variable for all signals, once by kind of protocol, and those for one of them."""
    general = f"OTEL_EXPORTER_OTLP_{name}"
    own = {signal: f"OTEL_EXPORTER_OTLP_{signal}_{name}" for signal in SIGNALS}
    kinds: dict[str, list[str]] = {}
    for signal in SIGNALS:
        sent = signal != "TRACES" or "OTEL_TRACES_EXPORTER" in env
        # Headers of one signal come on top of the general ones; all else takes their place.
        if sent and (name == "HEADERS" or own[signal] not in env):
            kinds.setdefault(protocol_of(env, signal).partition("/")[0], []).append(signal)
    if general in env:
        for kind, signals in kinds.items():
            yield _Use(general, env[general], kind, tuple(signals))
    for signal, variable in own.items():
        if variable in env:
            yield _Use(variable, env[variable], protocol_of(env, signal).partition("/")[0], (signal,))


def _blanks(env: Mapping[str, str]) -> Iterator[str]:
    for variable, value in env.items():
        if variable in KNOWN and not variable.endswith(LISTS) and value != value.strip():
            yield f"{variable} has blanks around its value, which Claude Code does not always take off. Leave them out."


def _names(value: str) -> set[str]:
    return {name.strip() for name in value.split(",")} - {""}


def _exporters(env: Mapping[str, str]) -> Iterator[str]:
    for variable, allowed in EXPORTERS.items():
        if _names(env.get(variable, "")) - set(allowed):
            yield f"{variable} is {env[variable]}: {NOTHING}. Write {_or(allowed)}."


def _protocols(env: Mapping[str, str]) -> Iterator[str]:
    for scope in ("", *(f"{signal}_" for signal in SIGNALS)):
        variable = f"OTEL_EXPORTER_OTLP_{scope}PROTOCOL"
        if env.get(variable, DEFAULT_PROTOCOL) not in PROTOCOLS:
            yield f"{variable} is {env[variable]}: {NOTHING}. Write {_or(PROTOCOLS)}, in lower case."


def _endpoints(env: Mapping[str, str]) -> Iterator[str]:
    for use in _uses(env, "ENDPOINT"):
        variable, value = use.variable, use.value
        try:
            url = urlsplit(value)
            port = url.port
        except ValueError as error:
            yield f"{variable} is {value}, which is no URL: {error}."
            continue
        if re.search(r"\s", value) or not value.startswith(("http://", "https://")) or not url.hostname:
            yield (
                f"{variable} is {value!r}: without http:// or https:// in front, in lower case, or with blanks in it, "
                "Claude Code would send elsewhere (HTTP to localhost:4318) or nothing. Write the whole URL."
            )
            continue
        if port == MIXED_UP.get(use.kind):
            other = "4317 is the port of gRPC" if use.kind == "http" else "4318 is the port of HTTP"
            yield (
                f"{variable} is {value}, but the protocol of {use.what} is {use.kind}: {other}, and nothing would "
                "arrive. Change one of them."
            )
        if use.kind == "http":
            yield from _paths(use, url.path, bool(url.query or url.fragment))


def _paths(use: _Use, path: str, more: bool) -> Iterator[str]:
    """Over HTTP the general URL is a beginning, and that of one signal the whole."""
    general = use.variable == "OTEL_EXPORTER_OTLP_ENDPOINT"
    if general and (more or re.search(r"/v1/(metrics|logs|traces)/?$", path)):
        yield (
            f"{use.variable} is {use.value}: Claude Code puts /v1/metrics and so on behind it, and nothing would "
            "arrive. End it before /v1, ? and #."
        )
    elif not general and not path.endswith(f"/v1/{use.what}"):
        yield (
            f"{use.variable} is {use.value}: over HTTP this URL is used as it stands, and nothing would arrive. "
            f"End it in /v1/{use.what}, or set OTEL_EXPORTER_OTLP_ENDPOINT only."
        )


def _headers(env: Mapping[str, str]) -> Iterator[str]:
    # Secret: no value is shown.
    general = {name: text for name, _equals, text in _items(env.get(HEADERS, ""))}
    for use in _uses(env, "HEADERS"):
        variable, items = use.variable, _items(use.value)
        if any(not HEADER_NAME.fullmatch(name) or not equals for name, equals, _text in items):
            yield f"{variable} has an item that is not NAME=VALUE. A comma in a value is %2C, with gRPC only."
        elif use.kind == "http" and re.search(r"%[0-9A-Fa-f]{2}", use.value):
            yield (
                f"{variable} holds percent codes, which Claude Code decodes with gRPC only: over HTTP the collector "
                "would get them as they stand and refuse. Write the characters themselves."
            )
        elif use.kind == "grpc" and not use.value.isascii():
            yield f"{variable} holds characters beyond ASCII, and nothing would arrive. Write them as percent codes."
        for name, _equals, text in items:
            if use.kind == "http" and general.get(name, text) != text:
                yield (
                    f"{variable} sets {name}, and so does OTEL_EXPORTER_OTLP_HEADERS, which wins over HTTP. "
                    "Set it for each signal alone."
                )


def _items(headers: str) -> list[tuple[str, str, str]]:
    parts = [item.partition("=") for item in headers.split(",") if item.strip()]
    return [(name.strip(), equals, text.strip()) for name, equals, text in parts]


def _times(env: Mapping[str, str]) -> Iterator[str]:
    for variable in TIMES:
        value = env.get(variable, "1")
        if not re.fullmatch(r"[1-9]\d*", value):
            effect = "Claude Code may use another time"
            if re.fullmatch(r"-.+|0+(\.\d+)?", value):
                effect = AT_ZERO.get(variable, effect)
            yield f"{variable} is {value}: {effect}. Write whole milliseconds, such as 60000."


def _temporality(env: Mapping[str, str]) -> Iterator[str]:
    variable = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE"
    if env.get(variable, "delta").lower() not in TEMPORALITIES:
        yield (
            f"{variable} is {env[variable]}: running totals of several processes cannot be added up exactly, so they "
            "stay out of the dashboards. Leave it out, or write delta."
        )


def _flags(env: Mapping[str, str]) -> Iterator[str]:
    for variable in FLAGS:
        if variable in env and env[variable].lower() not in (*ON, *OFF):
            yield f"{variable} is {env[variable]}: write 1 or 0."


def _certificates(env: Mapping[str, str]) -> Iterator[str]:
    instead = {
        "CERTIFICATE": "NODE_EXTRA_CA_CERTS",
        "CLIENT_CERTIFICATE": "CLAUDE_CODE_CLIENT_CERT",
        "CLIENT_KEY": "CLAUDE_CODE_CLIENT_KEY",
    }
    for name, other in instead.items():
        for use in _uses(env, name):
            if use.kind == "http":
                yield f"{use.variable} has no effect over HTTP, and TLS would fail. Use {other}."


def _side_effects(env: Mapping[str, str]) -> Iterator[str]:
    enabled = env.get("CLAUDE_CODE_ENABLE_TELEMETRY", "").lower()
    if enabled in OFF:
        yield f"CLAUDE_CODE_ENABLE_TELEMETRY is {env['CLAUDE_CODE_ENABLE_TELEMETRY']}: no telemetry is sent."
    for variable in ("OTEL_METRICS_EXPORTER", "OTEL_LOGS_EXPORTER"):
        exporters = _names(env.get(variable, ""))
        what = "metrics" if "METRICS" in variable else "events"
        if enabled in ON and "otlp" not in exporters:
            yield f"{variable} is {env.get(variable, 'not set')}: no {what} are sent."
        if "console" in exporters:
            yield f"{variable} holds console, which prints telemetry among the answers of claude -p."
    if env.get("OTEL_METRICS_INCLUDE_SESSION_ID", "1").lower() in OFF:
        yield "Without OTEL_METRICS_INCLUDE_SESSION_ID sessions that report in one millisecond displace each other."
    if env.get("OTEL_METRICS_INCLUDE_RESOURCE_ATTRIBUTES", "1").lower() in OFF:
        yield "Without OTEL_METRICS_INCLUDE_RESOURCE_ATTRIBUTES metrics carry no attributes but developer and team."
    if "OTEL_SERVICE_NAME" in env:
        yield "OTEL_SERVICE_NAME has no effect here: the collector names the service after the client."
    if env.get("ENABLE_BETA_TRACING_DETAILED", "").lower() in ON and "BETA_TRACING_ENDPOINT" in env:
        yield f"BETA_TRACING_ENDPOINT takes all events along with traces: they go to {env['BETA_TRACING_ENDPOINT']}."
    if "OTEL_SDK_DISABLED" in env:
        yield "OTEL_SDK_DISABLED has no effect on Claude Code: CLAUDE_CODE_ENABLE_TELEMETRY turns telemetry off."


def _plain(env: Mapping[str, str]) -> Iterator[str]:
    """A credential that anybody on the way can read."""
    secret = {
        use.variable for use in _uses(env, "HEADERS") for name, *_rest in _items(use.value) if name.lower() == SECRET
    }
    for use in _uses(env, "ENDPOINT"):
        if secret and re.match(r"http://(?!(localhost|127\.[\d.]+|\[::1\])([:/]|$))", use.value):
            yield (
                f"{use.variable} is {use.value}: the credential in {' and '.join(sorted(secret))} goes there "
                "unencrypted. Use https://, or an agent on the laptop."
            )


def _short_times(env: Mapping[str, str]) -> Iterator[str]:
    for variable in TIMES:
        value = env.get(variable, "")
        limits = variable.endswith(("_TIMEOUT", "_SHUTDOWN_TIMEOUT_MS"))
        if limits and value.isdecimal() and 0 < int(value) < ENOUGH:
            yield f"{variable} is {value}: what the collector takes more milliseconds to accept may be lost."


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
