# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bundle made where there is a network, and hosts in a network without a way out."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.acceptance.testbed import BIN, CACHE, COLLECTION, READY, ROOT, TIMEOUT, Host, Played, Project, run

SUITE = "airgap"
LABEL = f"claude_code.observability.test={SUITE}"
NETWORK = f"ccobs-{SUITE}"
MIRROR = CACHE / "bundle" / "mirror"
IMAGES = ("otel/opentelemetry-collector-contrib", "prom/prometheus", "grafana/loki")
# Grafana's release cannot be had where the tests run.
VARIABLES = {
    "bundle_components": ["otel_collector", "prometheus", "loki"],
    "bundle_pythons": [f"{sys.version_info.major}.{sys.version_info.minor}"],
}


class Island(Host):
    """A host whose network has no way out; what it asks of any name server is written down."""

    def __init__(self, runtime: str) -> None:
        self.runtime = runtime
        self.name = f"ccobs-{SUITE}-{runtime}"

    def start(self) -> None:
        kind = "docker" if self.runtime == "docker" else "plain"
        folder = f"--volume={Path(__file__).parent}/remote:/airgap:ro"
        run(f"{ROOT}/tests/hosts/run", self.name, SUITE, kind, f"--network={NETWORK}", folder)
        # An engine may give its internal networks a gateway that leads nowhere.
        self.sh("ip route flush default")
        self.sh("systemd-run --quiet --unit=names python3 /airgap/names.py /run/names-asked")
        self.sh("until [ -e /run/names-asked ]; do sleep 0.1; done; echo nameserver 127.0.0.1 >/etc/resolv.conf")

    def programs(self) -> list[str]:
        """Programs and images of the stack on the host."""
        return self.sh("ls --directory /opt/*/[0-9]*; docker images --quiet", check=False).split()

    def names_asked(self) -> set[str]:
        """The names that somebody on the host wanted an address of, except those of containers beside each other."""
        return set(self.sh("cat /run/names-asked").split()) - set(READY)


class Controller(Project):
    """A controller that can be cut off: it then reaches its hosts by the Docker engine's socket, and nothing else."""

    def cut_off(self, inventory: Path, playbook: str, *options: str, **variables: object) -> Played:
        """A play in a network namespace that has nothing, not even loopback."""
        return self.finish(["unshare", "--net", *command(inventory, playbook, options, variables)])

    def connected(self, inventory: Path, playbook: str, *options: str, **variables: object) -> Played:
        return self.finish(command(inventory, playbook, options, variables))

    def finish(self, argv: list[str]) -> Played:
        done = subprocess.run(
            argv, cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=TIMEOUT
        )
        return Played(done.returncode, done.stdout + done.stderr)

    def inventory(self, host: Host) -> Path:
        """The ten lines of the acceptance tests, without their mirror."""
        path = super().inventory(host)
        lines = path.read_text().splitlines(keepends=True)
        path.write_text("".join(line for line in lines if "stack_mirror" not in line))
        return path

    def nobody(self) -> Path:
        path = self.folder / "nobody.yml"
        path.write_text("all: {hosts: {}}\n")
        return path


def command(inventory: Path, playbook: str, options: tuple[str, ...], variables: dict[str, object]) -> list[str]:
    argv = [str(BIN / "ansible-playbook"), "--inventory", str(inventory), playbook]
    return [*argv, *options, "--extra-vars", json.dumps(variables)]


def copy_of(bundle: Path, target: Path) -> Path:
    """Another bundle with the same files. Files are replaced in it, never written to."""
    shutil.copytree(bundle, target, copy_function=os.link)
    return target


@pytest.fixture(scope="session")
def controller(tmp_path_factory: pytest.TempPathFactory) -> Controller:
    return Controller(tmp_path_factory.mktemp("controller"))


@pytest.fixture(scope="session")
def bundle(controller: Controller, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Archives come from the mirror, images from this machine's engine."""
    for tar in sorted((MIRROR / "images").glob("*-amd64.tar")):
        run("docker", "load", "--quiet", "--input", str(tar))
    bundle = tmp_path_factory.mktemp("carried") / "bundle"
    variables = {**VARIABLES, "stack_bundle": str(bundle), "stack_mirror": MIRROR.as_uri()}
    controller.connected(controller.nobody(), f"{COLLECTION}.bundle", **variables).ok()
    return bundle


@pytest.fixture(scope="module", params=["systemd", "docker"])
def island(request: pytest.FixtureRequest) -> Iterator[Island]:
    clear()
    run("docker", "network", "create", "--internal", "--label", LABEL, NETWORK)
    island = Island(request.param)
    island.start()
    yield island
    clear()


def clear() -> None:
    """Removes what this or an interrupted run has left."""
    hosts = run("docker", "ps", "--all", "--quiet", "--filter", f"label={LABEL}").split()
    if hosts:
        run("docker", "rm", "--force", "--volumes", *hosts)
    networks = run("docker", "network", "ls", "--quiet", "--filter", f"label={LABEL}").split()
    if networks:
        run("docker", "network", "rm", *networks)
