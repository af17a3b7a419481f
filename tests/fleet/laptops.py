# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A fleet of light test hosts: the image of the others, but with a shell script and `sleep` instead of systemd."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

ROOT = Path(__file__).parents[2]
LABEL = "claude_code.observability.test"
REMOTE = Path(__file__).parent / "remote"
FORKS = 20
# The environment of whoever runs the tests must not decide what they test.
FOREIGN_SETTINGS = ("ANSIBLE_", "CLAUDE_", "OTEL_")
Answer = TypeVar("Answer")


def run(*argv: str) -> str:
    """Runs a command on this machine; returns its output."""
    done = subprocess.run(argv, capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(argv)}\n{done.stdout}{done.stderr}"
    return done.stdout.strip()


@dataclass(frozen=True)
class Played:
    """What a run of a playbook ended with."""

    code: int
    output: str

    def ok(self) -> Played:
        assert self.code == 0, self.output
        return self

    @property
    def recap(self) -> dict[str, dict[str, int]]:
        """The counts of each host in Ansible's own summary."""
        lines = re.findall(r"^(\S+) +: (ok=.*)$", self.output, re.MULTILINE)
        return {
            host: {name: int(value) for name, value in re.findall(r"(\w+)=(\d+)", counts)} for host, counts in lines
        }


class Fleet:
    """`size` hosts named laptop-001 and so on. `homes` has a folder for each user of each of them."""

    def __init__(self, folder: Path, size: int, suite: str) -> None:
        self.folder = folder
        self.suite = suite
        self.names = [f"laptop-{number:03}" for number in range(1, size + 1)]
        self.hosts: dict[str, dict[str, Any]] = {name: {"ansible_host": self._container(name)} for name in self.names}
        self.variables: dict[str, Any] = {
            "ansible_connection": "community.docker.docker",
            "ansible_python_interpreter": "/usr/local/bin/counted-python",
            "otel_collector_external_url": "http://collector.example.com:4317",
        }

    def _container(self, name: str) -> str:
        return f"ccobs-{self.suite}-{name}"

    def home(self, host: str, user: str) -> Path:
        return self.folder / "homes" / host / user

    def start(self) -> None:
        self.clear()
        image = run(f"{ROOT}/tests/hosts/build", "plain")

        def start(host: str) -> None:
            run(
                *("docker", "run", "--detach", "--init", "--network=none", "--label", f"{LABEL}={self.suite}"),
                *("--name", self._container(host), "--hostname", host),
                *("--volume", f"{self.folder}/homes/{host}:/homes:ro", "--volume", f"{REMOTE}:/fleet:ro"),
                *(image, "/fleet/laptop"),
            )

        self.each(start)
        self.each(lambda host: self.sh(host, "until [ -e /run/ansible-calls ]; do sleep 0.1; done"))

    def clear(self) -> None:
        """Removes the hosts that this or an interrupted run has left."""
        left = run("docker", "ps", "--all", "--quiet", "--filter", f"label={LABEL}={self.suite}").split()
        if left:
            run("docker", "rm", "--force", "--volumes", *left)

    def each(self, act: Callable[[str], Answer], hosts: Sequence[str] = ()) -> dict[str, Answer]:
        """What `act` returns for each host, a few at a time."""
        names = list(hosts or self.names)
        with ThreadPoolExecutor(max_workers=4) as pool:
            return dict(zip(names, pool.map(act, names)))

    def sh(self, host: str, script: str) -> str:
        """Runs a shell script as root on a host; returns its output."""
        return run("docker", "exec", self._container(host), "sh", "-c", script)

    def forget_calls(self) -> None:
        self.each(lambda host: self.sh(host, ": >/run/ansible-calls"))

    def look(self) -> dict[str, dict[str, Any]]:
        """Each host's `users` with their settings, and its `calls` since they were forgotten."""
        return self.each(lambda host: json.loads(self.sh(host, "/fleet/settings")))

    def play(self, playbook: str, *options: str, **variables: Any) -> Played:
        """Runs a playbook on the group `clients`, with a report at folder/rollout."""
        inventory = self.folder / "inventory.json"
        inventory.write_text(json.dumps({"clients": {"hosts": self.hosts, "vars": self.variables}}))
        argv = [str(Path(sys.executable).parent / "ansible-playbook"), "--inventory", str(inventory), playbook]
        argv += ["--forks", str(FORKS), "--extra-vars", json.dumps(variables), *options]
        kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN_SETTINGS)}
        environment = {
            **kept,
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"),
            "ANSIBLE_CALLBACKS_ENABLED": "claude_code.observability.rollout_report",
            "ANSIBLE_ROLLOUT_REPORT_PATH": str(self.folder / "rollout"),
            "ANSIBLE_PIPELINING": "true",
            "ANSIBLE_NOCOLOR": "true",
        }
        done = subprocess.run(argv, cwd=self.folder, env=environment, capture_output=True, text=True)
        return Played(done.returncode, done.stdout + done.stderr)

    @property
    def report(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "rollout.json").read_text())
        return found

    @property
    def retry(self) -> Path:
        return self.folder / "rollout.retry"
