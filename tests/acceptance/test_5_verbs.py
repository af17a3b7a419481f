# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks of every day, in the order in which somebody gives a stack up."""

from __future__ import annotations

import json
import time

import pytest
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


def left_of(host: Host) -> list[str]:
    """Every directory, container, network and unit of the stack that is on the host."""
    paths = [f"{top}/{name}" for top in ("/etc", "/var/lib", "/opt") for name in READY]
    units = [f"/etc/systemd/system/{sub}{name}.service" for sub in ("", "multi-user.target.wants/") for name in READY]
    return host.sh(
        f"ls --directory {' '.join(paths + units)} 2>/dev/null;"
        "docker ps --all --filter label=claude_code.observability --format '{{.Names}}';"
        "docker network ls --filter label=claude_code.observability --format '{{.Name}}'",
        check=False,
    ).splitlines()


def test_stop_and_start_keep_the_data(project, stack):
    write_data(stack)
    assert remembered(stack) == ["prometheus", "loki"]
    verb(project, stack, "stop").ok()
    assert up(stack) == []
    verb(project, stack, "start").ok()
    for url in READY.values():
        stack.sh(f"curl --silent --fail --retry 60 --retry-delay 1 --retry-all-errors '{url}'")
    assert remembered(stack) == ["prometheus", "loki"]


def test_logs_show_what_a_component_says(project, stack):
    played = verb(project, stack, "logs", component="otel_collector", lines=20).ok()
    assert "Everything is ready. Begin running and processing data." in played.said
    assert "TSDB" not in played.said


@pytest.mark.parametrize(("name", "told"), [("reset", "Nothing was deleted"), ("uninstall", "Nothing was removed")])
def test_nothing_is_lost_without_a_yes(project, stack, name, told):
    verb(project, stack, name).failed_with(told)
    assert up(stack) == list(READY)


def test_reset_leaves_an_empty_stack_that_runs(project, stack):
    write_data(stack)
    verb(project, stack, "reset", confirm="yes").ok()
    assert up(stack) == list(READY)
    assert remembered(stack) == []


def test_uninstall_keeps_files_and_data(project, stack):
    write_data(stack)
    verb(project, stack, "uninstall", confirm="yes").ok()
    assert up(stack) == []
    assert [path for path in left_of(stack) if not path.startswith(("/etc/", "/var/lib/", "/opt/"))] == []
    assert not [path for path in left_of(stack) if path.startswith("/etc/systemd/")]
    project.play(project.inventory(stack), f"{COLLECTION}.site").ok()
    assert remembered(stack) == ["prometheus", "loki"]


def test_uninstall_with_purge_leaves_nothing(project, stack):
    verb(project, stack, "uninstall", confirm="yes", purge="yes").ok()
    assert up(stack) == []
    assert left_of(stack) == []
