# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each cause of the doctor's table, set up for real on a laptop whose telemetry would work without it."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field

from tests.client.doctor_bench import TOKEN, Collector, Laptop, black_hole, relay, says, silent
from tests.client.doctor_certificates import Certificates
from tests.tools import client

# What a session of one turn leaves at the collector: token points and API request events.
POINTS, EVENTS = 4, 1
OLD_CLIENT = "2.1.150"
HOUR = 3600.0
USER = "home/.claude/settings.json"
PROJECT = "project/.claude/settings.json"
MANAGED = "etc/claude-code/managed-settings.json"
ON = {"CLAUDE_CODE_ENABLE_TELEMETRY": "1", "OTEL_METRICS_EXPORTER": "otlp", "OTEL_LOGS_EXPORTER": "otlp"}
BEARER = f"Authorization=Bearer {TOKEN}"
SCRIPT = f"""#!/bin/sh
echo '{json.dumps({"Authorization": f"Bearer {TOKEN}"})}'
"""
# Away from what may listen on the machine's port 4318.
OTHER_LOCALHOST = "127.0.0.2 localhost\n"


@dataclass
class Bench:
    """What the laptops have around them."""

    collector: Collector
    certificates: Certificates
    servers: ExitStack

    @property
    def authority(self) -> str:
        return str(self.certificates.authority)

    def http(self, door: str = "plain", host: str = "http://127.0.0.1", **more: str) -> dict[str, str]:
        """The variables of a client that sends over HTTP."""
        return {**ON, "OTEL_EXPORTER_OTLP_ENDPOINT": f"{host}:{self.collector.http[door]}", **more}

    def grpc(self, door: str = "plain", host: str = "http://127.0.0.1", **more: str) -> dict[str, str]:
        """The variables of a client that sends over gRPC."""
        endpoint = f"{host}:{self.collector.grpc[door]}"
        return {**ON, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, **more}


SetUp = Callable[[Laptop, Bench], None]


@dataclass(frozen=True)
class Fault:
    """`arrives` is what the collector gets nevertheless; a kind that is left out may or may not arrive."""

    cause: str
    set_up: SetUp
    arrives: dict[str, int] = field(default_factory=lambda: {"metrics": 0, "events": 0})

    @property
    def name(self) -> str:
        return self.set_up.__name__


FAULTS: list[Fault] = []


def fault(cause: str, **arrives: int) -> Callable[[SetUp], SetUp]:
    """Enters a set-up into the list. Without numbers nothing arrives."""

    def enter(set_up: SetUp) -> SetUp:
        FAULTS.append(Fault(cause, set_up, arrives) if arrives else Fault(cause, set_up))
        return set_up

    return enter


# Files


@fault("managed-broken")
def a_comma_too_many_in_a_drop_in(laptop: Laptop, bench: Bench) -> None:
    laptop.settings(**bench.grpc())
    laptop.write("etc/claude-code/managed-settings.d/10-it.json", '{"env": {},}')


@fault("managed-broken")
def a_list_in_the_managed_file(laptop: Laptop, bench: Bench) -> None:
    laptop.settings(**bench.grpc())
    laptop.write(MANAGED, "[]")


@fault("config-dir")
def config_dir_in_the_shell(laptop: Laptop, bench: Bench) -> None:
    laptop.settings(**bench.grpc())
    laptop.shell["CLAUDE_CONFIG_DIR"] = str(laptop.root / "elsewhere")


@fault("config-dir")
def config_dir_in_the_settings(laptop: Laptop, bench: Bench) -> None:
    laptop.settings(**bench.grpc(CLAUDE_CONFIG_DIR=str(laptop.root / "elsewhere")))


@fault("settings-broken")
def a_comment(laptop: Laptop, bench: Bench) -> None:
    laptop.write(USER, "// mine\n" + json.dumps({"env": bench.grpc()}))


@fault("settings-broken")
def a_cut_off_file(laptop: Laptop, bench: Bench) -> None:
    laptop.write(USER, json.dumps({"env": bench.grpc()})[:-1])


@fault("settings-broken")
def a_directory_instead_of_the_file(laptop: Laptop, bench: Bench) -> None:
    (laptop.root / USER).mkdir()


def _with_key(key: str, value: object) -> SetUp:
    def set_up(laptop: Laptop, bench: Bench) -> None:
        laptop.write(USER, {"env": bench.grpc(), key: value})

    set_up.__name__ = f"wrong_type_of_{key}"
    return set_up


for wrong in (
    {"permissions": "nope"},
    {"cleanupPeriodDays": "x"},
    {"model": 5},
    {"includeCoAuthoredBy": "x"},
    {"statusLine": "x"},
    {"otelHeadersHelper": 5},
):
    fault("settings-broken")(_with_key(*next(iter(wrong.items()))))


@fault("settings-broken")
def env_is_a_list(laptop: Laptop, bench: Bench) -> None:
    laptop.write(USER, {"env": [bench.grpc()]})


# The switch and its values


@fault("repository-ignored")
def telemetry_in_the_project(laptop: Laptop, bench: Bench) -> None:
    laptop.settings(PROJECT, **bench.grpc())


@fault("repository-ignored")
def telemetry_in_local_settings(laptop: Laptop, bench: Bench) -> None:
    laptop.settings("project/.claude/settings.local.json", **bench.grpc())


@fault("telemetry-off")
def nothing_is_set(laptop: Laptop, bench: Bench) -> None:
    pass


@fault("telemetry-off")
def managed_settings_say_no(laptop: Laptop, bench: Bench) -> None:
    laptop.settings(**bench.grpc())
    laptop.settings(MANAGED, CLAUDE_CODE_ENABLE_TELEMETRY="0")


@fault("telemetry-off")
def an_empty_value_cancels_the_shell(laptop: Laptop, bench: Bench) -> None:
    laptop.shell.update(bench.grpc())
    laptop.settings(CLAUDE_CODE_ENABLE_TELEMETRY="")


@fault("unknown-exporter")
def a_typing_error_in_an_exporter(laptop: Laptop, bench: Bench) -> None:
    laptop.settings(**bench.grpc(OTEL_LOGS_EXPORTER="oltp"))


@fault("unknown-protocol")
def a_protocol_in_capitals(laptop: Laptop, bench: Bench) -> None:
    laptop.settings(**bench.grpc(OTEL_EXPORTER_OTLP_PROTOCOL="GRPC"))


@fault("unknown-protocol")
def a_protocol_of_one_signal(laptop: Laptop, bench: Bench) -> None:
    laptop.settings(**bench.http(OTEL_EXPORTER_OTLP_METRICS_PROTOCOL="http"))


@fault("export-interval")
def an_interval_of_nothing(laptop: Laptop, bench: Bench) -> None:
    laptop.settings(**bench.grpc(OTEL_METRIC_EXPORT_INTERVAL="0"))


@fault("export-interval")
def an_interval_from_the_project(laptop: Laptop, bench: Bench) -> None:
    laptop.settings(**bench.grpc())
    laptop.settings(PROJECT, OTEL_METRIC_EXPORT_INTERVAL="-5")


@fault("repository-none", metrics=0, events=EVENTS)
def none_in_the_project(laptop: Laptop, bench: Bench) -> None:
    laptop.settings(**bench.grpc())
    laptop.settings(PROJECT, OTEL_METRICS_EXPORTER="none")


@fault("signal-off", metrics=0, events=EVENTS)
def no_exporter_for_metrics(laptop: Laptop, bench: Bench) -> None:
    laptop.settings(**{key: value for key, value in bench.grpc().items() if key != "OTEL_METRICS_EXPORTER"})


@fault("signal-off", metrics=POINTS, events=0)
def managed_settings_keep_events_off(laptop: Laptop, bench: Bench) -> None:
    laptop.settings(**bench.grpc())
    laptop.settings(MANAGED, OTEL_LOGS_EXPORTER="none")


# The headers helper


def _helper(laptop: Laptop, text: str, env: dict[str, str], mode: int = 0o755) -> None:
    script = laptop.write("home/headers.sh", text)
    script.chmod(mode)
    laptop.write(USER, {"env": env, "otelHeadersHelper": str(script)})


@fault("headers-helper")
def a_helper_that_is_not_there(laptop: Laptop, bench: Bench) -> None:
    laptop.write(USER, {"env": bench.http(), "otelHeadersHelper": "/nonexistent/headers.sh"})


@fault("headers-helper")
def a_helper_that_is_not_executable(laptop: Laptop, bench: Bench) -> None:
    _helper(laptop, SCRIPT, bench.http("token"), 0o644)


@fault("headers-helper")
def a_helper_that_fails(laptop: Laptop, bench: Bench) -> None:
    _helper(laptop, "#!/bin/sh\nexit 3\n", bench.http("token"))


@fault("headers-helper")
def a_helper_that_prints_no_json(laptop: Laptop, bench: Bench) -> None:
    _helper(laptop, f"#!/bin/sh\necho {TOKEN}\n", bench.http("token"))


@fault("headers-helper")
def a_helper_that_takes_long(laptop: Laptop, bench: Bench) -> None:
    _helper(laptop, SCRIPT.replace("echo", "sleep 8\necho"), bench.http("token"))


@fault("headers-helper-grpc")
def a_helper_with_grpc(laptop: Laptop, bench: Bench) -> None:
    _helper(laptop, SCRIPT, bench.grpc("token"))


# Addresses


@fault("endpoint-malformed")
def no_scheme(laptop: Laptop, bench: Bench) -> None:
    laptop.write("etc/hosts", OTHER_LOCALHOST)
    laptop.settings(**bench.http(host="127.0.0.1"))


@fault("endpoint-malformed")
def a_blank_behind_the_endpoint(laptop: Laptop, bench: Bench) -> None:
    laptop.write("etc/hosts", OTHER_LOCALHOST)
    laptop.settings(**ON, OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{bench.collector.http['plain']} ")


@fault("endpoint-stripped")
def managed_headers_without_an_endpoint(laptop: Laptop, bench: Bench) -> None:
    laptop.write("etc/hosts", OTHER_LOCALHOST)
    laptop.settings(**bench.http())
    laptop.settings(MANAGED, OTEL_EXPORTER_OTLP_HEADERS=BEARER)


@fault("endpoint-split", metrics=0, events=EVENTS)
def the_shell_sends_metrics_elsewhere(laptop: Laptop, bench: Bench) -> None:
    laptop.settings(**bench.http())
    port = bench.servers.enter_context(says(200))
    laptop.shell["OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"] = f"http://127.0.0.1:{port}/v1/metrics"


@fault("endpoint-split", metrics=POINTS, events=0)
def bashrc_sends_events_elsewhere(laptop: Laptop, bench: Bench) -> None:
    laptop.settings(**bench.http())
    port = bench.servers.enter_context(says(200))
    endpoint = f"http://127.0.0.1:{port}/v1/logs"
    laptop.write("home/.bashrc", f"# my own\nexport OTEL_EXPORTER_OTLP_LOGS_ENDPOINT='{endpoint}'\n")
    laptop.terminal["OTEL_EXPORTER_OTLP_LOGS_ENDPOINT"] = endpoint


# The network


@fault("proxy")
def a_proxy_that_refuses(laptop: Laptop, bench: Bench) -> None:
    proxy = f"http://127.0.0.1:{bench.servers.enter_context(says(403))}"
    laptop.shell.update(HTTP_PROXY=proxy, NO_PROXY="127.0.0.1")
    laptop.settings(**ON, OTEL_EXPORTER_OTLP_ENDPOINT="http://collector.example.com:4318")


@fault("proxy")
def a_proxy_that_opens_no_tunnel(laptop: Laptop, bench: Bench) -> None:
    proxy = f"http://127.0.0.1:{bench.servers.enter_context(says(403))}"
    laptop.shell.update(HTTPS_PROXY=proxy, NO_PROXY="127.0.0.1")
    laptop.settings(**ON, OTEL_EXPORTER_OTLP_ENDPOINT="https://collector.example.com:4318")


@fault("dns")
def a_name_that_nobody_knows(laptop: Laptop, bench: Bench) -> None:
    laptop.settings(**ON, OTEL_EXPORTER_OTLP_ENDPOINT="http://collector.invalid:4318")


@fault("refused")
def nothing_listens(laptop: Laptop, bench: Bench) -> None:
    laptop.settings(**ON, OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1")


@fault("refused")
def nothing_listens_for_grpc(laptop: Laptop, bench: Bench) -> None:
    laptop.settings(**bench.grpc(OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1"))


@fault("no-connection")
def packets_are_dropped(laptop: Laptop, bench: Bench) -> None:
    port = bench.servers.enter_context(black_hole())
    laptop.settings(**ON, OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{port}")


@fault("no-answer")
def a_silent_port(laptop: Laptop, bench: Bench) -> None:
    port = bench.servers.enter_context(silent())
    laptop.settings(**ON, OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{port}")


@fault("tls-expired")
def an_expired_certificate(laptop: Laptop, bench: Bench) -> None:
    laptop.settings(**bench.http("expired", "https://localhost", NODE_EXTRA_CA_CERTS=bench.authority))


@fault("ca-unreadable")
def no_file_of_certificates(laptop: Laptop, bench: Bench) -> None:
    laptop.settings(**bench.http("tls", "https://localhost", NODE_EXTRA_CA_CERTS=str(laptop.root / "no-such.pem")))


@fault("ca-unreadable")
def a_file_without_certificates(laptop: Laptop, bench: Bench) -> None:
    file = laptop.write("home/ca.pem", "not yet")
    laptop.settings(**bench.grpc("tls", "https://localhost", OTEL_EXPORTER_OTLP_CERTIFICATE=str(file)))


@fault("ca-expired")
def an_authority_of_last_year(laptop: Laptop, bench: Bench) -> None:
    old = str(bench.certificates.expired_authority)
    laptop.settings(**bench.http("tls", "https://localhost", NODE_EXTRA_CA_CERTS=old))


@fault("tls-unknown-ca")
def the_authority_in_the_variable_for_grpc(laptop: Laptop, bench: Bench) -> None:
    laptop.settings(**bench.http("tls", "https://localhost", OTEL_EXPORTER_OTLP_CERTIFICATE=bench.authority))


@fault("tls-unknown-ca")
def no_authority_with_grpc(laptop: Laptop, bench: Bench) -> None:
    laptop.settings(**bench.grpc("tls", "https://localhost"))


@fault("tls-name")
def a_certificate_of_another_name(laptop: Laptop, bench: Bench) -> None:
    laptop.settings(**bench.http("other-name", "https://localhost", NODE_EXTRA_CA_CERTS=bench.authority))


@fault("tls-name")
def an_address_with_grpc(laptop: Laptop, bench: Bench) -> None:
    laptop.settings(**bench.grpc("tls", "https://127.0.0.1", OTEL_EXPORTER_OTLP_CERTIFICATE=bench.authority))


@fault("tls-not-spoken")
def https_to_a_plain_port(laptop: Laptop, bench: Bench) -> None:
    laptop.settings(**bench.http(host="https://localhost"))


@fault("tls-not-spoken")
def grpc_without_a_scheme(laptop: Laptop, bench: Bench) -> None:
    laptop.settings(**bench.grpc(host="localhost"))


@fault("tls-required")
def http_to_a_tls_port(laptop: Laptop, bench: Bench) -> None:
    laptop.settings(**bench.http("tls", "http://localhost"))


@fault("tls-required")
def plain_grpc_to_a_tls_port(laptop: Laptop, bench: Bench) -> None:
    laptop.settings(**bench.grpc("tls", "http://localhost"))


@fault("wrong-protocol")
def grpc_to_the_http_port(laptop: Laptop, bench: Bench) -> None:
    laptop.settings(**bench.http(OTEL_EXPORTER_OTLP_PROTOCOL="grpc"))


@fault("wrong-protocol")
def http_to_the_grpc_port(laptop: Laptop, bench: Bench) -> None:
    laptop.settings(**bench.grpc(OTEL_EXPORTER_OTLP_PROTOCOL="http/protobuf"))


@fault("auth-refused")
def a_wrong_token(laptop: Laptop, bench: Bench) -> None:
    laptop.settings(**bench.http("token", OTEL_EXPORTER_OTLP_HEADERS="Authorization=Bearer of-bad-news"))


@fault("auth-refused")
def no_token_with_grpc(laptop: Laptop, bench: Bench) -> None:
    laptop.settings(**bench.grpc("token"))


@fault("auth-refused")
def percent_codes_over_http(laptop: Laptop, bench: Bench) -> None:
    laptop.settings(**bench.http("token", OTEL_EXPORTER_OTLP_HEADERS=BEARER.replace(" ", "%20")))


@fault("wrong-path", metrics=0, events=EVENTS)
def an_endpoint_for_metrics_without_a_path(laptop: Laptop, bench: Bench) -> None:
    address = f"http://127.0.0.1:{bench.collector.http['plain']}"
    laptop.settings(**bench.http(OTEL_EXPORTER_OTLP_METRICS_ENDPOINT=address))


@fault("server-error")
def a_collector_in_trouble(laptop: Laptop, bench: Bench) -> None:
    port = bench.servers.enter_context(says(503))
    laptop.settings(**ON, OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{port}")


@fault("not-a-collector")
def a_login_page(laptop: Laptop, bench: Bench) -> None:
    port = bench.servers.enter_context(says(200, b"<html>Welcome to our network</html>"))
    laptop.settings(**ON, OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{port}")


# Warnings: something is lost or wrong


@fault("client-missing")
def no_client(laptop: Laptop, bench: Bench) -> None:
    laptop.settings(**bench.grpc())
    (laptop.home / ".local" / "bin" / "claude").unlink()


@fault("old-client", metrics=POINTS, events=EVENTS)
def a_client_without_attributes_on_metrics(laptop: Laptop, bench: Bench) -> None:
    laptop.settings(**bench.grpc(OTEL_RESOURCE_ATTRIBUTES="developer=ada"))
    link = laptop.home / ".local" / "bin" / "claude"
    link.unlink()
    link.symlink_to(client.install(OLD_CLIENT))


@fault("slow-collector", metrics=0)
def a_slow_line(laptop: Laptop, bench: Bench) -> None:
    port = bench.servers.enter_context(relay(bench.collector.http["plain"], wait=2.5))
    laptop.settings(**ON, OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{port}")


@fault("short-flush", metrics=0)
def a_hasty_end(laptop: Laptop, bench: Bench) -> None:
    port = bench.servers.enter_context(relay(bench.collector.http["plain"], wait=0.7))
    endpoint = f"http://127.0.0.1:{port}"
    laptop.settings(**ON, OTEL_EXPORTER_OTLP_ENDPOINT=endpoint, CLAUDE_CODE_OTEL_SHUTDOWN_TIMEOUT_MS="1")


@fault("clock-skew", metrics=POINTS, events=EVENTS)
def a_clock_two_hours_off(laptop: Laptop, bench: Bench) -> None:
    port = bench.servers.enter_context(relay(bench.collector.http["plain"], clock=2 * HOUR))
    laptop.settings(**ON, OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{port}")


@fault("cumulative", metrics=POINTS, events=EVENTS)
def running_totals(laptop: Laptop, bench: Bench) -> None:
    laptop.settings(**bench.grpc(OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE="cumulative"))


@fault("attributes-dropped", metrics=POINTS, events=EVENTS)
def an_attribute_with_a_blank(laptop: Laptop, bench: Bench) -> None:
    laptop.settings(**bench.grpc(OTEL_RESOURCE_ATTRIBUTES="developer=Ada Lovelace,team=engines"))
