# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks of every day, in the order in which somebody gives a stack up."""

from __future__ import annotations

import json
import time

import pytest
from host_files import Seen, changed
from testbed import COLLECTION, READY, Host, Project

PROMETHEUS = "http://127.0.0.1:9090"
LOKI = "http://127.0.0.1:3100"


def verb(project: Project, host: Host, name: str, **variables: object):
    return project.play(project.inventory(host), f"{COLLECTION}.{name}", variables)


def up(host: Host) -> list[str]:
    return [name for name, url in READY.items() if host.answers(url)]


def post(host: Host, url: str, body: object) -> None:
    header = "Content-Type: application/json"
    host.sh(f"curl --silent --show-error --fail --header '{header}' --data '{json.dumps(body)}' '{url}'")


def write_data(host: Host) -> None:
    """Gives both stores something to remember."""
    now = str(time.time_ns())
    point = {"timeUnixNano": now, "asInt": "7"}
    metric = {"name": "keepsake", "gauge": {"dataPoints": [point]}}
    post(
        host,
        f"{PROMETHEUS}/api/v1/otlp/v1/metrics",
        {"resourceMetrics": [{"scopeMetrics": [{"metrics": [metric]}]}]},
    )
    post(host, f"{LOKI}/loki/api/v1/push", {"streams": [{"stream": {"app": "keepsake"}, "values": [[now, "seven"]]}]})


def remembered(host: Host) -> list[str]:
    """The stores that still know what write_data wrote."""
    metrics = host.get(f"{PROMETHEUS}/api/v1/query", "query=max_over_time(keepsake[1h])")["data"]["result"]
    events = host.get(f"{LOKI}/loki/api/v1/query_range", 'query={app="keepsake"}', "since=1h")["data"]["result"]
    return (["prometheus"] if metrics else []) + (["loki"] if events else [])


def below(path: str, *tops: str) -> bool:
    """Whether a path is a directory of a component, in one of these, or in it."""
    return any(path == f"{top}/{name}" or path.startswith(f"{top}/{name}/") for top in tops for name in READY)


def test_stop_and_start_keep_the_data(project, stack):
    write_data(stack)
    assert remembered(stack) == ["prometheus", "loki"]
    verb(project, stack, "stop").ok()
    assert up(stack) == []
    verb(project, stack, "status").ok()
    verb(project, stack, "status", status_fail="yes").failed_with(*(f"{name} on {stack.name}: " for name in READY))
    verb(project, stack, "start").ok()
    for url in READY.values():
        stack.sh(f"curl --silent --fail --retry 60 --retry-delay 1 --retry-all-errors '{url}'")
    assert remembered(stack) == ["prometheus", "loki"]


def test_status_tells_a_machine(project, stack):
    path = project.folder / "status.json"
    verb(project, stack, "status", status_json=str(path), status_fail="yes").ok()
    assert path.stat().st_mode & 0o777 == 0o600
    told = json.loads(path.read_text())
    assert (told["healthy"], told["silent_hosts"]) == (True, [])
    assert {one["component"] for one in told["components"]} == set(READY)
    for one in told["components"]:
        assert (one["host"], one["runtime"], one["health"]) == (stack.name, stack.runtime, "ok")
        assert (one["loopback"], one["encryption"]) == (True, "plain")
        assert one["senders"] == ("none" if one["component"] == "otel-collector" else "")
        assert isinstance(one["data_bytes"], int)
        assert all(isinstance(port, int) for port in one["ports"])


def test_restart_restarts_what_is_asked_for(project, stack):
    before = {name: stack.service(name) for name in READY}
    verb(project, stack, "restart", component="lokki").failed_with("component is lokki", "Nothing was restarted")
    assert {name: stack.service(name) for name in READY} == before
    verb(project, stack, "restart", component="otel_collector").ok()
    after = {name: stack.service(name) for name in READY}
    assert [name for name in READY if after[name] != before[name]] == ["otel-collector"]
    verb(project, stack, "restart").ok()
    assert not [name for name in READY if stack.service(name) == after[name]]
    assert up(stack) == list(READY)


@pytest.mark.one_runtime
def test_restart_goes_no_further_than_what_does_not_come_back(project, stack):
    config = "/etc/prometheus/current/prometheus.yml"
    stack.sh(f"cp {config} /tmp/whole.yml && echo nonsense >{config}")
    before = {name: stack.service(name) for name in READY}
    try:
        verb(project, stack, "restart").failed_with("prometheus does not answer at", "Its last lines:", "nonsense")
        after = {name: stack.service(name) for name in READY}
        assert [name for name in READY if after[name] != before[name]] == ["prometheus"]
    finally:
        stack.sh(f"cat /tmp/whole.yml >{config}")
    verb(project, stack, "restart", component="prometheus").ok()
    assert up(stack) == list(READY)


def test_logs_show_what_a_component_says(project, stack):
    played = verb(project, stack, "logs", component="otel_collector", lines=20).ok()
    assert "Everything is ready. Begin running and processing data." in played.said
    assert "TSDB" not in played.said


@pytest.mark.parametrize(("name", "told"), [("reset", "Nothing was deleted"), ("uninstall", "Nothing was removed")])
def test_nothing_is_lost_without_a_yes(project, stack, name, told):
    verb(project, stack, name).failed_with(told)
    assert up(stack) == list(READY)


def test_reset_leaves_an_empty_stack_that_runs(project, stack):
    # Reset ends with a play, which tidies up what plays with other variables have left.
    verb(project, stack, "site").ok()
    write_data(stack)
    before = Seen.now(stack)
    verb(project, stack, "reset", confirm="yes").ok()
    assert up(stack) == list(READY)
    assert remembered(stack) == []
    after = Seen.now(stack)
    elsewhere = {path: told for path, told in changed(before.files, after.files).items() if not below(path, "/var/lib")}
    assert elsewhere == {}
    assert (after.users, after.engine) == (before.users, before.engine)


def test_uninstall_keeps_files_and_data(project, stack, bare):
    write_data(stack)
    before = Seen.now(stack)
    verb(project, stack, "uninstall", confirm="yes").ok()
    assert up(stack) == []
    left = Seen.now(stack)
    new = changed(bare.files, left.files)
    assert [path for path in new if not below(path, "/etc", "/var/lib", "/opt")] == []
    tops = ["/etc", "/var/lib"] + (["/opt"] if stack.runtime == "systemd" else [])
    assert {f"{top}/{name}" for top in tops for name in READY} <= new.keys()
    # Programs and configuration are as they were; in their data, programs tidy up as they end.
    gone = [path for path in changed(before.files, left.files) if not below(path, "/var/lib")]
    assert [path for path in gone if not path.startswith("/etc/systemd/system/")] == []
    assert left.users - bare.users == set(READY)
    assert left.engine == bare.engine
    project.play(project.inventory(stack), f"{COLLECTION}.site").ok()
    assert remembered(stack) == ["prometheus", "loki"]


def test_uninstall_with_purge_leaves_nothing_but_the_users(project, stack, bare):
    verb(project, stack, "uninstall", confirm="yes", purge="yes").ok()
    assert up(stack) == []
    left = Seen.now(stack)
    assert changed(bare.files, left.files) == {}
    assert left.users - bare.users == set(READY)
    assert left.engine == bare.engine
