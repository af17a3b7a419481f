# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import socket
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.claude_code.observability.plugins.module_utils import _preflight as preflight
from ansible_collections.claude_code.observability.plugins.module_utils._preflight_rules import (
    Component,
    Container,
    Docker,
    Facts,
    Listener,
    Port,
    Service,
    judge,
)
from ansible_collections.claude_code.observability.plugins.module_utils._util import MARKER

OURS = Container("grafana", "grafana/grafana:13.2.2", "grafana", "", (("127.0.0.1", 3000),))

# --- samples, as the programs print them ------------------------------------------------------------------------------

TCP = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:0BB8 00000000:0000 0A 00000000:00000000 00:00000000 00000000   472        0 85224 1 0 100 0 0 10 0
   1: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 12345 1 0 100 0 0 10 0
   2: 0100007F:0BB8 0100007F:D2F0 01 00000000:00000000 00:00000000 00000000     0        0 85300 1 0 20 4 30 10 -1
"""
TCP6 = """\
  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000000000000000000000000000:2382 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000 65534        0 777 1 0 100 0 0 10 0
   1: 00000000000000000000000001000000:0C1C 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 778 1 0 100 0 0 10 0
   2: 0000000000000000FFFF00000100007F:10DD 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 779 1 0 100 0 0 10 0
"""  # noqa: E501 as the kernel prints it
PS = (
    "otel-collector\tcontrib:0.159.0\t127.0.0.1:4317-4318->4317-4318/tcp, 55679/tcp, 127.0.0.1:8889->8889/tcp"
    "\totel-collector\t\n"
    "grafana\tgrafana/grafana:9.5\t0.0.0.0:3000->3000/tcp, :::3000->3000/tcp\t\tmonitoring\n"
    "dns,grafana/dns\tdnsmasq\t[::1]:53->53/udp, [::1]:5353->53/tcp\t\t\n"
    "stopped\timg\t\t\t\n"
)
SHOW = """\
Id=prometheus.service
MainPID=812
ControlGroup=/system.slice/prometheus.service

Id=loki.service
MainPID=0
ControlGroup=

Id=grafana.service
MainPID=0
ControlGroup=
"""


def test_listening_sockets_only_and_in_readable_form():
    assert preflight.parse_tcp(TCP) == [Listener("127.0.0.1", 3000, 472, 85224), Listener("0.0.0.0", 22, 0, 12345)]
    assert preflight.parse_tcp(TCP6) == [
        Listener("::", 9090, 65534, 777),
        Listener("::1", 3100, 0, 778),
        Listener("127.0.0.1", 4317, 0, 779),
    ]


def test_containers():
    collector, grafana, dns, stopped = preflight.parse_containers(PS)
    assert collector.label == "otel-collector"
    assert collector.published == (("127.0.0.1", 4317), ("127.0.0.1", 4318), ("127.0.0.1", 8889))
    assert (grafana.label, grafana.project) == ("", "monitoring")
    assert grafana.published == (("0.0.0.0", 3000), ("::", 3000))
    assert (dns.name, dns.published) == ("dns", (("::1", 5353),))
    assert stopped.published == ()


def test_services():
    shown = preflight.parse_show(SHOW)
    assert shown["prometheus"] == Service(812, "/system.slice/prometheus.service")
    assert shown["loki"] == Service(0, "")
    assert len(shown) == 3
    assert preflight.parse_show("") == {}


@pytest.mark.parametrize(
    ("text", "version"), [("systemd 252 (252.38-1~deb12u1)\n+PAM", 252), ("systemd 257\n", 257), ("", 0)]
)
def test_systemd_version(text, version):
    assert preflight.parse_systemd_version(text) == version


# --- reading the host -----------------------------------------------------------------------------------------------


@pytest.fixture
def host(tmp_path, monkeypatch):
    """A host of our own: unit folders and a component below a temporary folder."""
    folders = tuple(str(tmp_path / name) for name in ("etc-system", "usr-lib", "lib"))
    (tmp_path / "etc-system").mkdir()
    (tmp_path / "usr-lib").mkdir()
    (tmp_path / "lib").symlink_to("usr-lib")
    monkeypatch.setattr(preflight, "UNIT_DIRS", folders)
    return Component(
        name="grafana",
        runtime="docker",
        runtime_variable="grafana_runtime",
        user="grafana",
        config_dir=str(tmp_path / "etc/grafana"),
        data_dir=str(tmp_path / "var/grafana"),
        install_dir=str(tmp_path / "opt/grafana"),
    )


def test_units_are_ours_only_as_links_into_the_configuration(host, tmp_path):
    assert preflight.find_units(host) == []
    link = tmp_path / "etc-system" / "grafana.service"
    link.symlink_to(f"{host.config_dir}/current/grafana.service")
    assert [unit.ours for unit in preflight.find_units(host)] == [True]
    (tmp_path / "usr-lib" / "grafana.service").write_text("[Unit]\nDescription=Packaged Grafana\n")
    ours, theirs = preflight.find_units(host)
    assert (ours.ours, theirs.ours) == (True, False)
    assert theirs.path == str(tmp_path / "usr-lib" / "grafana.service")
    assert "Packaged Grafana" in theirs.description


def test_a_daemon_of_ours_is_found(host, tmp_path, monkeypatch):
    monkeypatch.setattr(preflight, "DAEMONS", str(tmp_path))
    name = "claude_code.observability.grafana.plist"
    (tmp_path / name).symlink_to(f"{host.config_dir}/current/{name}")
    assert [(unit.ours, unit.runtime) for unit in preflight.find_units(host)] == [(True, "launchd")]


@pytest.mark.parametrize("target", ["/lib/systemd/system/grafana-server.service", "../elsewhere", "/dev/null"])
def test_an_alias_or_a_mask_is_not_ours(host, tmp_path, target):
    (tmp_path / "etc-system" / "grafana.service").symlink_to(target)
    (unit,) = preflight.find_units(host)
    assert not unit.ours
    assert ("masked" in unit.description) == (target == "/dev/null")


def test_directories(host):
    assert preflight.find_directories([host], True) == {}
    for path in (host.config_dir, host.data_dir, host.install_dir):
        os.makedirs(path)
    Path(host.config_dir, MARKER + ".tmp").write_text("")
    Path(host.data_dir, "lost+found").mkdir()
    assert preflight.find_directories([host], True) == {}
    Path(host.data_dir, "wal").write_text("")
    Path(host.install_dir, "bin").write_text("")
    found = preflight.find_directories([host], True)
    assert sorted(found) == [host.install_dir, host.data_dir]
    assert found[host.data_dir].endswith(": exists without our marker")
    Path(host.data_dir, MARKER).write_text("{}")
    Path(host.install_dir, MARKER).write_text("broken")
    found = preflight.find_directories([host], True)
    assert list(found) == [host.install_dir]
    assert "not JSON" in found[host.install_dir]


def test_directories_that_cannot_be_written_matter_without_root(host, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(os, "access", lambda path, mode: bool(asked.append(path)))
    assert preflight.find_directories([host], True) == {}
    found = preflight.find_directories([host], False)
    assert sorted(found) == sorted([host.config_dir, host.data_dir])
    assert "cannot be written by" in found[host.data_dir]
    assert set(asked) == {str(tmp_path)}


def test_listeners_and_their_processes_are_found(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = Port("127.0.0.1", server.getsockname()[1], "x_port")
        (listener,) = preflight.find_listeners([port])
        assert (listener.address, listener.port, listener.uid) == ("127.0.0.1", port.port, os.geteuid())
        assert preflight.find_processes({listener.inode}, [])[listener.inode].pid == os.getpid()
        assert not preflight.can_bind("127.0.0.1", port.port)
    assert preflight.can_bind("127.0.0.1", port.port)


def facts(**changes) -> Facts:
    base = Facts("Linux", "x86_64", euid=0, become=True, systemd_running=True, docker=Docker("28.2.2"))
    return replace(base, **changes)


@pytest.mark.parametrize(
    "lines",
    [
        "0::/system.slice/p.service\n",
        "9:name=systemd:/system.slice/p.service\n1:cpu:/x\n0::/\n",
        "9:name=systemd:/\n4:memory:/process_api/fd16dda70d391baafc5188e97fb2a1b8\n0::/system.slice/p.service\n",
    ],
    ids=["unified", "systemd's own", "both"],
)
def test_the_cgroup_of_a_process(monkeypatch, tmp_path, lines):
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "comm").write_text("p\n")
    (tmp_path / "7" / "cgroup").write_text(lines)
    monkeypatch.setattr(preflight, "PROC", str(tmp_path))
    assert preflight._process(7).cgroup == "/system.slice/p.service"


def test_without_proc_a_port_is_tried(host, monkeypatch, tmp_path):
    monkeypatch.setattr(preflight, "PROC", str(tmp_path / "none"))
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = Port("localhost", server.getsockname()[1], "x_port")
        listeners = preflight.find_listeners([port])
    assert [(each.port, each.inode) for each in listeners] == [(port.port, 0)]
    assert preflight.find_processes({0, 1}, []) == {}
    wanted = replace(host, ports=(port,))
    (said,) = judge([wanted], "", facts(listeners=listeners))
    assert said.owner == "a process that is not ours to see"
    # Our own container, seen from where the kernel says nothing, is still ours.
    ours = replace(OURS, published=(("127.0.0.1", port.port),))
    assert judge([wanted], "", facts(listeners=listeners, docker=Docker("1", "", (ours,)))) == []


def test_docker_is_asked_three_times_and_its_refusal_is_passed_on(monkeypatch, tmp_path):
    log = tmp_path / "log"
    docker = tmp_path / "docker"
    docker.write_text(
        f'#!/bin/sh\necho "$1" >> {log}\ncase "$1" in\n'
        "info) printf '28.2.2\\ttrue\\n' ;;\n"
        "ps) printf 'grafana\\timg\\t127.0.0.1:3000->3000/tcp\\tgrafana\\t\\n' ;;\n"
        "network) printf 'net\\tnetwork\\n' ;;\nesac\n"
    )
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    found = preflight.query_docker("net")
    assert found == Docker("28.2.2", "", (replace(OURS, image="img"),), (("net", "network"),), True)
    assert log.read_text().split() == ["info", "ps", "network"]
    docker.write_text("#!/bin/sh\necho 'Cannot connect' >&2; exit 1\n")
    assert preflight.query_docker("net") == Docker(error="Cannot connect")
    monkeypatch.setenv("PATH", str(tmp_path / "none"))
    assert preflight.query_docker("net") == Docker(error="there is no program docker")


def test_report(host, tmp_path):
    os.makedirs(f"{host.config_dir}/sets/0123456789abcdef")
    os.symlink("sets/0123456789abcdef", f"{host.config_dir}/current")
    Path(host.config_dir, MARKER).write_text('{"disk_bytes": 7}')
    user = replace(host, user="root")
    said = preflight.report([user], "net", facts(docker=Docker("28", "", (OURS,), (("net", "network"),))))
    assert said["architecture"] == "amd64"
    assert said["docker"] == {"server_version": "28", "limits_memory": False, "network_present": True}
    assert said["users"] == {"grafana": {"uid": 0, "gid": 0}}
    assert said["components"] == {
        "grafana": {"marker": {"disk_bytes": 7}, "runtime_present": ["docker"], "set": "0123456789abcdef"}
    }
    assert 0 < said["disk"]["grafana"]["available"] <= said["disk"]["grafana"]["total"]
    assert said["memory_bytes"] > 1_000_000
    absent = preflight.report([replace(host, user="no-such-user")], "", facts())
    assert absent["users"] == {"grafana": {"uid": -1, "gid": -1}}
