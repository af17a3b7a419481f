# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The life of a rollout to a fleet, in the order of the file: each test goes on where the one before has left off."""

from __future__ import annotations

import base64
import json
import re
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from laptops import Fleet
from people import USERS, Settings

BY_HAND = Path(__file__).parent / "by_hand.yml"
CLIENTS = "claude_code.observability.clients"
OURS = {
    "CLAUDE_CODE_ENABLE_TELEMETRY": "1",
    "OTEL_METRICS_EXPORTER": "otlp",
    "OTEL_LOGS_EXPORTER": "otlp",
    "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector.example.com:4317",
    "OTEL_METRIC_EXPORT_INTERVAL": "10000",
    "OTEL_LOG_USER_PROMPTS": "0",
    "OTEL_LOG_ASSISTANT_RESPONSES": "0",
    "OTEL_LOG_TOOL_DETAILS": "0",
    "OTEL_LOG_TOOL_CONTENT": "0",
    "OTEL_LOG_RAW_API_BODIES": "0",
    "OTEL_METRICS_INCLUDE_VERSION": "1",
    "OTEL_METRICS_INCLUDE_REPOSITORY": "1",
}
ATTRIBUTES = "OTEL_RESOURCE_ATTRIBUTES"
PEOPLE = {"claude_settings_users": list(USERS)}
ONE_CALL = {"execution": 1}
Everybody = Mapping[tuple[str, str], Settings]
Look = Mapping[str, Mapping[str, Any]]


def calls(look: Look) -> dict[str, int]:
    """How many hosts there are of each number and kind of calls."""
    found: dict[str, int] = {}
    for host in look.values():
        key = json.dumps(host["calls"], sort_keys=True)
        found[key] = found.get(key, 0) + 1
    return found


def files(look: Look) -> dict[tuple[str, str], Any]:
    return {(name, user): of["file"] for name, host in look.items() for user, of in host["users"].items()}


def items(attributes: str) -> dict[str, str]:
    return dict(item.split("=", 1) for item in attributes.split(",") if item)


def assert_set(user: str, own: Settings, found: Mapping[str, Any], team: str = "") -> None:
    """The file says ours, and is the same elsewhere: in value, in bytes outside `env`, in owner, mode and link."""
    content = base64.b64decode(found["content"]).decode()
    now, before = json.loads(content.removeprefix("\ufeff")), own.values
    env, former = now.pop("env"), before.pop("env", {})
    assert now == before
    had, has = items(former.pop(ATTRIBUTES, "")), items(env.pop(ATTRIBUTES))
    assert env == {**former, **OURS}
    assert has | had | {"developer": user} | ({"team": team} if team else {}) == has
    assert content.startswith(own.head)
    assert content.endswith(own.tail)
    assert (found["owner"], found["link"]) == (user, own.link or None)
    assert found["mode"] == oct(own.mode if own.exists else 0o600)


def test_everybody_gets_the_settings_in_one_call_a_host(fleet: Fleet, before: Everybody) -> None:
    fleet.forget_calls()
    played = fleet.play(CLIENTS, **PEOPLE).ok()
    look = fleet.look()
    assert calls(look) == {json.dumps(ONE_CALL): len(fleet.names)}
    found = files(look)
    assert set(found) == set(before)
    for (host, user), own in before.items():
        assert_set(user, own, found[host, user])

    totals = fleet.report["totals"]
    assert (totals["hosts"], totals["changed"]) == (len(fleet.names), len(fleet.names))
    assert totals["users_changed"] == len(before)
    assert not fleet.retry.exists()
    assert re.search(rf"^Rollout: {len(fleet.names)} of {len(fleet.names)} hosts: .* in all$", played.output, re.M)


def test_a_second_run_changes_nothing(fleet: Fleet) -> None:
    first = fleet.look()
    fleet.forget_calls()
    played = fleet.play(CLIENTS, **PEOPLE).ok()
    assert {counts["changed"] for counts in played.recap.values()} == {0}
    assert fleet.report["totals"]["unchanged"] == len(fleet.names)
    second = fleet.look()
    assert calls(second) == {json.dumps(ONE_CALL): len(fleet.names)}
    assert files(second) == files(first)


def test_two_laptops_away_and_a_broken_file_hold_nobody_up(fleet: Fleet, before: Everybody) -> None:
    away, broken = fleet.names[1:3], fleet.names[4]
    reachable = {name: fleet.hosts[name] for name in away}
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    for name in away:
        fleet.hosts[name] = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": port}
    path = "/home/ada/.claude/settings.json"
    fleet.sh(broken, f"cp --preserve {path} /root/kept && echo '{{\"env\": {{}},}}' >{path}")
    untouched = files(fleet.look())
    fleet.forget_calls()

    # The second batch is the two that are away and nobody else.
    played = fleet.play(CLIENTS, **PEOPLE, claude_settings_team="compilers", clients_serial=[1, 2, "50%"])
    assert played.code == 2, played.output
    look = fleet.look()
    assert calls(look) == {"{}": 2, json.dumps(ONE_CALL): len(fleet.names) - 2}
    for (host, user), found in files(look).items():
        if host in away or (host, user) == (broken, "ada"):
            assert found == untouched[host, user]
        else:
            assert_set(user, before[host, user], found, "compilers")

    report = fleet.report
    states = {
        state: {one["name"] for one in report["hosts"] if one["state"] == state} for state in report_states(report)
    }
    done = set(fleet.names) - {*away, broken}
    assert states == {"failed": {broken}, "unreachable": set(away), "changed": done}
    error = next(one["error"] for one in report["hosts"] if one["name"] == broken)
    assert error.startswith(f"1 of 3 users: ada: {path}:1:11: ")
    assert report["totals"]["users_changed"] == 3 * len(done) + 2
    assert fleet.retry.read_text().split() == sorted([*away, broken])

    # Only unreachable ones are missing: that is no failure.
    fleet.sh(broken, f"cp --preserve /root/kept {path}")
    fleet.play(CLIENTS, f"--limit=@{fleet.retry}", **PEOPLE, claude_settings_team="compilers", clients_serial=1).ok()
    assert fleet.retry.read_text().split() == sorted(away)
    fleet.hosts.update(reachable)
    fleet.play(CLIENTS, f"--limit=@{fleet.retry}", **PEOPLE, claude_settings_team="compilers").ok()
    assert not fleet.retry.exists()
    for (host, user), found in files(fleet.look()).items():
        assert_set(user, before[host, user], found, "compilers")


def report_states(report: Mapping[str, Any]) -> set[str]:
    return {host["state"] for host in report["hosts"]}


def test_taking_it_back_leaves_everybody_what_they_had(fleet: Fleet, before: Everybody) -> None:
    fleet.forget_calls()
    fleet.play(CLIENTS, **PEOPLE, claude_settings_state="absent").ok()
    look = fleet.look()
    assert calls(look) == {json.dumps(ONE_CALL): len(fleet.names)}
    for (host, user), own in before.items():
        had = look[host]["users"][user]
        assert had["directory"] == own.exists
        if own.exists:
            assert base64.b64decode(had["file"]["content"]) == own.content
            assert (had["file"]["owner"], had["file"]["mode"]) == (user, oct(own.mode))
            assert had["file"]["link"] == (own.link or None)
        else:
            assert had["file"] is None


def test_by_hand_it_takes_nine_calls(fleet: Fleet) -> None:
    # What the benchmark compares with. The settings of this host are ones that can be merged by hand.
    host = fleet.names[3]
    fleet.forget_calls()
    fleet.play(str(BY_HAND), f"--limit={host}", **PEOPLE).ok()
    look = fleet.look()[host]
    assert look["calls"]["execution"] == 9
    for user in USERS:
        env = json.loads(base64.b64decode(look["users"][user]["file"]["content"]))["env"]
        assert OURS.items() <= env.items()
