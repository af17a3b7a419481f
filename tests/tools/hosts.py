# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Test hosts, what can happen to them, and plays on them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
TIMEOUT = 900


def run(*argv: str, check: bool = True) -> str:
    """Runs a command on this machine; returns its output."""
    done = subprocess.run(argv, capture_output=True, text=True, timeout=TIMEOUT)
    assert not check or done.returncode == 0, f"{' '.join(argv)}\n{done.stdout}{done.stderr}"
    return done.stdout.strip()


def wait(what: str, ready: Callable[[], bool], patience: float) -> None:
    """Until it is so. Fails after `patience` seconds, saying what was waited for."""
    end = time.monotonic() + patience
    while not ready():
        assert time.monotonic() < end, f"not within {patience:.0f} s: {what}"
        time.sleep(0.3)


@dataclass(frozen=True)
class TestHost:
    """A systemd test host by the name of its container."""

    # No test, whatever its name says.
    __test__ = False
    name: str

    def start(self, suite: str, kind: str, *options: str) -> None:
        run(f"{ROOT}/tests/hosts/run", self.name, suite, kind, *options)

    def sh(self, script: str, check: bool = True) -> str:
        """Runs a shell script as root on the host; returns its output."""
        return run("docker", "exec", self.name, "sh", "-c", script, check=check)

    def kill(self, component: str) -> None:
        """kill -9 by the number that this machine knows the process by, so that no runtime takes it for a stop."""
        for line in run("docker", "top", self.name, "-eo", "pid,args").splitlines():
            pid, _space, command = line.strip().partition(" ")
            if command.strip().startswith(f"/opt/{component}/"):
                argv = ["kill", "-KILL", pid]
                run(*(argv if os.geteuid() == 0 else ["sudo", *argv]))
                return
        raise AssertionError(f"no process of {component} on {self.name}")

    def reset(self) -> None:
        """kill -9 of everything at once."""
        run("docker", "kill", "--signal=KILL", self.name)

    def boot(self) -> None:
        run("docker", "start", self.name)


@dataclass(frozen=True)
class Site:
    """An inventory, and plays of it."""

    inventory: Path

    def begin(self, playbook: str, *options: str) -> subprocess.Popen[str]:
        said = {"ANSIBLE_CALLBACK_RESULT_FORMAT": "yaml", "ANSIBLE_NOCOLOR": "1", "ANSIBLE_PIPELINING": "1"}
        argv = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", str(self.inventory)]
        return subprocess.Popen(
            [*argv, str(ROOT / "playbooks" / f"{playbook}.yml"), *options],
            env={**os.environ, **said, "LC_ALL": "C.UTF-8"},
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def play(self, playbook: str, *options: str) -> str:
        """What a play says that succeeds."""
        process = self.begin(playbook, *options)
        output = process.communicate(timeout=TIMEOUT)[0]
        assert process.returncode == 0, output
        return output


def clear(label: str, kinds: Iterable[str] = ("ps --all", "network ls")) -> None:
    """Removes what this or an interrupted run has left."""
    removed = {"ps --all": "rm --force --volumes", "network ls": "network rm", "volume ls": "volume rm"}
    for kind in kinds:
        left = run("docker", *kind.split(), "--quiet", "--filter", f"label={label}").split()
        if left:
            run("docker", *removed[kind].split(), *left)
