# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.claude_code.observability.plugins.module_utils import _preflight_rules as rules
from ansible_collections.claude_code.observability.plugins.module_utils._preflight_rules import (
    Component,
    Container,
    Docker,
    Facts,
    Listener,
    Port,
    Process,
    Service,
    Unit,
)


@pytest.mark.parametrize(
    ("wanted", "taken", "result"),
    [
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.1", "0.0.0.0", True),
        ("0.0.0.0", "192.0.2.1", True),
        ("127.0.0.1", "::", True),
        ("::", "127.0.0.1", True),
        ("::1", "::", True),
        ("127.0.0.1", "192.0.2.1", False),
        ("127.0.0.1", "::1", False),
        ("::1", "0.0.0.0", False),
        ("0.0.0.0", "::1", False),
    ],
)
def test_overlaps(wanted, taken, result):
    assert rules.overlaps(wanted, taken) is result


def component(
    name: str = "grafana", runtime: str = "docker", port: int = 3000, address: str = "127.0.0.1"
) -> Component:
    role = name.replace("-", "_")
    return Component(
        name=name,
        runtime=runtime,
        runtime_variable=f"{role}_runtime",
        user=name,
        config_dir=f"/etc/{name}",
        data_dir=f"/var/lib/{name}",
        install_dir=f"/opt/{name}",
        ports=(Port(address, port, f"{role}_port"),),
    )


def facts(**changes) -> Facts:
    base = Facts(
        system="Linux", machine="x86_64", euid=0, become=True, systemd_running=True, docker=Docker(version="28.2.2")
    )
    return replace(base, **changes)


def judged(*components: Component, **changes) -> list[str]:
    return [str(each) for each in rules.judge(list(components), "net", facts(**changes))]


OURS = Container("grafana", "grafana/grafana:13.2.2", "grafana", "", (("127.0.0.1", 3000),))
THEIRS = Container("grafana", "grafana/grafana:9.5", "", "monitoring", (("0.0.0.0", 3000), ("::", 3000)))
OUR_UNIT = {"prometheus": [Unit("/etc/systemd/system/prometheus.service", True, "root")]}


def test_an_empty_host_is_fine():
    assert judged(component(), component("prometheus", port=9090)) == []
    assert judged(component(runtime="systemd"), docker=Docker(error="there is no program docker")) == []


def test_our_own_container_and_its_port_are_fine():
    listener = Listener("127.0.0.1", 3000, 0, 5)
    proxy = {5: Process(99, "docker-proxy", "root")}
    assert judged(component(), docker=Docker("1", "", (OURS,)), listeners=[listener], processes=proxy) == []


def test_a_foreign_container_is_named_with_its_project_and_the_way_out():
    (said,) = judged(component(), docker=Docker("1", "", (THEIRS,)))
    assert "container named grafana exists" in said
    assert "compose project monitoring (image grafana/grafana:9.5)" in said
    assert "grafana_external_url" in said
    # Nor is the port it publishes.
    assert len(judged(component(), docker=Docker("1", "", (THEIRS,)), listeners=[Listener("::", 3000, 0, 5)])) == 2


def test_a_port_on_macos_is_our_daemons_if_there_is_one():
    unknown = Listener("127.0.0.1", 3000, -1, 0)
    mac = {"system": "Darwin", "systemd_running": False, "listeners": [unknown]}
    assert len(judged(component(runtime="launchd"), **mac)) == 1
    daemon = Unit("/Library/LaunchDaemons/x.plist", True, "root", "launchd")
    assert judged(component(runtime="launchd"), units={"grafana": [daemon]}, **mac) == []


def test_a_container_of_another_component_of_ours_does_not_count_as_this_one():
    assert len(judged(component(), docker=Docker("1", "", (replace(OURS, label="prometheus"),)))) == 1


def test_a_port_that_a_foreign_container_publishes():
    other = replace(THEIRS, name="metabase", image="metabase")
    (said,) = judged(
        component(),
        docker=Docker("1", "", (other,)),
        listeners=[Listener("0.0.0.0", 3000, 0, 5), Listener("::", 3000, 0, 6)],
        processes={5: Process(99, "docker-proxy", "root")},
    )
    assert said.startswith("Port 3000 on 127.0.0.1 is taken. It belongs to container metabase of the compose project")
    assert "grafana_port" in said


def test_a_port_that_a_process_listens_on():
    taken = {"listeners": [Listener("0.0.0.0", 3000, 1000, 5)], "processes": {5: Process(4711, "node", "bob")}}
    (said,) = judged(component(), **taken)
    assert said == (
        "Port 3000 on 127.0.0.1 is taken. It belongs to process node (pid 4711, user bob). "
        "Stop that, or set grafana_port to a free port."
    )


def test_a_port_whose_process_cannot_be_seen():
    (said,) = judged(component(), listeners=[Listener("127.0.0.1", 3000, 54321, 5)])
    assert "a process of user 54321" in said


def test_a_port_elsewhere_is_fine():
    elsewhere = [Listener("192.0.2.7", 3000, 0, 5), Listener("::1", 3000, 0, 6), Listener("127.0.0.1", 3001, 0, 7)]
    assert judged(component(), listeners=elsewhere) == []


def test_localhost_and_everything_are_understood():
    assert len(judged(component(address="localhost"), listeners=[Listener("::1", 3000, 0, 6)])) == 1
    assert len(judged(component(address="*"), listeners=[Listener("192.0.2.7", 3000, 0, 6)])) == 1


@pytest.mark.parametrize(
    "process",
    [
        Process(812, "prometheus", "prometheus", "/somewhere"),
        Process(900, "child", "prometheus", "/system.slice/prometheus.service"),
    ],
)
def test_the_port_of_our_own_unit_is_fine(process):
    changes = {
        "units": OUR_UNIT,
        "services": {"prometheus": Service(812, "/system.slice/prometheus.service")},
        "listeners": [Listener("127.0.0.1", 9090, 998, 5)],
        "processes": {5: process},
    }
    wanted = component("prometheus", "systemd", 9090)
    assert judged(wanted, **changes) == []
    assert len(judged(wanted, **{**changes, "processes": {5: replace(process, pid=7, cgroup="/user.slice")}})) == 1
    # A foreign unit of the same name is not made ours by its process.
    foreign = {"prometheus": [Unit("/lib/systemd/system/prometheus.service", False, "root")]}
    assert len(judged(wanted, **{**changes, "units": foreign})) == 2


def test_components_may_swap_ports_but_not_share_them():
    grafana, prometheus = component(port=9090), component("prometheus", port=3000)
    assert (
        judged(grafana, prometheus, docker=Docker("1", "", (OURS,)), listeners=[Listener("127.0.0.1", 3000, 0, 5)])
        == []
    )
    (said,) = judged(component(), component("prometheus", port=3000))
    assert said.startswith("grafana_port and prometheus_port are both 3000")


def test_a_foreign_unit():
    unit = Unit("/lib/systemd/system/prometheus.service", False, 'root, described as "Monitoring system"')
    (said,) = judged(component("prometheus", "systemd", 9090), units={"prometheus": [unit]})
    assert said.startswith("The unit /lib/systemd/system/prometheus.service exists and is not ours. It belongs to root")
    assert "prometheus_external_url" in said


def test_foreign_directories_name_their_variable():
    there = dict.fromkeys(("/etc/grafana", "/var/lib/grafana", "/opt/grafana"), "bob: exists without our marker")
    said = judged(component(), directories=there)
    assert len(said) == 2
    assert said[0].startswith("/etc/grafana exists without our marker. It belongs to bob.")
    assert "stack_config_dir" in said[0] and "stack_data_dir" in said[1]
    assert "stack_install_dir" in judged(component(runtime="systemd"), directories=there)[2]


def test_a_foreign_network():
    assert len(judged(component(), docker=Docker("1", "", (), (("net", ""),)))) == 1
    assert judged(component(), docker=Docker("1", "", (), (("net", "network"),))) == []


def test_mixed_runtimes_name_both_variables():
    (said,) = judged(component(), component("prometheus", "systemd", 9090))
    assert "grafana_runtime is docker" in said and "prometheus_runtime is systemd" in said
    assert "stack_runtime" in said


def test_docker_without_an_engine():
    (said,) = judged(component(), docker=Docker(error="Cannot connect to the Docker daemon at unix:///x."))
    assert "Cannot connect" in said and "stack_runtime: systemd" in said


@pytest.mark.parametrize(
    ("runtime", "changes", "words"),
    [
        ("docker", {"machine": "riscv64"}, ["riscv64", "amd64 and arm64"]),
        ("systemd", {"become": False, "euid": 1000}, ["needs root", "stack_become"]),
        ("docker", {"euid": 54321}, ["stack_become is true", "54321"]),
        ("systemd", {"system": "Darwin"}, ["Darwin", "grafana_runtime"]),
        ("systemd", {"systemd_running": False}, ["systemd does not run"]),
        ("launchd", {}, ["is launchd, but the host runs Linux"]),
        ("launchd", {"system": "Darwin", "become": False, "euid": 501}, ["launchd, which needs root"]),
    ],
)
def test_platforms(runtime, changes, words):
    (said,) = judged(component(runtime=runtime), **changes)
    assert all(word in said for word in words)


@pytest.mark.parametrize("machine", ["x86_64", "aarch64", "arm64", "AMD64"])
def test_known_architectures(machine):
    assert judged(component(), machine=machine) == []


def test_everything_is_listed_at_once():
    said = judged(
        component(),
        docker=Docker("1", "", (THEIRS,)),
        directories={"/etc/grafana": "root: exists without our marker"},
        units={"grafana": [Unit("/lib/systemd/system/grafana.service", False, "root")]},
        listeners=[Listener("127.0.0.1", 3000, 0, 5)],
    )
    assert len(said) == 4
