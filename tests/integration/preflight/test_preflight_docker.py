# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""preflight against a real docker engine: containers, published ports and networks, ours and foreign."""

from __future__ import annotations

import io
import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from ansible_collections.claude_code.observability.plugins.modules import preflight as module

LABEL = "claude_code.observability"
COLLECTIONS = Path(module.__file__).parents[5]
PREFIX = f"preflight-{secrets.token_hex(4)}"


def docker(*argv: str, stdin: bytes | None = None) -> str:
    done = subprocess.run(["docker", *argv], input=stdin, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().strip()


@pytest.fixture(scope="module")
def image():
    """A tiny image that can sleep, made of this machine's own program."""
    program = shutil.which("sleep")
    libraries = re.findall(r"(/\S+) \(0x", subprocess.check_output(["ldd", program], text=True))
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", dereference=True) as tar:
        for path in (program, *libraries):
            tar.add(path)
    name = f"{PREFIX}:sleep"
    docker("import", "--change", f'CMD ["{program}", "600"]', "-", name, stdin=packed.getvalue())
    yield name
    docker("rmi", "--force", name)


@pytest.fixture
def start(image):
    """Starts a container; all of them are removed at the end."""
    names = []

    def run(name: str, *argv: str) -> None:
        names.append(name)
        docker("run", "--detach", "--name", name, *argv, image)

    yield run
    for name in names:
        docker("rm", "--force", name)


@pytest.fixture
def network():
    """Makes a network; all of them are removed at the end."""
    names = []

    def run(*argv: str) -> str:
        names.append(f"{PREFIX}-net{len(names)}")
        docker("network", "create", *argv, names[-1])
        return names[-1]

    yield run
    for name in names:
        docker("network", "rm", name)


def free_ports(count: int) -> int:
    """The first of some free ports in a row."""
    while True:
        with socket.create_server(("127.0.0.1", 0)) as server:
            first = server.getsockname()[1]
        try:
            for port in range(first, first + count):
                socket.create_server(("127.0.0.1", port)).close()
        except (OSError, OverflowError):
            continue
        return first


def preflight(tmp_path, name: str, port: int, count: int = 1, network: str = "") -> dict:
    ports = [{"address": "127.0.0.1", "port": port + n, "variable": f"port_{n}"} for n in range(count)]
    component = {
        "name": name,
        "runtime": "docker",
        "runtime_variable": "x_runtime",
        "config_dir": str(tmp_path / "etc"),
        "data_dir": str(tmp_path / "var"),
        "ports": ports,
    }
    args = {"components": [component], "network": network, "become": os.geteuid() == 0}
    (tmp_path / "args.json").write_text(json.dumps({"ANSIBLE_MODULE_ARGS": args}))
    done = subprocess.run(
        [sys.executable, "-m", module.__name__, str(tmp_path / "args.json")],
        capture_output=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": str(COLLECTIONS)},
    )
    assert done.stdout, done.stderr.decode()
    return json.loads(done.stdout)


def test_our_own_running_container_is_fine(tmp_path, start):
    name, port = f"{PREFIX}-ours", free_ports(2)
    publish = ("--publish", f"127.0.0.1:{port}:1000", "--publish", f"127.0.0.1:{port + 1}:1001")
    assert preflight(tmp_path, name, port, 2)["components"][name]["runtime_present"] == []
    start(name, "--label", f"{LABEL}={name}", *publish)
    result = preflight(tmp_path, name, port, 2)
    assert "msg" not in result, result["msg"]
    assert result["components"][name]["runtime_present"] == ["docker"]
    assert result["docker"]["server_version"] == docker("version", "--format", "{{.Server.Version}}")


def test_a_foreign_container_of_our_name_is_refused_and_left_alone(tmp_path, start):
    name, port = f"{PREFIX}-named", free_ports(1)
    start(name, "--label", "com.docker.compose.project=theirs", "--publish", f"{port}:1000")
    before = docker("inspect", name)
    result = preflight(tmp_path, name, port)
    named, taken = result["problems"]
    assert named["what"] == f"A container named {name} exists and is not ours"
    assert "compose project theirs" in named["owner"]
    assert taken["what"] == f"Port {port} on 127.0.0.1 is taken"
    assert name in taken["owner"]
    assert "port_0" in taken["change"]
    assert docker("inspect", name) == before


def test_a_port_that_another_container_publishes_is_refused(tmp_path, start):
    port = free_ports(2)
    start(f"{PREFIX}-other", "--publish", f"127.0.0.1:{port}-{port + 1}:1000-1001")
    problems = preflight(tmp_path, f"{PREFIX}-wanted", port, 2)["problems"]
    assert [problem["what"].split()[1] for problem in problems] == [str(port), str(port + 1)]
    assert all(f"container {PREFIX}-other" in problem["owner"] for problem in problems)


def test_networks(tmp_path, network):
    name, port = f"{PREFIX}-net", free_ports(1)
    assert not preflight(tmp_path, name, port, network=f"{PREFIX}-none")["docker"]["network_present"]
    assert preflight(tmp_path, name, port, network=network("--label", f"{LABEL}=network"))["docker"]["network_present"]
    assert "without our label" in preflight(tmp_path, name, port, network=network())["msg"]
