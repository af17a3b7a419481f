# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host with a small disk for each component, and what can happen to it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from tests.acceptance.testbed import CACHE, ROOT
from tests.tools import hosts
from tests.tools.hosts import TestHost, run
from tests.tools.programs import free_port

SUITE = "faults"
LABEL = f"claude_code.observability.test={SUITE}"
NAME = "ccobs-faults"
COMPONENTS = {"otel-collector": 8888, "prometheus": 9090, "loki": 3100}
READY = {"otel-collector": "/metrics", "prometheus": "/-/ready", "loki": "/ready"}
STORES = ("prometheus", "loki")
# Seconds that the stores are away. What is sent meanwhile must find room, and take its time to leave again.
OUTAGE = int(os.environ.get("FAULT_OUTAGE", "60"))
DISK = "400m" if OUTAGE < 600 else "2g"
PATIENCE = 180 + OUTAGE
# Requests in the queues of a collector that keeps up.
FEW = 12
# Writes noise over the second half of a file, over more of a queue, which has much room in it.
DAMAGE = """
import glob, os, sys
path = max(filter(os.path.isfile, glob.glob(sys.argv[1])), key=os.path.getsize)
size = os.path.getsize(path)
first = 8192 if "/queue/" in path else size // 2
with open(path, "r+b") as file:
    file.seek(first)
    file.write(os.urandom(size - first))
"""
# Appends to a file until nothing fits: at once down to a share of free disk, then by so many bytes a second.
FILLER = """
import os, sys, time
path, share, rate = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
with open(path + "/filler", "wb", buffering=0) as file:
    try:
        while True:
            disk = os.statvfs(path)
            file.write(bytes(rate // 4))
            if disk.f_bavail < disk.f_blocks * share:
                time.sleep(0.25)
    except OSError as error:
        print(error)
"""


def wait(what: str, ready: Callable[[], bool]) -> None:
    """Until it is so. Fails, saying what was waited for."""
    end = time.monotonic() + PATIENCE
    while not ready():
        assert time.monotonic() < end, f"not within {PATIENCE} s: {what}"
        time.sleep(0.3)


class Host:
    """A systemd test host; its disks are kept by another container when it is off."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def start(self) -> None:
        volumes = []
        for name in COMPONENTS:
            options = ("--opt", "type=tmpfs", "--opt", "device=tmpfs", "--opt", f"o=size={DISK}")
            run("docker", "volume", "create", "--label", LABEL, *options, f"{NAME}-{name}")
            volumes.append(f"--volume={NAME}-{name}:/var/lib/{name}")
        mirror = f"--volume={CACHE}/bundle/mirror:/mirror:ro"
        # Chosen here, for the engine would choose others after each restart.
        ports = {port: free_port() for port in (4318, *COMPONENTS.values())}
        self.urls = {port: f"http://127.0.0.1:{here}" for port, here in ports.items()}
        published = (f"--publish=127.0.0.1:{here}:{port}" for port, here in ports.items())
        image = run(f"{ROOT}/tests/hosts/build", "docker")
        run("docker", "run", "--detach", "--label", LABEL, *volumes, image, "sleep", "infinity")
        # The kind with iptables.
        run(f"{ROOT}/tests/hosts/run", NAME, SUITE, "docker", mirror, *volumes, *published)

    def install(self) -> None:
        variables = {
            "ansible_connection": "community.docker.docker",
            "ansible_python_interpreter": "/usr/bin/python3",
            "stack_runtime": "systemd",
            "stack_mirror": "file:///mirror",
            "stack_listen_address": "0.0.0.0",
            "stack_allow_insecure_network": True,
        }
        groups: dict[str, object] = {group: {"hosts": {NAME: {}}} for group in ("otel_collector", "prometheus", "loki")}
        inventory = self.folder / "inventory.yml"
        inventory.write_text(json.dumps({"claude_code_observability": {"children": groups, "vars": variables}}))
        self.play("stack")

    def play(self, playbook: str) -> str:
        argv = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", str(self.folder / "inventory.yml")]
        done = subprocess.run(
            [*argv, str(ROOT / "playbooks" / f"{playbook}.yml")],
            env={**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_PIPELINING": "1", "LC_ALL": "C.UTF-8"},
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def sh(self, script: str, check: bool = True) -> str:
        """Runs a shell script as root on the host; returns its output."""
        return run("docker", "exec", NAME, "sh", "-c", script, check=check)

    def log(self, component: str, since: float) -> str:
        return self.sh(f"journalctl --no-pager --output=cat --unit={component} --since=@{int(since)}")

    # What shows how it is.

    def get(self, component: str) -> str:
        """Its answer; raises OSError."""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        url = self.urls[COMPONENTS[component]] + READY[component]
        with opener.open(url, timeout=5) as answer:
            return str(answer.read().decode())

    def answers(self, component: str) -> bool:
        try:
            return bool(self.get(component))
        except OSError:
            return False

    def said(self, *metrics: str) -> int:
        """The sum of what the collector says of itself, -1 while it does not answer."""
        try:
            lines = self.get("otel-collector").splitlines()
        except OSError:
            return -1
        return int(sum(float(line.split()[-1]) for line in lines if line.startswith(metrics)))

    def waiting(self) -> int:
        """Requests in the collector's queues, -1 while it does not answer."""
        return self.said("otelcol_exporter_queue_size{", "otelcol_exporter_in_flight_requests{")

    def works(self, at_most: int) -> bool:
        """Everything answers, and what waited has been delivered."""
        return all(map(self.answers, COMPONENTS)) and 0 <= self.waiting() <= at_most

    def recovered(self, at_most: int) -> None:
        wait(f"everything answers, at most {at_most} requests wait", lambda: self.works(at_most))

    # What happens to it.

    def kill(self, component: str) -> None:
        TestHost(NAME).kill(component)

    def fill(self, component: str, share: float, rate: int) -> None:
        """Until the disk of its data takes nothing any more."""
        path = f"/var/lib/{component}"
        said = run("docker", "exec", NAME, "python3", "-c", FILLER, path, str(share), str(rate))
        assert "No space left" in said, said
        assert self.sh(f"df --output=avail {path} | tail -n 1").strip() == "0"

    def empty(self, component: str) -> None:
        self.sh(f"rm /var/lib/{component}/filler")

    def damage(self, component: str, files: str) -> None:
        """The largest of the files, while the component does not run."""
        self.sh(f"systemctl stop {component}")
        run("docker", "exec", NAME, "python3", "-c", DAMAGE, files)
        self.sh(f"systemctl start {component}")

    def restarts(self, component: str) -> int:
        """How often the service manager started it again by itself."""
        return int(self.sh(f"systemctl show --property=NRestarts --value {component}"))

    def cut(self) -> None:
        """Every packet between the collector and the stores is lost, those of open connections too."""
        self.sh(f"iptables --insert INPUT {self._between}")

    def mend(self) -> None:
        self.sh(f"iptables --delete INPUT {self._between}")

    _between = "--in-interface lo --protocol tcp --match multiport --ports 9090,3100 --jump DROP"

    def reboot(self, hard: bool) -> None:
        if hard:
            run("docker", "kill", "--signal=KILL", NAME)
            run("docker", "start", NAME)
        else:
            run("docker", "restart", NAME)


def clear() -> None:
    hosts.clear(LABEL, ("ps --all", "volume ls"))
