# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import lookup_loader
from ansible.template import Templar, trust_as_template

NAME = "claude_code.observability.endpoint"


def ask(component: str, variables: dict[str, Any], here: str = "here", **options: Any) -> list[str]:
    groups = variables.pop("groups", {})
    hostvars = {"here": dict(variables), **variables.pop("hostvars", {})}
    known = {**variables, "inventory_hostname": here, "groups": groups, "hostvars": hostvars}
    lookup = lookup_loader.get(NAME, loader=DataLoader(), templar=Templar(DataLoader(), variables=known))
    return lookup.run([component], variables=known, **options)


ALONE = {"prometheus": ["here"], "otel_collector": ["here"]}
ELSEWHERE = {"prometheus": ["there"], "otel_collector": ["here", "there"]}


@pytest.mark.parametrize(
    ("variables", "options", "answer"),
    [
        ({"groups": ALONE}, {}, ["http://prometheus:9090"]),
        ({"groups": ALONE}, {"viewpoint": "host"}, ["http://127.0.0.1:9090"]),
        ({"groups": ALONE, "stack_runtime": "systemd"}, {}, ["http://127.0.0.1:9090"]),
        ({"groups": ALONE, "prometheus_runtime": "systemd"}, {}, ["http://127.0.0.1:9090"]),
        (
            {"groups": ALONE, "stack_runtime": "systemd", "stack_listen_address": "10.0.0.1"},
            {},
            ["https://10.0.0.1:9090"],
        ),
        (
            {"groups": ALONE, "stack_runtime": "systemd", "stack_listen_address": "0.0.0.0"},
            {},
            ["https://127.0.0.1:9090"],
        ),
        ({"groups": ALONE, "stack_runtime": "systemd", "stack_listen_address": "::"}, {}, ["https://127.0.0.1:9090"]),
        ({"groups": ALONE, "prometheus_port": 1234}, {}, ["http://prometheus:1234"]),
        ({"groups": ALONE, "prometheus_port": trust_as_template("{{ 1000 + 9 }}")}, {}, ["http://prometheus:1009"]),
        ({"groups": ELSEWHERE}, {}, ["http://there:9090"]),
        ({"groups": ELSEWHERE, "hostvars": {"there": {"ansible_host": "10.1.1.1"}}}, {}, ["http://10.1.1.1:9090"]),
        (
            {"groups": ELSEWHERE, "hostvars": {"there": {"ansible_host": "10.1.1.1", "stack_address": "fd00::1"}}},
            {},
            ["http://[fd00::1]:9090"],
        ),
        ({"groups": ELSEWHERE, "hostvars": {"there": {"prometheus_port": 99}}}, {}, ["http://there:99"]),
        ({"groups": {}}, {}, []),
        ({"groups": {}, "prometheus_external_url": "https://prom.example/x"}, {"external": False}, []),
        ({"groups": {}}, {"assume_local": True}, ["http://prometheus:9090"]),
        ({"groups": {}, "prometheus_external_url": "https://prom.example/x"}, {}, ["https://prom.example/x"]),
        ({"groups": ALONE, "prometheus_external_url": "https://prom.example:9/x"}, {"scheme": ""}, ["prom.example:9"]),
    ],
)
def test_the_one_rule(variables: dict[str, Any], options: dict[str, Any], answer: list[str]) -> None:
    assert ask("prometheus", variables, **options) == answer


def test_every_host_of_a_group_is_named_for_scraping() -> None:
    answer = ask("otel_collector", {"groups": ELSEWHERE}, port="otel_collector_export_port", scheme="", all_hosts=True)
    assert answer == ["otel-collector:8889", "there:8889"]


def test_a_host_of_the_group_finds_itself_first() -> None:
    groups = {"prometheus": ["there", "here"]}
    assert ask("prometheus", {"groups": groups}, viewpoint="host") == ["http://127.0.0.1:9090"]


AGENT = {"client_agent": True, "groups": {"otel_collector": ["there"]}}


@pytest.mark.parametrize(
    ("variables", "options", "answer"),
    [
        (AGENT, {}, "http://127.0.0.1:4317"),
        ({**AGENT, "client_agent": "true"}, {}, "http://127.0.0.1:4317"),
        ({**AGENT, "stack_listen_address": "10.0.0.1"}, {}, "http://127.0.0.1:4317"),
        ({**AGENT, "otel_collector_grpc_port": 99}, {}, "http://127.0.0.1:99"),
        ({**AGENT, "groups": {}}, {}, "http://127.0.0.1:4317"),
        ({**AGENT, "otel_collector_external_url": "http://far:1"}, {}, "http://127.0.0.1:4317"),
        ({**AGENT, "otel_collector_external_url": "http://far:1"}, {"viewpoint": "component"}, "http://far:1"),
        (AGENT, {"viewpoint": "component"}, "http://there:4317"),
        ({**AGENT, "client_agent": False}, {}, "http://there:4317"),
        ({**AGENT, "client_agent_state": "absent"}, {}, "http://there:4317"),
        ({**AGENT, "groups": ALONE, "stack_listen_address": "10.0.0.1"}, {}, "https://10.0.0.1:4317"),
    ],
)
def test_programs_on_a_host_with_an_agent_dial_it(
    variables: dict[str, Any], options: dict[str, Any], answer: str
) -> None:
    options = {"viewpoint": "host", "port": "otel_collector_grpc_port", **options}
    assert ask("otel_collector", dict(variables), **options) == [answer]


@pytest.mark.parametrize(
    ("groups", "hostvars", "answer"),
    [
        (ALONE, {}, "http://here:9090"),
        (ALONE, {"ansible_host": "10.1.1.1"}, "http://10.1.1.1:9090"),
        (ALONE, {"ansible_connection": "local", "prometheus_port": 9091}, "http://127.0.0.1:9091"),
        (ELSEWHERE, {}, "http://there:9090"),
        (ELSEWHERE, {"hostvars": {"there": {"ansible_connection": "local"}}}, "http://127.0.0.1:9090"),
    ],
)
def test_the_controller_is_on_a_host_only_without_a_connection(
    groups: dict[str, list[str]], hostvars: dict[str, Any], answer: str
) -> None:
    assert ask("prometheus", {"groups": groups, **hostvars}, viewpoint="controller") == [answer]


OFF_LOOPBACK = {"groups": ALONE, "stack_listen_address": "10.0.0.1", "stack_runtime": "systemd"}
SPLIT = {"groups": ELSEWHERE, "hostvars": {"there": {"stack_listen_address": "0.0.0.0"}}}
PROVIDED = {**OFF_LOOPBACK, "stack_tls": "provided"}
UPSTREAM = {**OFF_LOOPBACK, "stack_tls": "terminated_upstream"}


@pytest.mark.parametrize(
    ("variables", "component", "port", "answer"),
    [
        (OFF_LOOPBACK, "prometheus", "prometheus_port", "https://10.0.0.1:9090"),
        (OFF_LOOPBACK, "otel_collector", "otel_collector_http_port", "https://10.0.0.1:4318"),
        (OFF_LOOPBACK, "otel_collector", "otel_collector_export_port", "https://10.0.0.1:8889"),
        (OFF_LOOPBACK, "otel_collector", "otel_collector_metrics_port", "http://127.0.0.1:8888"),
        (
            {**OFF_LOOPBACK, "groups": ELSEWHERE},
            "otel_collector",
            "otel_collector_metrics_port",
            "http://10.0.0.1:8888",
        ),
        ({**OFF_LOOPBACK, "stack_runtime": "docker"}, "prometheus", "prometheus_port", "https://prometheus:9090"),
        (
            {**OFF_LOOPBACK, "stack_allow_insecure_network": "true"},
            "prometheus",
            "prometheus_port",
            "http://10.0.0.1:9090",
        ),
        (
            {**OFF_LOOPBACK, "prometheus_listen_address": "127.0.0.1"},
            "prometheus",
            "prometheus_port",
            "http://127.0.0.1:9090",
        ),
        (SPLIT, "prometheus", "prometheus_port", "https://there:9090"),
        (UPSTREAM, "otel_collector", "otel_collector_grpc_port", "http://10.0.0.1:4317"),
        (UPSTREAM, "otel_collector", "otel_collector_export_port", "https://10.0.0.1:8889"),
        ({**UPSTREAM, "groups": {"grafana": ["here"]}}, "grafana", "grafana_port", "http://10.0.0.1:3000"),
        (
            {**PROVIDED, "stack_address": "c.example"},
            "otel_collector",
            "otel_collector_grpc_port",
            "https://c.example:4317",
        ),
        (PROVIDED, "otel_collector", "otel_collector_export_port", "https://10.0.0.1:8889"),
        (UPSTREAM, "prometheus", "prometheus_port", "https://10.0.0.1:9090"),
    ],
)
def test_beyond_loopback_it_is_https(variables: dict[str, Any], component: str, port: str, answer: str) -> None:
    assert ask(component, dict(variables), port=port) == [answer]


MIMIR = {**ALONE, "mimir": ["here"]}


@pytest.mark.parametrize(
    ("variables", "options", "answer"),
    [
        ({"groups": ALONE}, {}, ["http://prometheus:9090"]),
        ({"groups": ALONE}, {"path": "otlp"}, ["http://prometheus:9090/api/v1/otlp"]),
        ({"groups": ALONE}, {"path": "write"}, ["http://prometheus:9090/api/v1/write"]),
        ({"groups": MIMIR}, {}, ["http://mimir:9009/prometheus"]),
        ({"groups": MIMIR}, {"path": "otlp", "viewpoint": "host"}, ["http://127.0.0.1:9009/otlp"]),
        ({"groups": MIMIR}, {"path": "write"}, ["http://mimir:9009/api/v1/push"]),
        ({"groups": MIMIR}, {"scheme": ""}, ["mimir:9009"]),
        ({"groups": {**MIMIR, "mimir": ["there", "other"]}}, {}, ["http://there:9009/prometheus"]),
        (
            {"groups": MIMIR, "mimir_external_url": "https://balancer:9/"},
            {"path": "write"},
            ["https://balancer:9/api/v1/push"],
        ),
        ({"groups": ALONE, "mimir_external_url": "https://mimir.example"}, {}, ["https://mimir.example/prometheus"]),
        ({"groups": {}, "prometheus_external_url": "https://prom/x"}, {"path": "otlp"}, ["https://prom/x/api/v1/otlp"]),
        (
            {"groups": {}, "prometheus_external_url": "https://vm/", "prometheus_otlp_path": "/opentelemetry"},
            {"path": "otlp"},
            ["https://vm/opentelemetry"],
        ),
        ({"groups": {}}, {}, []),
    ],
)
def test_where_metrics_are(variables: dict[str, Any], options: dict[str, Any], answer: list[str]) -> None:
    assert ask("metrics", variables, **options) == answer
