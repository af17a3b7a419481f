# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The callback in real runs: four hosts are folders of this machine, one is an address where nothing listens."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[4]
PLAYBOOK = """
- hosts: clients
  gather_facts: false
  serial: "{{ batch | default('100%') }}"
  ignore_unreachable: true
  environment: {HOME: "{{ playbook_dir }}/{{ inventory_hostname }}"}
  tasks:
    - debug:
        msg: Not a rollout
    - claude_code.observability.claude_settings:
        env: {CLAUDE_CODE_ENABLE_TELEMETRY: "1", OTEL_METRICS_EXPORTER: otlp, OTEL_LOGS_EXPORTER: otlp}
        secret_env: {OTEL_EXPORTER_OTLP_HEADERS: x-token=hunter2}
      check_mode: "{{ ask | default(omit) }}"
"""
KEYS = [
    "CLAUDE_CODE_ENABLE_TELEMETRY",
    "OTEL_METRICS_EXPORTER",
    "OTEL_LOGS_EXPORTER",
    "OTEL_EXPORTER_OTLP_HEADERS",
]


class Fleet:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "play.yml").write_text(PLAYBOOK)
        (folder / "ansible.cfg").touch()
        hosts: dict[str, dict[str, Any]] = {name: {} for name in ("ada", "broken", "grace", "linus")}
        for name in hosts:
            (folder / name / ".claude").mkdir(parents=True)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        hosts["far"] = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": port}
        variables = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
        (folder / "hosts.json").write_text(json.dumps({"clients": {"hosts": hosts, "vars": variables}}))
        (folder / "broken/.claude/settings.json").write_text('{"env": {},}')

    def play(self, *arguments: str) -> tuple[int, str]:
        """Exit code and output, with a line of progress for every host."""
        done = subprocess.run(
            [Path(sys.executable).parent / "ansible-playbook", "-i", "hosts.json", "play.yml", *arguments],
            cwd=self.folder,
            env={
                **os.environ,
                "ANSIBLE_CONFIG": "ansible.cfg",
                "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"),
                "ANSIBLE_CALLBACKS_ENABLED": "claude_code.observability.rollout_report",
                "ANSIBLE_ROLLOUT_REPORT_PATH": "out/rollout",
                "ANSIBLE_ROLLOUT_REPORT_INTERVAL": "0",
                "ANSIBLE_NOCOLOR": "1",
            },
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    def report(self) -> dict[str, Any]:
        return json.loads((self.folder / "out/rollout.json").read_text())

    def states(self) -> dict[str, str]:
        return {host["name"]: host["state"] for host in self.report()["hosts"]}

    @property
    def retry(self) -> Path:
        return self.folder / "out/rollout.retry"


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    return Fleet(tmp_path)


def test_a_rollout_and_what_is_left_of_it(fleet: Fleet) -> None:
    code, output = fleet.play()
    assert code == 2
    assert fleet.states() == {
        "broken": "failed",
        "far": "unreachable",
        "ada": "changed",
        "grace": "changed",
        "linus": "changed",
    }
    assert fleet.report()["totals"] == {
        "hosts": 5,
        "failed": 1,
        "unreachable": 1,
        "not_reached": 0,
        "changed": 3,
        "unchanged": 0,
        "users_changed": 3,
    }
    hosts = {host["name"]: host for host in fleet.report()["hosts"]}
    assert hosts["ada"]["users"][0]["keys_added"] == KEYS
    assert hosts["ada"]["seconds"] > 0
    assert "settings.json:1:11: " in hosts["broken"]["error"]
    assert hosts["far"]["error"].startswith("Failed to connect to the host via ssh")
    assert fleet.retry.read_text() == "broken\nfar\n"

    lines = re.findall(r"^Rollout: (\d) of 5 hosts: .*$", output, re.MULTILINE)
    assert lines == ["1", "2", "3", "4", "5", "5"]
    assert f"--limit @{fleet.retry}" in output
    for ending in ("html", "json"):
        path = fleet.folder / f"out/rollout.{ending}"
        assert path.stat().st_mode & 0o777 == 0o600
        assert "hunter2" not in path.read_text()

    (fleet.folder / "broken/.claude/settings.json").write_text("{}")
    code, output = fleet.play("--limit", f"@{fleet.retry}")
    assert code == 0, output
    assert fleet.states() == {"broken": "changed", "far": "unreachable"}
    assert fleet.retry.read_text() == "far\n"

    code, output = fleet.play("--limit", "!far")
    assert code == 0, output
    assert set(fleet.states().values()) == {"unchanged"}
    assert not fleet.retry.exists()


def test_a_batch_that_fails_as_a_whole_leaves_the_others_for_the_next_run(fleet: Fleet) -> None:
    code, output = fleet.play("-e", "batch=1", "--limit", "broken,grace,linus")
    assert code == 2, output
    assert fleet.states() == {"broken": "failed", "grace": "not reached", "linus": "not reached"}
    assert fleet.retry.read_text() == "broken\ngrace\nlinus\n"


def test_a_batch_that_is_away_as_a_whole_does_not_stop_the_others(fleet: Fleet) -> None:
    code, output = fleet.play("-e", "batch=1", "--limit", "far,grace,linus")
    assert code == 0, output
    assert fleet.states() == {"far": "unreachable", "grace": "changed", "linus": "changed"}


def test_check_mode_says_so(fleet: Fleet) -> None:
    fleet.play("--check", "--limit", "ada")
    assert fleet.report()["check_mode"] is True
    assert fleet.states() == {"ada": "changed"}


def test_a_task_that_only_asks_leaves_the_last_report(fleet: Fleet) -> None:
    code, output = fleet.play("-e", '{"ask": true}')
    assert code == 2
    assert "Rollout:" not in output
    assert not (fleet.folder / "out").exists()
