# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the claude_settings role makes of its variables, and what it refuses, without a host being touched."""

from __future__ import annotations

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
PLAY = """---
- hosts: cases
  gather_facts: false
  tasks:
    - block:
        - ansible.builtin.include_role:
            name: claude_code.observability.claude_settings
            tasks_from: check.yml
            public: true
        - ansible.builtin.set_fact:
            said: "{{ {'env': __claude_settings_block, 'attributes': __claude_settings_attributes} }}"
      rescue:
        - ansible.builtin.set_fact:
            said: "{{ {'msg': ansible_failed_result.msg} }}"
    - ansible.builtin.copy:
        dest: "{{ out }}"
        content: "{{ dict(ansible_play_hosts | zip(ansible_play_hosts | map('extract', hostvars, 'said'))) | to_json }}"
      run_once: true
"""
MANAGED = {"claude_settings_scope": "managed", "claude_settings_developer": ""}
HEADERS = {"OTEL_EXPORTER_OTLP_HEADERS": "x=y"}
ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
PROTOCOL = "OTEL_EXPORTER_OTLP_PROTOCOL"

# Endpoint and protocol by what is said about them. `central`: the inventory has a collector on another host.
SENDS: dict[str, tuple[dict[str, Any], str, str]] = {
    "nothing": ({}, "http://localhost:4317", "grpc"),
    "central": ({}, f"https://{COLLECTOR}:4318", "http/protobuf"),
    "central-grpc": ({"claude_settings_protocol": "grpc"}, f"https://{COLLECTOR}:4317", "grpc"),
    "http-here": ({"claude_settings_protocol": "http/protobuf"}, "http://localhost:4318", "http/protobuf"),
    "named": ({"claude_settings_endpoint": "https://otlp"}, "https://otlp", "http/protobuf"),
    "named-grpc-port": ({"claude_settings_endpoint": "http://otlp:4317"}, "http://otlp:4317", "grpc"),
    "named-http-port-here": ({"claude_settings_endpoint": "http://[::1]:4318"}, "http://[::1]:4318", "http/protobuf"),
    "named-here": ({"claude_settings_endpoint": "http://127.0.0.1:9"}, "http://127.0.0.1:9", "grpc"),
    "like-here": ({"claude_settings_endpoint": "http://localhost.corp"}, "http://localhost.corp", "http/protobuf"),
    "by-env": ({"claude_settings_env": {ENDPOINT: "https://otlp"}}, "https://otlp", "http/protobuf"),
    "external": ({"otel_collector_external_url": "http://otlp:4317"}, "http://otlp:4317", "grpc"),
    "agent": (
        {"otel_collector_external_url": "https://otlp:4318", "client_agent": True},
        "http://localhost:4317",
        "grpc",
    ),
}
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "both-users": (
        {"claude_settings_users": ["a"], "claude_settings_all_users": True},
        "claude_settings_users and claude_settings_all_users exclude each other",
    ),
    "managed-users": ({**MANAGED, "claude_settings_users": ["a"]}, "unset claude_settings_users, or"),
    "managed-all": ({**MANAGED, "claude_settings_all_users": True}, "unset claude_settings_all_users, or"),
    "managed-dir": ({**MANAGED, "claude_settings_config_dir": "/x"}, "unset claude_settings_config_dir, or"),
    "managed-own": ({**MANAGED, "claude_settings_user_attributes": {"a": {}}}, "unset claude_settings_user_attributes"),
    "managed-user": ({"claude_settings_scope": "managed"}, "claude_settings_developer holds {user}, but managed"),
    "managed-helper": (
        {**MANAGED, "claude_settings_credential": "abc", "claude_settings_credential_helper": True},
        "unset claude_settings_credential_helper, or",
    ),
    "grpc-helper": (
        {"claude_settings_credential": "abc", "claude_settings_credential_helper": True},
        "claude_settings_credential_helper is true, but Claude Code asks a helper over HTTP only",
    ),
    "blank": ({"claude_settings_credential": "a b"}, "claude_settings_credential holds something else"),
    "percent": ({"claude_settings_credential": "a%20"}, "claude_settings_credential holds something else"),
    "comma": ({"claude_settings_credential": "a,b=c"}, "claude_settings_credential holds something else"),
    "newline": ({"claude_settings_credential": "a\n"}, "claude_settings_credential holds something else"),
    "two-headers": (
        {"claude_settings_credential": "abc", "claude_settings_env": HEADERS},
        "claude_settings_credential and claude_settings_env.OTEL_EXPORTER_OTLP_HEADERS both say the headers",
    ),
}
GATES = [f"OTEL_LOG_{name}" for name in ("USER_PROMPTS", "ASSISTANT_RESPONSES", "TOOL_DETAILS", "TOOL_CONTENT")]
BODIES, NAMED = "OTEL_LOG_RAW_API_BODIES", ["OTEL_METRICS_INCLUDE_VERSION", "OTEL_METRICS_INCLUDE_REPOSITORY"]
# What is let out, by the profile; a variable of the user's own wins.
PRIVACY: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "nothing": ({}, dict.fromkeys([*GATES, BODIES], "0") | dict.fromkeys(NAMED, "1")),
    "full": (
        {"stack_privacy": "full"},
        dict.fromkeys(GATES, "1") | {BODIES: "0"} | dict.fromkeys(NAMED, "1"),
    ),
    "own-gate": (
        {"claude_settings_env": {GATES[0]: "1"}},
        {GATES[0]: "1"} | dict.fromkeys([*GATES[1:], BODIES], "0") | dict.fromkeys(NAMED, "1"),
    ),
    # The profile is the collector's.
    "central": ({}, dict.fromkeys(GATES, "1") | {BODIES: "0"} | dict.fromkeys(NAMED, "1")),
}
# Same or another revision than "nothing".
SAME: dict[str, dict[str, Any]] = {
    "who": {"claude_settings_developer": "ada"},
    "default-env": {"claude_settings_env": {"OTEL_METRIC_EXPORT_INTERVAL": 10000}},
}
ANOTHER: dict[str, dict[str, Any]] = {
    "team": {"claude_settings_team": "t"},
    "nobody": {"claude_settings_developer": ""},
    "slower": {"claude_settings_env": {"OTEL_METRIC_EXPORT_INTERVAL": 60000}},
    "managed": MANAGED,
}
# Taken away, whatever is wrong with it by now.
GONE = {"claude_settings_state": "absent", "claude_settings_env": {"A": True}, "claude_settings_credential": "a b"}
KEYS = {"key": "abc==", "other-key": "abd=="}


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """One play for all cases, each a host."""
    folder = tmp_path_factory.mktemp("play")
    cases = {name: case[0] for name, case in {**SENDS, **REFUSED, **PRIVACY}.items()} | SAME | ANOTHER
    cases |= {name: {"claude_settings_credential": value} for name, value in KEYS.items()}
    cases["gone"] = GONE
    central = {name: cases.pop(name) for name in list(cases) if name.startswith("central")}
    groups = {"cases": {"hosts": cases, "vars": {"out": str(folder / "said")}}}
    answers: dict[str, Any] = {}
    for inventory in (
        groups,
        {
            "cases": {**groups["cases"], "hosts": central},
            "otel_collector": {"hosts": {COLLECTOR: {"stack_listen_address": "0.0.0.0", "stack_privacy": "full"}}},
        },
    ):
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
        assert not any(secret in done.stdout + done.stderr for secret in KEYS.values())
        answers |= json.loads((folder / "said").read_text())
    return answers


@pytest.mark.parametrize("name", SENDS)
def test_endpoint_and_protocol(said: dict[str, Any], name: str) -> None:
    _variables, endpoint, protocol = SENDS[name]
    assert (said[name]["env"][ENDPOINT], said[name]["env"][PROTOCOL]) == (endpoint, protocol)


@pytest.mark.parametrize("name", PRIVACY)
def test_what_clients_let_out(said: dict[str, Any], name: str) -> None:
    shown = {key: value for key, value in said[name]["env"].items() if key in (*GATES, BODIES, *NAMED)}
    assert shown == PRIVACY[name][1]


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(said: dict[str, Any], name: str) -> None:
    assert REFUSED[name][1] in said[name]["msg"]


def test_settings_that_are_wrong_can_be_taken_away(said: dict[str, Any]) -> None:
    assert said["gone"]["attributes"] == {"developer": "{user}"}


def test_a_revision_goes_with_the_telemetry(said: dict[str, Any]) -> None:
    revision = said["nothing"]["attributes"]["settings_revision"]
    assert said["nothing"]["attributes"] == {"developer": "{user}", "settings_revision": revision}
    others = {name: said[name]["attributes"]["settings_revision"] for name in [*SAME, *ANOTHER]}
    assert {name for name, other in others.items() if other == revision} == set(SAME)
    assert len(set(others.values())) == len(ANOTHER) + 1


def test_a_credential_is_a_header_and_no_part_of_the_revision(said: dict[str, Any]) -> None:
    assert said["key"]["env"]["OTEL_EXPORTER_OTLP_HEADERS"] == "Authorization=Bearer abc=="
    assert said["key"]["attributes"] == said["other-key"]["attributes"]
    assert said["key"]["attributes"] != said["nothing"]["attributes"]
