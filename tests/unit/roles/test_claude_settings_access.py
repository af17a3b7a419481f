# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The credential and the authority that the role claude_settings gives a client, without a host being touched."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]
COLLECTOR = "collector.example.com"
SECRETS = ".claude-code-observability"
PLAY = """---
- hosts: clients
  gather_facts: false
  tasks:
    - block:
        - ansible.builtin.include_role:
            name: claude_code.observability.claude_settings
            tasks_from: check.yml
            public: true
        - ansible.builtin.set_fact:
            said:
              everybody: "{{ __claude_settings_credential_env }}"
              script: "{{ __claude_settings_credential_headers }}"
              users: "{{ __claude_settings_user_credentials }}"
              ca: "{{ __claude_settings_ca }}"
              revision: "{{ __claude_settings_revision }}"
      rescue:
        - ansible.builtin.set_fact:
            said: "{{ {'msg': ansible_failed_result.msg} }}"
    - ansible.builtin.copy:
        dest: "{{ out }}"
        content: "{{ dict(ansible_play_hosts | zip(ansible_play_hosts | map('extract', hostvars, 'said'))) | to_json }}"
      run_once: true
"""
HEADERS = "OTEL_EXPORTER_OTLP_HEADERS"
MANAGED = {"claude_settings_scope": "managed", "claude_settings_developer": "ada"}
PULLED_ELSEWHERE = {"__client_pull_runs": True, "claude_settings_endpoint": "https://otlp.example.com:4318"}
CLIENTS: dict[str, dict[str, Any]] = {
    "laptop": {},
    "owned": {"claude_settings_developer": "grace"},
    "named": {"claude_settings_users": ["ada"]},
    "shared": {
        "claude_settings_users": ["ada", "bob", "carl"],
        "claude_settings_user_attributes": {"bob": {"developer": "robert"}},
    },
    "one-sender": {"claude_settings_all_users": True, "claude_settings_sender": "ci"},
    "script": {"claude_settings_credential_helper": True},
    "scripts": {"claude_settings_credential_helper": True, "claude_settings_users": ["ada"]},
    "public": {**MANAGED, "claude_settings_allow_readable_secrets": True},
    "agent": {"client_agent": True},
    "elsewhere": {"claude_settings_endpoint": "https://otlp.example.com:4318"},
    "elsewhere-as": {"claude_settings_endpoint": "https://otlp.example.com:4318", "claude_settings_sender": "x"},
    "own-token": {"claude_settings_credential": "abc"},
    "own-headers": {"claude_settings_env": {HEADERS: "authorization=Basic YTpi"}},
    "pulled-own": {**PULLED_ELSEWHERE, "claude_settings_env": {HEADERS: "Authorization=Basic YTpi"}},
    "pulled-agent": {"__client_pull_runs": True, "client_agent": True},
    "gone": {"claude_settings_state": "absent", "claude_settings_all_users": True},
    # What is refused.
    "everybody": {"claude_settings_all_users": True},
    "readable": MANAGED,
    "headers": {"claude_settings_env": {HEADERS: "x=y"}},
    "grpc-script": {"claude_settings_credential_helper": True, "claude_settings_protocol": "grpc"},
    "a blank": {},
    "pulled": {"__client_pull_runs": True},
    "pulled-sender": {**PULLED_ELSEWHERE, "claude_settings_sender": "ada"},
    "pulled-token": {"__client_pull_runs": True, "claude_settings_credential": "abc"},
}
# Collectors, each with the certificate and the sender that "laptop" needs for it.
CENTRES: dict[str, dict[str, Any]] = {
    "private": {"stack_listen_address": "0.0.0.0"},
    "insecure": {"stack_listen_address": "0.0.0.0", "stack_allow_insecure_network": True},
    "none": {"stack_listen_address": "0.0.0.0", "otel_collector_authentication": "none"},
    "provided": {"stack_listen_address": "0.0.0.0", "stack_tls": "provided", "stack_tls_ca": "THEIRS"},
    "upstream": {
        "stack_listen_address": "0.0.0.0",
        "stack_tls": "terminated_upstream",
        "otel_collector_external_url": "https://otlp.example.com",
    },
}


def play(folder: Path, clients: dict[str, dict[str, Any]], centre: dict[str, Any]) -> tuple[dict[str, Any], str]:
    folder.mkdir(exist_ok=True)
    # A proxy's address is everybody's business.
    everybody = {name: value for name, value in centre.items() if name == "otel_collector_external_url"}
    inventory = {
        "clients": {"hosts": clients, "vars": {"out": str(folder / "said")}},
        "otel_collector": {"hosts": {COLLECTOR: centre}},
        "all": {"vars": everybody},
    }
    (folder / "inventory.yml").write_text(yaml.safe_dump(inventory))
    (folder / "play.yml").write_text(PLAY)
    done = subprocess.run(
        [str(Path(sys.executable).parent / "ansible-playbook"), "-i", "inventory.yml", "-c", "local", "play.yml"],
        cwd=folder,
        env={
            **os.environ,
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"),
            "ANSIBLE_HOME": str(folder / "ansible"),
            "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads((folder / "said").read_text()), done.stdout + done.stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("play")


@pytest.fixture(scope="module")
def said(folder: Path) -> dict[str, Any]:
    answers, output = play(folder, CLIENTS, CENTRES["private"])
    registry = json.loads((folder / SECRETS / "senders.json").read_text())
    assert not registry.keys() & {"pulled", "pulled-own", "pulled-agent", "pulled-token"}
    assert not any(one in output for one in tokens(registry))
    return answers


def tokens(registry: Any) -> list[str]:
    if isinstance(registry, dict):
        return [found for key, value in registry.items() for found in ([value] if key == "token" else tokens(value))]
    return [found for value in registry for found in tokens(value)] if isinstance(registry, list) else []


def sender(header: str) -> str:
    """Whose credential a header holds."""
    kind, _blank, encoded = header.rpartition(" ")
    assert kind.endswith("Basic")
    return base64.b64decode(encoded).decode().partition(":")[0]


@pytest.mark.parametrize(
    ("client", "name"),
    [("laptop", "laptop"), ("owned", "grace"), ("one-sender", "ci"), ("public", "ada"), ("elsewhere-as", "x")],
)
def test_who_logs_in_has_the_credential_of_one_sender(said: dict[str, Any], client: str, name: str) -> None:
    assert said[client]["everybody"][HEADERS].startswith("Authorization=Basic ")
    assert (sender(said[client]["everybody"][HEADERS]), said[client]["users"]) == (name, {})


def test_each_user_of_a_host_has_their_own(said: dict[str, Any]) -> None:
    users = said["shared"]["users"]
    names = {"ada": "ada", "bob": "robert", "carl": "carl"}
    assert {user: sender(env[HEADERS]) for user, env in users.items()} == names
    assert said["shared"]["everybody"] == {}
    assert said["named"]["users"] == {"ada": users["ada"]}


def test_a_script_says_it_instead(said: dict[str, Any]) -> None:
    assert (sender(said["script"]["script"]["Authorization"]), said["script"]["everybody"]) == ("script", {})
    assert sender(said["scripts"]["users"]["ada"]["Authorization"]) == "ada"


@pytest.mark.parametrize(
    "client", ["agent", "elsewhere", "own-token", "own-headers", "pulled-own", "pulled-agent", "gone"]
)
def test_who_needs_none(said: dict[str, Any], client: str) -> None:
    assert (said[client]["everybody"], said[client]["script"], said[client]["users"]) == ({}, {}, {})


def test_the_authority_goes_where_the_collector_of_the_inventory_is_asked(said: dict[str, Any], folder: Path) -> None:
    ca = (folder / SECRETS / "ca.pem").read_text()
    trusting = {client for client, answer in said.items() if answer.get("ca") == ca}
    assert trusting == {
        *("laptop", "owned", "named", "shared", "one-sender", "script", "scripts", "public", "own-token", "own-headers")
    }
    assert {
        said[client]["ca"] for client in ("agent", "elsewhere", "elsewhere-as", "pulled-own", "pulled-agent", "gone")
    } == {""}


def test_a_token_is_no_part_of_the_revision(said: dict[str, Any]) -> None:
    assert said["laptop"]["revision"] == said["owned"]["revision"] == said["shared"]["revision"]
    assert said["laptop"]["revision"] not in (said["script"]["revision"], said["agent"]["revision"])


@pytest.mark.parametrize(
    ("client", "message"),
    [
        ("everybody", "name them in claude_settings_users rather than claude_settings_all_users, or put an agent"),
        ("readable", "every user of the host can read the credential in managed settings: put an agent on the host"),
        ("headers", "claude_settings_env.OTEL_EXPORTER_OTLP_HEADERS has no Authorization in it: unset it"),
        ("grpc-script", "claude_settings_credential_helper is true, but Claude Code asks a helper over HTTP only"),
        ("pulled", "neither the registry of senders nor the authority of the stack is on it"),
        ("pulled-sender", "unset claude_settings_sender"),
        ("pulled-token", "neither the registry of senders nor the authority of the stack is on it"),
        ("a blank", "'a blank' can't be the name of a sender"),
    ],
)
def test_what_has_no_credential_is_refused(said: dict[str, Any], client: str, message: str) -> None:
    assert message in said[client]["msg"]


@pytest.mark.parametrize(
    ("centre", "asks", "ca"),
    [
        ("insecure", False, ""),
        ("none", False, "private"),
        ("provided", True, "THEIRS"),
        ("upstream", True, ""),
    ],
)
def test_what_the_collector_asks_for(tmp_path: Path, centre: str, asks: bool, ca: str) -> None:
    answers, _output = play(tmp_path, {"laptop": {}}, CENTRES[centre])
    file = tmp_path / SECRETS / "ca.pem"
    assert (answers["laptop"]["everybody"] != {}, answers["laptop"]["ca"]) == (
        asks,
        file.read_text() if ca == "private" else ca,
    )


def test_a_revoked_sender_is_named(tmp_path: Path) -> None:
    play(tmp_path, {"laptop": {}}, CENTRES["private"])
    path = tmp_path / SECRETS / "senders.json"
    registry = json.loads(path.read_text())
    assert "laptop" in json.dumps(registry)
    path.write_text(json.dumps(registry).replace('"revoked": ""', '"revoked": "2026-11-24T09:30:00Z"'))
    answers, _output = play(tmp_path, {"laptop": {}}, CENTRES["private"])
    assert "laptop" in answers["laptop"]["msg"] and "revoked" in answers["laptop"]["msg"]
