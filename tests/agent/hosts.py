# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The centre and the laptop: two test hosts on one network, which the laptop can be cut off from."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.acceptance.testbed import CACHE, ROOT, run
from tests.tools import hosts
from tests.tools.ledger import Ledger

SUITE = "agent"
LABEL = f"claude_code.observability.test={SUITE}"
NETWORK = "ccobs-agent"
PATIENCE = 120
# A loaded machine must not make the client give up.
PATIENT = {"OTEL_EXPORTER_OTLP_TIMEOUT": "60000", "CLAUDE_CODE_OTEL_SHUTDOWN_TIMEOUT_MS": "60000"}
TICKS = os.sysconf("SC_CLK_TCK")


def wait(what: str, ready: Callable[[], bool]) -> None:
    """Until it is so. Fails, saying what was waited for."""
    end = time.monotonic() + PATIENCE
    while not ready():
        assert time.monotonic() < end, f"not within {PATIENCE} s: {what}"
        time.sleep(0.5)


@dataclass(frozen=True)
class Host:
    """A systemd test host on the network."""

    role: str

    @property
    def name(self) -> str:
        return f"ccobs-agent-{self.role}"

    def start(self, *options: str) -> None:
        mirror = f"--volume={CACHE}/bundle/mirror:/mirror:ro"
        network = (f"--network={NETWORK}", f"--network-alias={self.role}", f"--hostname={self.role}")
        run(f"{ROOT}/tests/hosts/run", self.name, SUITE, "plain", mirror, *network, *options)

    def sh(self, script: str, check: bool = True) -> str:
        """Runs a shell script as root on the host; returns its output."""
        return run("docker", "exec", self.name, "sh", "-c", script, check=check)

    def url(self, port: int) -> str:
        """Where this machine reaches a published port of the host."""
        return "http://" + run("docker", "port", self.name, str(port)).splitlines()[0]


class Laptop(Host):
    """The client's machine."""

    def cut_off(self) -> None:
        run("docker", "network", "disconnect", NETWORK, self.name)
        self._name_itself()

    def reconnect(self) -> None:
        run("docker", "network", "connect", "--alias", self.role, NETWORK, self.name)

    def reboot(self) -> None:
        run("docker", "restart", self.name)
        self._name_itself()

    def _name_itself(self) -> None:
        """As on any laptop, its own name needs no network; the engine forgets that. sudo would wait for it."""
        self.sh(f"echo 127.0.1.1 {self.role} >>/etc/hosts")

    def play(self, *shapes: str) -> dict[str, Ledger]:
        """Sessions of the real client, by a user of the laptop."""
        command = ["env", "PYTHONPATH=/project", "python3", "-m", "tests.agent.play", *shapes]
        as_user = ["--user", "ada", "--env", "HOME=/home/ada", "--workdir", "/home/ada"]
        ledgers: dict[str, Ledger] = json.loads(run("docker", "exec", *as_user, self.name, *command))
        return ledgers

    def settings(self) -> dict[str, str]:
        """The variables in the user's settings."""
        found: dict[str, str] = json.loads(self.sh("cat /home/ada/.claude/settings.json"))["env"]
        return found

    @property
    def agent(self) -> int:
        """The agent's process, 0 while there is none."""
        return int(self.sh("systemctl show --property=MainPID --value otel-collector"))

    def waiting(self) -> int:
        """How many requests wait in the agent's queues, -1 while it does not answer."""
        said = self.sh("curl --silent http://127.0.0.1:8888/metrics", check=False).splitlines()
        sizes = [int(line.split()[-1]) for line in said if line.startswith("otelcol_exporter_queue_size{")]
        return sum(sizes) if sizes else -1

    def footprint(self, seconds: int) -> str:
        """What the idle agent takes."""
        pid = self.agent
        before = self._processor(pid)
        time.sleep(seconds)
        used = (self._processor(pid) - before) / TICKS
        status = self.sh(f"cat /proc/{pid}/status").splitlines()
        memory = {line.split(":")[0]: int(line.split()[1]) / 1024 for line in status if line.endswith(" kB")}
        queue = self.sh("du --summarize --bytes /var/lib/otel-collector/queue").split()[0]
        return (
            f"idle agent: {memory['VmRSS']:.0f} MB resident ({memory['RssAnon']:.0f} MB its own, "
            f"{memory['RssFile']:.0f} MB pages of files), {100 * used / seconds:.1f} % of one core, queue {queue} bytes"
        )

    def _processor(self, pid: int) -> int:
        """Ticks of processor time."""
        fields = self.sh(f"cat /proc/{pid}/stat").rsplit(")", 1)[1].split()
        return int(fields[11]) + int(fields[12])


def clear() -> None:
    hosts.clear(LABEL)


@dataclass(frozen=True)
class Site:
    """The inventory, and plays of it."""

    inventory: Path

    def begin(self, playbook: str, *options: str) -> subprocess.Popen[str]:
        said = {"ANSIBLE_CALLBACK_RESULT_FORMAT": "yaml", "ANSIBLE_NOCOLOR": "1", "ANSIBLE_PIPELINING": "1"}
        argv = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", str(self.inventory), playbook, *options]
        return subprocess.Popen(
            argv,
            env={**os.environ, **said, "LC_ALL": "C.UTF-8"},
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def play(self, playbook: str, *options: str) -> str:
        """What a play says that succeeds."""
        return self.end(self.begin(playbook, *options))

    @staticmethod
    def end(process: subprocess.Popen[str]) -> str:
        output = process.communicate(timeout=600)[0]
        assert process.returncode == 0, output
        return output


def inventory(folder: Path, certificate: str, token: str, **laptop: Any) -> Path:
    """One stack, to which laptops come by TLS with a token, and one laptop."""
    common = {
        "ansible_connection": "community.docker.docker",
        "ansible_python_interpreter": "/usr/bin/python3",
        "stack_runtime": "systemd",
        "stack_mirror": "file:///mirror",
    }
    tls = {"cert_file": "/certificates/centre.pem", "key_file": "/certificates/centre.key"}
    receiver = {
        "endpoint": "0.0.0.0:4319",
        "tls": tls,
        "auth": {"authenticator": "bearertokenauth/laptops"},
    }
    pipelines = ("metrics", "logs")
    overrides = {
        "extensions": {"bearertokenauth/laptops": {"token": token}},
        "receivers": {"otlp/laptops": {"protocols": {"http": receiver}}},
        "service": {
            "extensions": ["health_check", "file_storage/queue", "bearertokenauth/laptops"],
            "pipelines": {name: {"receivers": ["otlp", "otlp/laptops"]} for name in pipelines},
        },
    }
    centre = {
        **common,
        "ansible_host": "ccobs-agent-centre",
        "stack_address": "centre",
        "stack_listen_address": "0.0.0.0",
        "stack_allow_insecure_network": True,
        "otel_collector_config_overrides": overrides,
    }
    client = {
        **common,
        "ansible_host": "ccobs-agent-laptop",
        "claude_settings_users": ["ada"],
        "claude_settings_env": PATIENT,
        "client_agent": True,
        "client_agent_endpoint": "https://centre:4319",
        "client_agent_ca": certificate,
        "client_agent_token": token,
        **laptop,
    }
    groups: dict[str, Any] = {name: {"hosts": {"centre": {}}} for name in ("otel_collector", "prometheus", "loki")}
    path = folder / "hosts.yml"
    path.write_text(
        json.dumps(
            {
                "claude_code_observability": {"children": groups},
                "clients": {"hosts": {"laptop-ada": client}},
                "all": {"hosts": {"centre": centre}},
            }
        )
    )
    return path
