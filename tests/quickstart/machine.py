# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A fresh machine with Docker and a user, ada, who has cloned the repository."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "claude_code.observability"
NAME = "ccobs-quickstart"
SUITE = "quickstart"
LABEL = f"claude_code.observability.test={SUITE}"
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"

HOME = "/home/ada"
CLONE = f"{HOME}/claude-code-observability"
SHARE = f"{HOME}/.local/share/claude-code-observability"
SETTINGS = f"{HOME}/.claude/settings.json"

# What the way to PyPI may need, on a machine whose proxy has a CA of its own too.
ENVIRONMENT = {
    "HOME": HOME,
    "USER": "ada",
    "PIP_CERT": CERTIFICATES,
    **{name: value for name, value in os.environ.items() if name in ("PIP_INDEX_URL", "HTTPS_PROXY", "https_proxy")},
}


def run(*argv: str, data: bytes | None = None) -> bytes:
    """Runs a command on this machine; returns its output."""
    done = subprocess.run(argv, input=data, capture_output=True, timeout=300, check=False)
    assert done.returncode == 0, f"{shlex.join(argv)}\n{done.stdout.decode()}{done.stderr.decode()}"
    return done.stdout


@dataclass(frozen=True)
class Done:
    """What a command of ada's ended with, its output and errors together."""

    rc: int
    said: str

    def ok(self) -> Done:
        assert self.rc == 0, self.said
        return self

    def line(self, start: str) -> str:
        """The rest of the line that starts so."""
        found = [line.strip() for line in self.said.splitlines() if line.strip().startswith(start)]
        assert found, f"no line starts with {start}:\n{self.said}"
        return found[0][len(start) :].strip()


class Machine:
    def start(self) -> None:
        """Boots the machine, whose engine reaches no registry; ada's cache holds the images, built already.

        That of Prometheus is one without a shell: there is no busybox that could be it.
        """
        with tempfile.TemporaryDirectory() as mirror:
            run(sys.executable, f"{ROOT}/bundle/build.py", "images", "--shell=none", f"--output={mirror}")
        run(
            f"{ROOT}/tests/hosts/run",
            NAME,
            SUITE,
            "docker",
            f"--volume={CERTIFICATES}:{CERTIFICATES}:ro",
            f"--volume={CACHE}/bundle:/bundle:ro",
        )
        self.root(
            "mkdir /etc/systemd/system/docker.service.d;"
            "printf '[Service]\\nEnvironment=HTTPS_PROXY=http://127.0.0.1:9\\n' "
            ">/etc/systemd/system/docker.service.d/no-registry.conf;"
            "systemctl daemon-reload; systemctl restart docker"
        )
        self.root("useradd --create-home --shell /bin/bash --groups docker ada")
        self.ada(
            "mkdir -p ~/.cache/claude_code.observability/bundle &&"
            "cp -a --no-preserve=ownership /bundle/*-image-* ~/.cache/claude_code.observability/bundle/"
        ).ok()
        self.clone()

    def clone(self) -> None:
        """A clone of the working tree, whether it is committed or not."""
        files = run("git", "-C", str(ROOT), "ls-files", "-co", "--exclude-standard", "-z")
        there = b"\0".join(name for name in files.split(b"\0") if name and (ROOT / os.fsdecode(name)).exists())
        tree = run("tar", "--create", "--directory", str(ROOT), "--null", "--files-from=-", data=there)
        self.ada("mkdir /tmp/origin && tar --extract --directory /tmp/origin", data=tree).ok()
        git = "git -C /tmp/origin -c user.name=ada -c user.email=ada@example.com"
        self.ada(f"git init -q /tmp/origin && {git} add -A && {git} commit -qm all").ok()
        self.ada(f"git clone -q /tmp/origin {CLONE}").ok()

    @staticmethod
    def clear() -> None:
        """Removes the machine that this or an interrupted run has left."""
        left = run("docker", "ps", "--all", "--quiet", "--filter", f"label={LABEL}").decode().split()
        if left:
            run("docker", "rm", "--force", "--volumes", *left)

    def root(self, script: str) -> str:
        """Runs a shell script as root; returns its output."""
        return run("docker", "exec", NAME, "sh", "-c", script).decode()

    @staticmethod
    def _argv(script: str) -> list[str]:
        variables = [f"--env={name}={value}" for name, value in ENVIRONMENT.items()]
        return ["docker", "exec", "--interactive", "--user=ada", *variables, NAME, "bash", "-c", script]

    def ada(self, script: str, data: bytes | None = None) -> Done:
        """Runs a shell script as ada, without a terminal."""
        source = {"stdin": subprocess.DEVNULL} if data is None else {"input": data}
        done = subprocess.run(
            self._argv(script), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=600, check=False, **source
        )
        return Done(done.returncode, done.stdout.decode(errors="replace"))

    def make(self, words: str) -> Done:
        """Calls make in the clone, and shows what it says."""
        done = self.ada(f"cd {CLONE} && make {words}")
        print(f"\n$ make {words}\n{done.said}")
        return done

    def make_on_a_terminal(self, words: str, answer: str) -> Done:
        command = shlex.quote(f"make {words}")
        done = self.ada(f"cd {CLONE} && script --quiet --return --command {command} /dev/null", f"{answer}\n".encode())
        print(f"\n$ make {words}   (on a terminal)\n{done.said}")
        return done

    def cut_off(self, words: str, moment: str) -> None:
        """kill -9 of everything ada runs as soon as this script of root's, begun before make, has ended."""
        watch = subprocess.Popen(["docker", "exec", NAME, "bash", "-c", moment])
        process = subprocess.Popen(
            self._argv(f"cd {CLONE} && make {words}"), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        try:
            while watch.poll() is None:
                assert process.poll() is None, f"make ended before: {process.communicate()[0]}"
                time.sleep(0.02)
        finally:
            watch.kill()
            # 1: where make ended before, nothing of hers is left to end.
            self.root("pkill -KILL -u ada; [ $? -le 1 ]")
        assert process.wait(timeout=60) != 0

    def settings(self) -> bytes:
        return run("docker", "exec", NAME, "cat", SETTINGS)

    def write_settings(self, content: bytes) -> None:
        self.ada(f"mkdir -p {HOME}/.claude && cat >{SETTINGS}", data=content).ok()

    def listing(self) -> list[str]:
        """Every file, container, network and image, apart from what lies in the clone and in ada's cache."""
        mine = (CLONE, f"{HOME}/.cache")
        lines = self.root("listing").splitlines()
        return [line for line in lines if not line.startswith(tuple(f"{path}{end}" for path in mine for end in "/ "))]

    def containers(self) -> list[str]:
        """Name, identity and start of each container, those that are stopped too."""
        fields = "{{.Name}} {{.Id}} {{.State.Pid}} {{.State.StartedAt}}"
        return self.root(
            f"docker ps --all --quiet | xargs --no-run-if-empty docker inspect --format '{fields}'"
        ).splitlines()
