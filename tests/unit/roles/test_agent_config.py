# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the agent of a client is configured to do, by the variables of its host."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.tools.queries import roles

GROUPS = {"otel_collector": ["centre"], "clients": ["laptop-ada"]}


def files(**variables: Any) -> dict[str, str]:
    laptop = {"inventory_hostname": "laptop-ada", "group_names": ["clients"], "groups": GROUPS, "client_agent": True}
    return roles.files("otel_collector", **{**laptop, "stack_runtime": "systemd", **variables})


def config(**variables: Any) -> Any:
    return yaml.safe_load(files(**variables)["config.yaml"])


def stamp(**variables: Any) -> set[str]:
    """What the agent says of every metric; of events the same."""
    said = config(**variables)["processors"]["transform/stamp"]
    assert said["metric_statements"] == said["log_statements"]
    (group,) = said["log_statements"]
    assert group["context"] == "scope"
    return set(group["statements"])


LAPTOP = 'set(scope.attributes["laptop"], "laptop-ada")'
VERIFIED = 'set(scope.attributes["developer_verified"], "true")'
UNVERIFIED = 'set(scope.attributes["developer_verified"], "false")'


@pytest.mark.parametrize(
    ("owner", "said"),
    [
        ("ada", {LAPTOP, VERIFIED, 'set(scope.attributes["developer"], "ada")'}),
        (["ada"], {LAPTOP, VERIFIED, 'set(scope.attributes["developer"], "ada")'}),
        ([], {LAPTOP, UNVERIFIED}),
        ("", {LAPTOP, UNVERIFIED}),
        (["ada", "grace"], {LAPTOP, UNVERIFIED}),
    ],
)
def test_one_owner_is_the_developer(owner: Any, said: set[str]) -> None:
    assert stamp(client_agent_owner=owner) == said


def test_names_are_texts_whatever_is_in_them() -> None:
    # The collector reads $$ as one dollar sign.
    assert r'set(scope.attributes["laptop"], "a \"b\" $${c}")' in stamp(client_agent_laptop='a "b" ${c}')


def test_it_listens_on_loopback_whatever_the_stack_does() -> None:
    said = config(stack_listen_address="0.0.0.0")
    protocols = said["receivers"]["otlp"]["protocols"]
    assert {name: protocol["endpoint"] for name, protocol in protocols.items()} == {
        "grpc": "127.0.0.1:4317",
        "http": "127.0.0.1:4318",
    }


@pytest.mark.parametrize(
    ("variables", "endpoint"),
    [
        ({}, "http://centre:4318"),
        ({"otel_collector_external_url": "https://c.example.com"}, "https://c.example.com"),
        ({"client_agent_endpoint": "https://c.example.com:1"}, "https://c.example.com:1"),
    ],
)
def test_it_delivers_to_the_stack(variables: dict[str, Any], endpoint: str) -> None:
    assert config(**variables)["exporters"]["otlp_http/centre"]["endpoint"] == endpoint


def test_credentials_are_read_from_files_that_are_there_if_they_are_needed() -> None:
    plain = files()
    assert (set(plain), "bearertokenauth" in plain["config.yaml"]) == ({"config.yaml"}, False)
    given = files(client_agent_ca="-----BEGIN CERTIFICATE-----", client_agent_token="secret")
    exporter = yaml.safe_load(given["config.yaml"])["exporters"]["otlp_http/centre"]
    assert given["ca.pem"] == "-----BEGIN CERTIFICATE-----"
    assert exporter["tls"] == {"ca_file": "/etc/otel-collector/current/ca.pem"}
    assert "secret" not in given["config.yaml"]


SECURE = {"stack_listen_address": "0.0.0.0"}


@pytest.mark.parametrize(
    ("centre", "variables", "scheme", "authority"),
    [
        (SECURE, {}, "Basic", True),
        ({**SECURE, "stack_allow_insecure_network": True}, {}, None, False),
        ({}, {}, None, False),
        ({"otel_collector_authentication": "tokens"}, {}, "Basic", False),
        ({**SECURE, "otel_collector_authentication": "oidc"}, {"client_agent_token": "jwt"}, "Bearer", True),
        (SECURE, {"client_agent_endpoint": "https://own.example.com", "client_agent_token": "own"}, "Bearer", False),
        ({**SECURE, "stack_tls": "provided"}, {}, "Basic", False),
    ],
)
def test_it_logs_in_to_the_stack_by_itself(
    tmp_path: Path, centre: dict[str, Any], variables: dict[str, Any], scheme: str | None, authority: bool
) -> None:
    made = files(hostvars={"centre": centre}, stack_secrets_dir=str(tmp_path / "secrets"), **variables)
    extensions = yaml.safe_load(made["config.yaml"])["extensions"]
    assert extensions.get("bearertokenauth/centre", {}).get("scheme") == scheme
    assert made.get("ca.pem", "").startswith("-----BEGIN CERTIFICATE") == authority


def test_a_collector_of_the_stack_is_no_agent() -> None:
    assert "transform/stamp" not in config(group_names=["otel_collector", "clients"])["processors"]
