# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""kill -9 of a play, on both ends, while it rolls a changed configuration out."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import signal
from collections.abc import Mapping
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from pathlib import Path

import pytest
from testbed import TIMEOUT, Host, Project

# Where the module stops: a pattern for a Python audit event and its arguments, in either runtime.
POINTS = {
    "half the files written": r"^open .*/etc/prometheus/sets/\.stage-.*/rules/release\.yml",
    "written and checked": r"^os\.rename .*'/etc/prometheus/current'",
    "in force, not loaded": r"^subprocess\.Popen .*'reload', b?'prometheus|^http\.client\.send .*POST /\S*/restart",
    "loaded, not asked": r"^urllib\.Request .*:9090/-/ready",
    "asked, not recorded": r"^os\.rename .*'/etc/prometheus/applied'",
    "another start due": r"^subprocess\.Popen .*'restart', b?'prometheus|^http\.client\.send .*POST /\S*/create",
}
RUNTIMES_DIFFER = ("in force, not loaded", "another start due")
ANOTHER_START = {
    "systemd": {"prometheus_memory_limit": "1G"},
    "docker": {"prometheus_image": "prom/prometheus:again"},
}
release = itertools.count(1)


def variables(number: int, more: Mapping[str, str]) -> dict:
    """A configuration that says its number in both of its files."""
    rules = {"groups": [{"name": "release", "rules": [{"record": f"release:{number}", "expr": "vector(1)"}]}]}
    return {
        "prometheus_config_overrides": {"global": {"external_labels": {"release": f"release:{number}"}}},
        "prometheus_rules": {"release": rules},
        "ansible_python_interpreter": "/acceptance/python",
        **more,
    }


def descendants(pid: int) -> list[int]:
    """The processes below a process; Ansible's workers are sessions of their own."""
    try:
        children = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []
    return [*children, *itertools.chain.from_iterable(descendants(child) for child in children)]


def play_and_kill(project: Project, host: Host, playbook: Path, point: str, changes: dict) -> None:
    """Plays up to the point, then kills the controller's processes and the module's."""
    host.sh(f"rm -f /run/stopped; mkfifo /run/stopped; cat >/run/stop-at <<'END'\n{POINTS[point]}\nEND")
    play = project.begin(project.inventory(host), playbook, changes)
    with ThreadPoolExecutor() as pool:
        ended = pool.submit(play.communicate)
        stopped = pool.submit(host.sh, "cat /run/stopped")
        wait([ended, stopped], TIMEOUT, FIRST_COMPLETED)
        if ended.done():
            host.sh("echo >/run/stopped")
            pytest.fail(f"the play never got there:\n{ended.result()[0]}")
        for pid in [play.pid, *descendants(play.pid)]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        host.sh(f"kill -KILL {stopped.result()}")


def releases(text: str) -> set[str]:
    return set(re.findall(r"release:\d+", text))


def in_force(host: Host) -> str:
    """The release of the set in force, which must be whole."""
    files = {name: host.sh(f"cat /etc/prometheus/current/{name}") for name in ("prometheus.yml", "rules/release.yml")}
    found = [releases(text) for text in files.values()]
    assert len(found[0]) == 1 and found[0] == found[1], files
    return found[0].pop()


def running(host: Host) -> str:
    """The release that the running Prometheus says it has, in configuration and rules."""
    config = host.get("http://127.0.0.1:9090/api/v1/status/config")["data"]["yaml"]
    rules = host.get("http://127.0.0.1:9090/api/v1/rules")["data"]["groups"]
    found = releases(config), releases(str(rules))
    assert len(found[0]) == 1 and found[0] == found[1], found
    return found[0].pop()


@pytest.fixture(scope="session")
def playbook(project):
    return project.foreign_play("prometheus")


@pytest.fixture(scope="session")
def first_release(project, host, site, playbook):
    """A configuration that says its number is in force."""
    site.ok()
    if host.runtime == "docker":
        host.sh("docker tag prom/prometheus:v3.13.5 prom/prometheus:again")
    project.play(project.inventory(host), playbook, variables(next(release), {})).ok()


def marks(point: str) -> pytest.MarkDecorator | tuple[()]:
    """Between those of every day nothing more is at stake."""
    if point in ("loaded, not asked", "asked, not recorded"):
        return pytest.mark.thorough
    return () if point in RUNTIMES_DIFFER else pytest.mark.one_runtime


@pytest.mark.parametrize("point", [pytest.param(each, marks=marks(each)) for each in POINTS])
def test_killed_while_a_configuration_rolls_out(project, stack, playbook, first_release, point):
    before, number = in_force(stack), next(release)
    changes = variables(number, ANOTHER_START[stack.runtime] if point == "another start due" else {})
    play_and_kill(project, stack, playbook, point, changes)
    switched = point not in ("half the files written", "written and checked")
    assert in_force(stack) == (f"release:{number}" if switched else before)

    project.play(project.inventory(stack), playbook, changes).ok()
    assert in_force(stack) == f"release:{number}"
    assert running(stack) == f"release:{number}"
    assert stack.sh("readlink /etc/prometheus/applied") == stack.sh("readlink /etc/prometheus/current")
    assert ".stage-" not in stack.sh("ls --all /etc/prometheus/sets")
