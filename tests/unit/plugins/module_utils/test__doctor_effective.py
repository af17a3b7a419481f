# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.claude_code.observability.plugins.module_utils._doctor_effective import Effective, effective
from ansible_collections.claude_code.observability.plugins.module_utils._doctor_sources import LAYERS, Setting, Source

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
METRICS_ENDPOINT = "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"


def of(**layers: dict[str, str]) -> Effective:
    sources = []
    for layer in LAYERS:
        settings = {name: Setting(value, f"{layer}:1") for name, value in layers.get(layer, {}).items()}
        sources.append(Source(layer, layer, settings))
    return effective(sources)


def test_the_strongest_layer_wins() -> None:
    name = "OTEL_METRIC_EXPORT_INTERVAL"
    values = {layer: {name: layer} for layer in LAYERS}
    for layer in LAYERS:
        found = of(**values)
        assert (found.env[name], found.layer(name), found.where(name)) == (layer, layer, f"{layer}:1")
        del values[layer]


def test_an_empty_value_cancels_weaker_ones() -> None:
    assert of(user={ENDPOINT: ""}, shell={ENDPOINT: "http://a"}).env == {}


@pytest.mark.parametrize(
    "name",
    [
        "CLAUDE_CODE_ENABLE_TELEMETRY",
        "CLAUDE_CONFIG_DIR",
        "OTEL_METRICS_EXPORTER",
        ENDPOINT,
        METRICS_ENDPOINT,
        "OTEL_EXPORTER_OTLP_LOGS_HEADERS",
        "OTEL_EXPORTER_OTLP_PROTOCOL",
        "OTEL_EXPORTER_OTLP_CERTIFICATE",
        "OTEL_LOG_USER_PROMPTS",
    ],
)
def test_a_repository_may_not(name: str) -> None:
    for layer in ("local", "project"):
        found = of(**{layer: {name: "1"}})
        assert found.env == {}
        barred = found.barred(name)
        assert barred and barred.barred == "a repository may not set it"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OTEL_METRICS_EXPORTER", "none"),
        ("OTEL_LOG_USER_PROMPTS", "0"),
        ("OTEL_RESOURCE_ATTRIBUTES", "a=b"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "1"),
        ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "cumulative"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "1"),
        ("CLAUDE_CODE_OTEL_SHUTDOWN_TIMEOUT_MS", "1"),
        ("NODE_EXTRA_CA_CERTS", "/x"),
    ],
)
def test_a_repository_may(name: str, value: str) -> None:
    assert of(project={name: value}, user={name: "other"}).env == {name: value}


def test_none_of_a_repository_loses_to_the_shell_only() -> None:
    name = "OTEL_METRICS_EXPORTER"
    none, otlp = {name: "none"}, {name: "otlp"}
    assert of(project=none, user=otlp).env == none
    assert of(project=none, user=otlp, shell=otlp).env == otlp
    assert of(managed=otlp, project=none).env == otlp


@pytest.mark.parametrize(
    ("managed", "removed"),
    [
        ("ENDPOINT", {"METRICS_ENDPOINT", "METRICS_HEADERS"}),
        ("PROTOCOL", {"METRICS_PROTOCOL"}),
        ("HEADERS", {"METRICS_ENDPOINT", "METRICS_HEADERS", "ENDPOINT"}),
        ("METRICS_HEADERS", set()),
    ],
)
def test_what_managed_settings_take_out(managed: str, removed: set[str]) -> None:
    prefix = "OTEL_EXPORTER_OTLP_"
    kinds = {"ENDPOINT", "METRICS_ENDPOINT", "METRICS_HEADERS", "METRICS_PROTOCOL"} - {managed}
    for layer in ("user", "shell"):
        found = of(managed={prefix + managed: "m"}, **{layer: dict.fromkeys((prefix + kind for kind in kinds), "u")})
        assert {name for name in kinds if not found.winner(prefix + name)} == removed


def test_an_endpoint_from_below() -> None:
    assert of(user={ENDPOINT: "a"}, shell={METRICS_ENDPOINT: "b"}).beats_from_below(METRICS_ENDPOINT, ENDPOINT)
    assert not of(user={ENDPOINT: "a", METRICS_ENDPOINT: "b"}).beats_from_below(METRICS_ENDPOINT, ENDPOINT)
    assert not of(shell={METRICS_ENDPOINT: "b"}).beats_from_below(METRICS_ENDPOINT, ENDPOINT)


def test_a_computed_value_is_not_known() -> None:
    found = effective([Source("shell", "f", {ENDPOINT: Setting("$(x)", "f:1", computed=True)})])
    assert (found.env, found.is_computed(ENDPOINT), found.is_computed("OTEL_X")) == ({}, True, False)
