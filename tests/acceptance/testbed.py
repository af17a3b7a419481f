# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A throw-away host, and a project that has nothing but the collection as it is published."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "claude_code.observability"
SUITE = "acceptance"
LABEL = f"claude_code.observability.test={SUITE}"
COLLECTION = "claude_code.observability"
TIMEOUT = 600

# A path that answers 200 as soon as the component works.
READY = {
    "prometheus": "http://127.0.0.1:9090/-/ready",
    "loki": "http://127.0.0.1:3100/ready",
    "otel-collector": "http://127.0.0.1:13133/",
}

INVENTORY = """---
claude_code_observability:
  children:
    otel_collector: {{hosts: {{{host}: {{}}}}}}
    prometheus: {{hosts: {{{host}: {{}}}}}}
    loki: {{hosts: {{{host}: {{}}}}}}
  vars:
    ansible_connection: community.docker.docker
    stack_runtime: {runtime}
    stack_mirror: file:///mirror
"""

# What of a container decides how the next boot starts it.
STARTS_WITH = "{{.Image}} {{json .Config}} {{with .HostConfig}}{{.Binds}} {{.PortBindings}} {{.RestartPolicy}}{{end}}"

# The environment of whoever runs the tests must not decide what they test.
FOREIGN_SETTINGS = ("ANSIBLE_", "MOLECULE_", "CLAUDE_", "OTEL_")


def run(*argv: str, check: bool = True) -> str:
    """Runs a command on this machine; returns its output."""
    done = subprocess.run(argv, capture_output=True, text=True, timeout=TIMEOUT)
    assert not check or done.returncode == 0, f"{' '.join(argv)}\n{done.stdout}{done.stderr}"
    return done.stdout.strip()


class Host:
    """A systemd test host with a docker engine inside, in a container and network of its own."""

    def __init__(self, runtime: str) -> None:
        self.runtime = runtime
        self.name = f"ccobs-acceptance-{runtime}"

    def start(self) -> None:
        run(
            f"{ROOT}/tests/hosts/run",
            self.name,
            SUITE,
            "docker",
            f"--volume={CACHE}/bundle/mirror:/mirror:ro",
            f"--volume={Path(__file__).parent}/remote:/acceptance:ro",
        )
        if self.runtime == "docker":
            self.sh("for image in /mirror/images/*.tar; do docker load --quiet --input $image || exit 1; done")

    def wait_until_booted(self) -> None:
        booted = "systemctl is-system-running --wait | grep --extended-regexp 'running|degraded'"
        self.sh(f'timeout 60 sh -c "until {booted}; do :; done"')
        assert self.sh("systemctl is-system-running") == "running"

    def reboot(self) -> None:
        run("docker", "restart", self.name)
        self.wait_until_booted()

    @staticmethod
    def clear() -> None:
        """Removes the hosts that this or an interrupted run has left."""
        left = run("docker", "ps", "--all", "--quiet", "--filter", f"label={LABEL}").split()
        if left:
            run("docker", "rm", "--force", "--volumes", *left)

    def sh(self, script: str, check: bool = True) -> str:
        """Runs a shell script as root on the host; returns its output."""
        return run("docker", "exec", self.name, "sh", "-c", script, check=check)

    def answers(self, url: str) -> bool:
        return self.sh(f"curl --silent --fail --output /dev/null '{url}' && echo yes", check=False) == "yes"

    def get(self, url: str, *parameters: str) -> Any:
        """The JSON that a URL of the host answers with; parameters are name=value."""
        encoded = " ".join(f"--data-urlencode '{parameter}'" for parameter in parameters)
        return json.loads(self.sh(f"curl --silent --show-error --get '{url}' {encoded}"))

    def everything(self) -> str:
        """Files, containers, networks, volumes, images, unit files and running services."""
        return self.sh(
            "listing; systemctl list-unit-files --no-legend;"
            "systemctl list-units --plain --no-legend --state=active --type=service,socket,timer"
        )

    def service(self, name: str) -> str:
        """The identity of what runs as a component, so that a restart or reload by another process shows."""
        if self.runtime == "docker":
            fields = "{{.Id}} {{.State.Status}} {{.State.Pid}} {{.State.StartedAt}} {{.RestartCount}}"
            return self.sh(f"docker inspect --format '{fields}' {name}")
        return self.sh(
            f"systemctl show --property=ActiveState,MainPID,ExecMainStartTimestampMonotonic,NRestarts {name}.service"
        )

    def configuration(self, name: str) -> str:
        """Every file of a component's configuration with owner, mode and content, and what the next boot starts."""
        return self.sh(
            f"find /etc/{name} -printf '%p %y %m %u:%g %l\\n' | sort;"
            f"find /etc/{name} -type f -exec sha256sum '{{}}' + | sort;"
            f"ls -l /etc/systemd/system/{name}.service /etc/systemd/system/multi-user.target.wants/{name}.service;"
            f"docker inspect --format '{STARTS_WITH}' {name}",
            check=False,
        )


@dataclass(frozen=True)
class Played:
    """What a play ended with."""

    rc: int
    output: str

    def ok(self) -> Played:
        assert self.rc == 0, self.output
        return self

    @property
    def said(self) -> str:
        """The output without its line breaks, which may be anywhere."""
        return " ".join(self.output.split())

    def failed_with(self, *texts: str) -> Played:
        """Fails unless the play failed and said all of these."""
        assert self.rc != 0, self.output
        missing = [text for text in texts if text not in self.said]
        assert not missing, f"not said: {missing}\n{self.output}"
        return self


class Project:
    """An empty project on the controller into which the collection was installed from its tarball."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        collections = folder / "collections" / "ansible_collections"
        collections.mkdir(parents=True)
        (collections / "community").symlink_to((ROOT / ".collections/ansible_collections/community").resolve())
        tarball = self._galaxy("build", "--output-path", str(folder), str(ROOT)).split()[-1]
        self._galaxy("install", tarball, "--collections-path", str(folder / "collections"), "--offline")

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN_SETTINGS)}
        return {
            **kept,
            "ANSIBLE_HOME": str(self.folder / "ansible"),
            "ANSIBLE_COLLECTIONS_PATH": str(self.folder / "collections"),
            "ANSIBLE_CALLBACK_RESULT_FORMAT": "yaml",
            "ANSIBLE_PIPELINING": "true",
            "ANSIBLE_NOCOLOR": "true",
        }

    def _galaxy(self, *arguments: str) -> str:
        argv = [str(BIN / "ansible-galaxy"), "collection", *arguments]
        done = subprocess.run(argv, cwd=self.folder, env=self.environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def inventory(self, host: Host) -> Path:
        path = self.folder / f"{host.runtime}.yml"
        path.write_text(INVENTORY.format(host=host.name, runtime=host.runtime))
        return path

    def foreign_inventory(self, host: Host) -> Path:
        """Somebody else's inventory: a host, none of our groups."""
        path = self.folder / f"foreign-{host.runtime}.yml"
        variables = {
            "ansible_connection": "community.docker.docker",
            "stack_runtime": host.runtime,
            "stack_mirror": "file:///mirror",
        }
        path.write_text(json.dumps({"all": {"hosts": {host.name: variables}}}))
        return path

    def foreign_play(self, role: str) -> Path:
        """Somebody else's play, which has one of our roles and nothing else of ours."""
        path = self.folder / f"{role}-only.yml"
        path.write_text(f"- hosts: all\n  gather_facts: false\n  roles: [{COLLECTION}.{role}]\n")
        return path

    def begin(
        self, inventory: Path, playbook: str | Path, variables: Mapping[str, Any] | None = None, *options: str
    ) -> subprocess.Popen[str]:
        """Starts a play in a process group of its own."""
        argv = [str(BIN / "ansible-playbook"), "--inventory", str(inventory), str(playbook), *options]
        if variables:
            argv += ["--extra-vars", json.dumps(variables)]
        return subprocess.Popen(
            argv,
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def play(self, *arguments: Any) -> Played:
        """Plays to the end; the arguments are those of begin."""
        process = self.begin(*arguments)
        try:
            output, _nothing = process.communicate(timeout=TIMEOUT)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        return Played(process.returncode, output)
