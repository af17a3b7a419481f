# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Telemetry variables, what the linter says of them, and what the real client makes of them. All of it, once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import EllipsisType

from tests.client.telemetry_bench import TOKEN

GRPC = {
    "CLAUDE_CODE_ENABLE_TELEMETRY": "1",
    "OTEL_METRICS_EXPORTER": "otlp",
    "OTEL_LOGS_EXPORTER": "otlp",
    "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4317",
    "OTEL_METRIC_EXPORT_INTERVAL": "10000",
}
HTTP = GRPC | {"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318"}
BASES = {"grpc": GRPC, "http": HTTP}

Value = str | EllipsisType | None
Values = Mapping[str, Value]
# Which receiver gets a signal.
ALL = {"metrics": "plain", "logs": "plain"}
METRICS, LOGS = {"metrics": "plain"}, {"logs": "plain"}
NOTHING: dict[str, str] = {}


@dataclass(frozen=True)
class Case:
    """Changes to a good block, and what comes of them."""

    base: str
    # An empty value takes a variable out.
    changes: Mapping[str, str]
    arrives: Mapping[str, str]
    # What the refusal tells to do, or the warning says. Each names the variable, the first of the changes unless given.
    refused: str = ""
    warned: str = ""
    names: str = ""
    # Attributes of the resource, of every datapoint, of the events that have them: a value, ... for any, None for none.
    resource: Values = field(default_factory=dict)
    points: Values = field(default_factory=dict)
    events: Values = field(default_factory=dict)
    temporality: int = 1
    output: str = "the answer"

    @property
    def env(self) -> dict[str, str]:
        return {**BASES[self.base], **self.changes}

    def __str__(self) -> str:
        return " ".join([self.base, *(f"{name}={value}" for name, value in self.changes.items())])


def otlp(**changes: str) -> dict[str, str]:
    """Variables of the exporter without their long common beginning."""
    return {f"OTEL_EXPORTER_OTLP_{name}": value for name, value in changes.items()}


def attributes(value: str) -> dict[str, str]:
    """This list of resource attributes."""
    return {"OTEL_RESOURCE_ATTRIBUTES": value}


PROTOCOLS = "Write grpc, http/protobuf or http/json, in lower case"
WHOLE = "Write whole milliseconds"
URL = "Write the whole URL"
# What is set up before the traces goes on at its intervals, but is not sent at the end of a session.
RARELY = {"OTEL_METRIC_EXPORT_INTERVAL": "600000", "OTEL_LOGS_EXPORT_INTERVAL": "600000"}
BETA = {"CLAUDE_CODE_ENHANCED_TELEMETRY_BETA": "1", "OTEL_TRACES_EXPORTER": "otlp"}
WITH_TRACES = ALL | {"traces": "plain"}
OTHER = "http://localhost:34318/base"
TLS = {"grpc": "https://localhost:14317", "http": "https://localhost:14318"}
OVER_TLS = {"metrics": "tls", "logs": "tls"}
BEHIND_TOKEN = {"grpc": "http://localhost:24317", "http": "http://localhost:24318"}
LET_IN = {"metrics": "token", "logs": "token"}
KEPT: dict[str, Value] = {"b": "2"}
PROMPT_AND_ANSWER = {"prompt": "the prompt", "response": "the answer"}
REDACTED = {"prompt": "<REDACTED>", "response": "<REDACTED>"}
CONTENT = [
    f"OTEL_LOG_{name}"
    for name in ("USER_PROMPTS", "ASSISTANT_RESPONSES", "TOOL_DETAILS", "TOOL_CONTENT", "RAW_API_BODIES")
]


def token(base: str, **headers: str) -> dict[str, str]:
    """These headers, sent to the receiver that asks for a token."""
    return otlp(**headers, ENDPOINT=BEHIND_TOKEN[base])


def dropped(item: str, fix: str, resource: str | None, name: str = "org") -> Case:
    """An item that reaches neither datapoints nor events, at best the resource. The one behind it does."""
    nowhere = KEPT | {name: None}
    return Case(
        "grpc",
        attributes(f"{item},b=2"),
        ALL,
        fix,
        names=name,
        resource=KEPT | {name: resource},
        points=nowhere,
        events=nowhere,
    )


REFUSED = [
    # All telemetry off.
    Case("grpc", {"OTEL_METRICS_EXPORTER": "oltp"}, NOTHING, "Write otlp, console, prometheus or none"),
    Case("http", {"OTEL_METRICS_EXPORTER": "OTLP"}, NOTHING, "Write otlp, console, prometheus or none"),
    Case("grpc", {"OTEL_LOGS_EXPORTER": "prometheus"}, NOTHING, "Write otlp, console or none"),
    Case(
        "grpc", {**BETA, "OTEL_TRACES_EXPORTER": "oltp", **RARELY}, NOTHING, "Write otlp, console", names="OTEL_TRACES"
    ),
    Case("grpc", otlp(PROTOCOL="GRPC"), NOTHING, PROTOCOLS),
    Case("http", otlp(PROTOCOL="http"), NOTHING, PROTOCOLS),
    Case("http", otlp(LOGS_PROTOCOL="https"), NOTHING, PROTOCOLS),
    Case("http", otlp(TRACES_PROTOCOL="json") | BETA | RARELY, NOTHING, PROTOCOLS),
    Case("grpc", {"OTEL_METRIC_EXPORT_INTERVAL": "0"}, NOTHING, f"nothing at all, and not say so. {WHOLE}"),
    Case("http", {"OTEL_METRIC_EXPORT_INTERVAL": "-5"}, NOTHING, f"nothing at all, and not say so. {WHOLE}"),
    Case("grpc", {"OTEL_METRIC_EXPORT_INTERVAL": "0.5"}, NOTHING, f"nothing at all, and not say so. {WHOLE}"),
    Case("grpc", {"CLAUDE_CODE_ENABLE_TELEMETRY": "enabled"}, NOTHING, "write 1 or 0"),
    Case("grpc", {"CLAUDE_CODE_ENABLE_TELEMETRY": "2"}, NOTHING, "write 1 or 0"),
    # To another place, or to none.
    Case("grpc", otlp(ENDPOINT="localhost:4317"), NOTHING, URL),
    Case("http", otlp(ENDPOINT="localhost:34318/base"), NOTHING, URL),
    Case("http", otlp(ENDPOINT="//localhost:34318/base"), ALL, URL),
    Case("http", otlp(ENDPOINT="collector"), ALL, URL),
    Case("http", otlp(ENDPOINT="http://localhost :34318/base"), ALL, URL),
    Case("grpc", otlp(ENDPOINT="http://localhost :34317"), NOTHING, URL),
    Case("grpc", otlp(ENDPOINT="HTTP://localhost:4317"), NOTHING, "in lower case"),
    Case("grpc", otlp(ENDPOINT="grpc://localhost:4317"), NOTHING, URL),
    Case("http", otlp(ENDPOINT="ftp://localhost:4318"), NOTHING, URL),
    Case("http", otlp(ENDPOINT="http://localhost:port"), ALL, "which is no URL"),
    Case("grpc", otlp(ENDPOINT="http://localhost:4318"), NOTHING, "4318 is the port of HTTP"),
    Case("http", otlp(ENDPOINT="http://localhost:4317"), NOTHING, "4317 is the port of gRPC"),
    Case("grpc", otlp(METRICS_PROTOCOL="http/protobuf"), LOGS, "protocol of metrics is http", names="OTLP_ENDPOINT"),
    Case("http", otlp(LOGS_PROTOCOL="grpc"), METRICS, "protocol of logs is grpc", names="OTLP_ENDPOINT"),
    Case("http", otlp(ENDPOINT="http://localhost:4318/v1/metrics"), NOTHING, "End it before /v1"),
    Case("http", otlp(ENDPOINT="http://localhost:4318?team=1"), NOTHING, "End it before /v1, ? and #"),
    Case("http", otlp(METRICS_ENDPOINT="http://localhost:4318"), LOGS, "End it in /v1/metrics"),
    Case("http", otlp(METRICS_ENDPOINT="http://localhost:4318/v1/metrics/"), LOGS, "End it in /v1/metrics"),
    Case("http", otlp(LOGS_ENDPOINT="http://localhost:4318/v1/metrics"), METRICS, "End it in /v1/logs"),
    # The collector refuses it.
    Case("http", token("http", HEADERS=f"Authorization=Bearer%20{TOKEN}"), NOTHING, "Write the characters themselves"),
    Case("http", token("http", HEADERS=f"Authorization: Bearer {TOKEN}"), NOTHING, "NAME=VALUE"),
    Case("grpc", token("grpc", HEADERS=f"Authorization: Bearer {TOKEN}"), NOTHING, "NAME=VALUE"),
    Case("http", token("http", HEADERS=f"Authorization=Bearer {TOKEN},x y=1"), NOTHING, "NAME=VALUE"),
    Case("grpc", token("grpc", HEADERS=f"Authorization=Bearer {TOKEN},x y=1"), NOTHING, "NAME=VALUE"),
    Case("grpc", token("grpc", HEADERS=f"Authorization=Bearer {TOKEN},x=café"), NOTHING, "as percent codes"),
    Case(
        "http",
        token("http", METRICS_HEADERS=f"Authorization=Bearer {TOKEN}", HEADERS="Authorization=Bearer other"),
        NOTHING,
        "wins over HTTP. Set it for each signal alone",
    ),
    Case("http", otlp(CERTIFICATE="{ca}", ENDPOINT=TLS["http"]), NOTHING, "Use NODE_EXTRA_CA_CERTS"),
    Case("http", otlp(METRICS_CERTIFICATE="{ca}", ENDPOINT=TLS["http"]), NOTHING, "Use NODE_EXTRA_CA_CERTS"),
    # It arrives, but not as it was meant.
    Case("grpc", {"OTEL_METRIC_EXPORT_INTERVAL": "10s"}, ALL, f"may use another time. {WHOLE}"),
    Case("grpc", {"OTEL_METRIC_EXPORT_INTERVAL": "never"}, ALL, f"may use another time. {WHOLE}"),
    Case("grpc", {"OTEL_LOGS_EXPORT_INTERVAL": "0"}, ALL, f"may use another time. {WHOLE}"),
    Case("grpc", otlp(TIMEOUT="10s"), ALL, f"may use another time. {WHOLE}"),
    Case("grpc", otlp(METRICS_TEMPORALITY_PREFERENCE="cumulative"), ALL, "or write delta", temporality=2),
    Case("grpc", otlp(METRICS_TEMPORALITY_PREFERENCE="detla"), ALL, "or write delta", temporality=2),
    Case("grpc", otlp(METRICS_TEMPORALITY_PREFERENCE=" delta"), ALL, "has blanks around its value", temporality=2),
    Case("grpc", otlp(PROTOCOL=" "), NOTHING, "has blanks around its value"),
    Case("grpc", {"OTEL_LOG_USER_PROMPTS": "enabled"}, ALL, "write 1 or 0", events=REDACTED),
    Case("grpc", {"OTEL_METRICS_INCLUDE_SESSION_ID": "y"}, ALL, "write 1 or 0", points={"session.id": None}),
    dropped("org=My Company", "Percent-encode it: My%20Company", "My Company"),
    dropped('org="a b"', "Percent-encode it: %22a%20b%22", '"a b"'),
    dropped("org=café", "Percent-encode it: caf%C3%A9", "café"),
    dropped("org=a\\b", "Percent-encode it: a%5Cb", "a\\b"),
    dropped("org=x=y", "Percent-encode it: x%3Dy", None),
    dropped("org=1;b=2;c=3", "Percent-encode it: 1%3Bb%3D2%3Bc%3D3", None),
    dropped("org=%zz", "Percent-encode it: %25zz", None),
    dropped("org=%FF", "is not UTF-8 once its percent codes are resolved", None),
    dropped("my org=a", "may hold only ASCII letters, digits and _ . - /", "a", "my org"),
    dropped("org", "has no '='", None),
    Case("grpc", attributes("org=,b=2"), ALL, "give it one", names="org", points={"org": ""}),
    Case("grpc", attributes('org="a",b=2'), ALL, "%22a%22", names="org", resource={"org": '"a"'}, points={"org": "a"}),
]

WARNED = [
    *(
        Case("grpc", {"CLAUDE_CODE_ENABLE_TELEMETRY": off}, NOTHING, warned="no telemetry is sent")
        for off in ("0", "false", "no", "off")
    ),
    Case("grpc", {"OTEL_METRICS_EXPORTER": ""}, LOGS, warned="is not set: no metrics are sent"),
    Case("http", {"OTEL_METRICS_EXPORTER": "none"}, LOGS, warned="is none: no metrics are sent"),
    Case("grpc", {"OTEL_METRICS_EXPORTER": ","}, LOGS, warned="is ,: no metrics are sent"),
    Case("grpc", {"OTEL_METRICS_EXPORTER": "prometheus"}, LOGS, warned="is prometheus: no metrics are sent"),
    Case("grpc", {"OTEL_LOGS_EXPORTER": ""}, METRICS, warned="is not set: no events are sent"),
    Case("http", {"OTEL_LOGS_EXPORTER": "none"}, METRICS, warned="is none: no events are sent"),
    Case(
        "grpc", {"OTEL_METRICS_EXPORTER": "otlp,console"}, ALL, warned="among the answers", output="claude_code.token"
    ),
    Case("grpc", {"OTEL_LOGS_EXPORTER": "otlp,console"}, ALL, warned="among the answers", output="claude_code.api_req"),
    Case(
        "grpc",
        {"OTEL_METRICS_INCLUDE_SESSION_ID": "false"},
        ALL,
        warned="displace each other",
        points={"session.id": None},
        events={"session.id": None},
    ),
    Case(
        "grpc",
        {"OTEL_METRICS_INCLUDE_RESOURCE_ATTRIBUTES": "0"} | attributes("org=a"),
        ALL,
        warned="metrics carry no attributes",
        resource={"org": "a"},
        points={"org": None},
    ),
    Case("grpc", {"OTEL_SERVICE_NAME": "x"}, ALL, warned="has no effect here", resource={"service.name": "x"}),
    Case("grpc", {"OTEL_SDK_DISABLED": "true"}, ALL, warned="CLAUDE_CODE_ENABLE_TELEMETRY turns telemetry off"),
    Case("grpc", otlp(TIMEOUT="1"), NOTHING, warned="may be lost"),
    Case("grpc", otlp(METRICS_TIMEOUT="1"), LOGS, warned="may be lost"),
    Case(
        "grpc",
        {"CLAUDE_CODE_ENABLE_TELEMETRI": "1", "CLAUDE_CODE_ENABLE_TELEMETRY": ""},
        NOTHING,
        warned="Is CLAUDE_CODE_ENABLE_TELEMETRY meant?",
    ),
    Case(
        "grpc",
        {"BETA_TRACING_ENDPOINT": OTHER, "ENABLE_BETA_TRACING_DETAILED": "1"},
        {"metrics": "plain", "logs": "other", "traces": "other"},
        warned="takes all events along with traces",
    ),
    Case("grpc", {"OTEL_BLRP_SCHEDULE_DELAY": "1"}, ALL, warned="knows no variable"),
]

ACCEPTED = [
    Case("grpc", {}, ALL, points={"session.id": ..., "app.version": None}, events=REDACTED),
    Case("http", {}, ALL, points={"session.id": ...}, events=REDACTED),
    Case("http", otlp(PROTOCOL="http/json"), ALL),
    Case("http", otlp(PROTOCOL=""), ALL),
    *(Case("grpc", {"CLAUDE_CODE_ENABLE_TELEMETRY": on}, ALL) for on in ("true", "TRUE", "yes", "on")),
    Case("grpc", {"OTEL_METRICS_EXPORTER": "otlp, none"}, ALL),
    Case("http", {"OTEL_METRICS_EXPORTER": "otlp,prometheus"}, ALL),
    Case("http", {"OTEL_METRIC_EXPORT_INTERVAL": "60000", "OTEL_LOGS_EXPORT_INTERVAL": "1000"}, ALL),
    Case("grpc", {"OTEL_METRIC_EXPORT_INTERVAL": ""}, ALL),
    Case("http", {"CLAUDE_CODE_OTEL_SHUTDOWN_TIMEOUT_MS": "20000"} | otlp(TIMEOUT="20000"), ALL),
    *(Case(base, otlp(COMPRESSION=way), ALL) for base in ("grpc", "http") for way in ("gzip", "none")),
    Case("grpc", otlp(INSECURE="true"), ALL),
    *(Case("grpc", otlp(METRICS_TEMPORALITY_PREFERENCE=way), ALL) for way in ("delta", "DELTA", "lowmemory")),
    Case("grpc", {"CLAUDE_CODE_OTEL_DIAG_STDERR": "1", "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1"}, ALL),
    # Endpoints.
    Case("grpc", otlp(ENDPOINT=""), ALL),
    Case("http", otlp(ENDPOINT=""), ALL),
    Case("grpc", otlp(ENDPOINT="http://127.0.0.1:4317/"), ALL),
    Case("http", otlp(ENDPOINT="http://127.0.0.1:4318/"), ALL),
    Case("grpc", otlp(ENDPOINT="http://localhost:34317/some/path"), {"metrics": "other", "logs": "other"}),
    Case("http", otlp(ENDPOINT=OTHER), {"metrics": "other", "logs": "other"}),
    Case("http", otlp(ENDPOINT=f"{OTHER}/"), {"metrics": "other", "logs": "other"}),
    Case("http", otlp(METRICS_ENDPOINT=f"{OTHER}/v1/metrics"), {"metrics": "other", "logs": "plain"}),
    Case("http", otlp(METRICS_ENDPOINT=f"{OTHER}/v1/metrics?team=1"), {"metrics": "other", "logs": "plain"}),
    Case("http", otlp(LOGS_ENDPOINT=f"{OTHER}/v1/logs", ENDPOINT=""), {"metrics": "plain", "logs": "other"}),
    Case("grpc", otlp(METRICS_ENDPOINT="http://localhost:34317"), {"metrics": "other", "logs": "plain"}),
    Case("grpc", otlp(METRICS_PROTOCOL="http/json", METRICS_ENDPOINT="http://localhost:4318/v1/metrics"), ALL),
    Case("grpc", otlp(PROTOCOL="", METRICS_PROTOCOL="grpc", LOGS_PROTOCOL="grpc"), ALL),
    # Secrets and certificates.
    Case("grpc", token("grpc", HEADERS=f"Authorization=Bearer%20{TOKEN}"), LET_IN),
    Case("grpc", token("grpc", HEADERS=f"Authorization=Bearer {TOKEN},x=a=b"), LET_IN),
    Case("http", token("http", HEADERS=f" Authorization = Bearer {TOKEN} ,x=a=b"), LET_IN),
    Case("http", token("http", METRICS_HEADERS=f"Authorization=Bearer {TOKEN}"), {"metrics": "token"}),
    Case(
        "http",
        otlp(ENDPOINT="http://0.0.0.0:24318", HEADERS=f"Authorization=Bearer {TOKEN}"),
        LET_IN,
        warned="goes there unencrypted. Use https://, or an agent on the laptop.",
    ),
    Case(
        "grpc",
        token("grpc", HEADERS="Authorization=Bearer other", METRICS_HEADERS=f"Authorization=Bearer {TOKEN}"),
        {"metrics": "token"},
    ),
    *(Case(base, {"NODE_EXTRA_CA_CERTS": "{ca}"} | otlp(ENDPOINT=TLS[base]), OVER_TLS) for base in ("grpc", "http")),
    Case("grpc", otlp(CERTIFICATE="{ca}", ENDPOINT=TLS["grpc"]), OVER_TLS),
    Case("grpc", otlp(METRICS_CERTIFICATE="{ca}", ENDPOINT=TLS["grpc"]), {"metrics": "tls"}),
    # Resource attributes.
    *(
        Case("grpc", attributes(f"org={item},b=2"), ALL, resource=seen, points=seen, events=seen)
        for item, seen in [
            ("a", KEPT | {"org": "a"}),
            ("John%20Doe", KEPT | {"org": "John Doe"}),
            ("caf%C3%A9", KEPT | {"org": "café"}),
            ("%22a%3Db%2C%22", KEPT | {"org": '"a=b,"'}),
            ("!#$&'()*+-./:<>?@[]^_`{|}~", KEPT | {"org": "!#$&'()*+-./:<>?@[]^_`{|}~"}),
        ]
    ),
    Case("http", attributes(" org = a ,, b = 2 "), ALL, points=KEPT | {"org": "a"}, events=KEPT | {"org": "a"}),
    # What leaves the host.
    Case("grpc", {"OTEL_LOG_USER_PROMPTS": "1"}, ALL, events=PROMPT_AND_ANSWER),
    Case("http", {"OTEL_LOG_USER_PROMPTS": "true"}, ALL, events=PROMPT_AND_ANSWER),
    Case("grpc", {"OTEL_LOG_USER_PROMPTS": "0"}, ALL, events=REDACTED),
    Case(
        "grpc",
        {"OTEL_LOG_USER_PROMPTS": "1", "OTEL_LOG_ASSISTANT_RESPONSES": "0"},
        ALL,
        events=PROMPT_AND_ANSWER | {"response": "<REDACTED>"},
    ),
    Case("grpc", {"OTEL_LOG_ASSISTANT_RESPONSES": "1"}, ALL, events=REDACTED | {"response": "the answer"}),
    Case("grpc", {"OTEL_LOG_TOOL_DETAILS": "1"}, ALL, events=REDACTED | {"tool_input": ...}),
    Case("grpc", {"OTEL_LOG_TOOL_CONTENT": "1"}, ALL, events=REDACTED | {"tool_input": None}),
    Case("grpc", {"OTEL_LOG_RAW_API_BODIES": "1"}, ALL, events=REDACTED | {"body": ...}),
    Case("grpc", {"OTEL_LOG_MANAGED_SETTINGS": "1"}, ALL, events=REDACTED),
    # As the role closes them.
    Case("grpc", dict.fromkeys(CONTENT, "0"), ALL, events=REDACTED | {"tool_input": None, "body": None}),
    Case(
        "grpc",
        {"OTEL_METRICS_INCLUDE_VERSION": "1", "OTEL_METRICS_INCLUDE_ENTRYPOINT": "true"},
        ALL,
        points={"app.version": ..., "app.entrypoint": "sdk-cli"},
    ),
    Case("grpc", {"CLAUDE_CODE_USER_EMAIL": "ada@example.com"}, ALL, points={"user.email": None}),
    # Traces.
    Case("grpc", BETA, WITH_TRACES),
    Case("http", {"ENABLE_ENHANCED_TELEMETRY_BETA": "1", "OTEL_TRACES_EXPORTER": "otlp"}, WITH_TRACES),
    Case("grpc", {"OTEL_TRACES_EXPORTER": "otlp"}, ALL),
    Case(
        "grpc",
        BETA | otlp(TRACES_PROTOCOL="http/json", TRACES_ENDPOINT=f"{OTHER}/v1/traces"),
        ALL | {"traces": "other"},
    ),
]

CASES = [*REFUSED, *WARNED, *ACCEPTED]
