# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads what stands on a host before anything is changed."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import os
import platform
import pwd
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterable
from typing import Any

from ansible_collections.claude_code.observability.plugins.module_utils._config_sets import current_set
from ansible_collections.claude_code.observability.plugins.module_utils._preflight_rules import (
    ARCHITECTURES,
    Component,
    Container,
    Docker,
    Facts,
    Listener,
    Port,
    Process,
    Service,
    Unit,
    addresses,
)
from ansible_collections.claude_code.observability.plugins.module_utils._util import (
    COLLECTION,
    HostError,
    is_foreign,
    owner_name,
    read_marker,
)

UNIT_DIRS = (
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
)
DAEMONS = "/Library/LaunchDaemons"
PROC = "/proc"
COMMAND_SECONDS = 30
CONTAINER_FORMAT = "\t".join(
    (
        "{{.Names}}",
        "{{.Image}}",
        "{{.Ports}}",
        f'{{{{.Label "{COLLECTION}"}}}}',
        '{{.Label "com.docker.compose.project"}}',
    )
)
NETWORK_FORMAT = f'{{{{.Name}}}}\t{{{{.Label "{COLLECTION}"}}}}'


# --- parsers --------------------------------------------------------------------------------------------------------


def parse_tcp(text: str) -> list[Listener]:
    """The listening sockets of a /proc/net/tcp or tcp6 table."""
    found = []
    for line in text.splitlines()[1:]:
        fields = line.split()
        if len(fields) < 10 or fields[3] != "0A":
            continue
        address, port = fields[1].split(":")
        found.append(Listener(_proc_address(address), int(port, 16), int(fields[7]), int(fields[9])))
    return found


def _proc_address(text: str) -> str:
    """An address as the kernel prints it: 32-bit words in the byte order of the machine."""
    raw = bytes.fromhex(text)
    if sys.byteorder == "little":
        raw = b"".join(raw[start : start + 4][::-1] for start in range(0, len(raw), 4))
    address = ipaddress.ip_address(raw)
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(address)


def parse_containers(text: str) -> tuple[Container, ...]:
    """Containers as C(docker ps) prints them in CONTAINER_FORMAT."""
    found = []
    for line in text.splitlines():
        name, image, ports, label, project = line.split("\t")
        # A container linked to by others has several names, the others with a slash.
        name = next(each for each in name.split(",") if "/" not in each)
        found.append(Container(name, image, label, project, parse_published(ports)))
    return tuple(found)


def parse_published(text: str) -> tuple[tuple[str, int], ...]:
    """Host addresses and TCP ports in a "PORTS" column; runs of ports are printed as ranges."""
    found = []
    for part in text.split(", "):
        match = re.fullmatch(r"(.*):(\d+)(?:-(\d+))?->[\d-]+/tcp", part)
        if match:
            address = match.group(1).strip("[]")
            first = int(match.group(2))
            found += [(address, port) for port in range(first, int(match.group(3) or first) + 1)]
    return tuple(found)


def parse_show(text: str) -> dict[str, Service]:
    """Units by name (without suffix), from the blocks of C(systemctl show)."""
    found = {}
    for block in text.strip().split("\n\n"):
        values = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        if values.get("Id"):
            name = values["Id"].rsplit(".", 1)[0]
            found[name] = Service(int(values.get("MainPID") or 0), values.get("ControlGroup", ""))
    return found


def parse_systemd_version(text: str) -> int:
    """The number in the first line of C(systemctl --version), 0 without one."""
    match = re.match(r"systemd (\d+)", text)
    return int(match.group(1)) if match else 0


# --- reading the host -----------------------------------------------------------------------------------------------


def gather(components: list[Component], network: str, become: bool) -> Facts:
    """Reads what judge needs."""
    names = [component.name for component in components]
    systemd_running = os.path.isdir("/run/systemd/system") and shutil.which("systemctl") is not None
    units = {component.name: find_units(component) for component in components}
    facts = Facts(
        system=platform.system(),
        machine=platform.machine(),
        euid=os.geteuid(),
        become=become,
        systemd_running=systemd_running,
        docker=query_docker(network),
        units=units,
        services=query_services(names) if systemd_running and any(units.values()) else {},
        directories=find_directories(components, become),
    )
    wanted = [port for component in components for port in component.ports]
    facts.listeners = find_listeners(wanted)
    facts.processes = find_processes(
        {listener.inode for listener in facts.listeners if listener.inode},
        [service.main_pid for service in facts.services.values()],
    )
    return facts


def run(argv: list[str]) -> tuple[int, str, str]:
    """A command's rc, output and error text; a program that is missing or hangs is an rc of -1."""
    try:
        # AnsibleModule.run_command would wait for an engine that hangs.
        done = subprocess.run(  # pylint: disable=ansible-bad-function
            argv,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=COMMAND_SECONDS,
            check=False,
            env={**os.environ, "LC_ALL": "C"},
        )
    except FileNotFoundError:
        return -1, "", f"there is no program {argv[0]}"
    except subprocess.TimeoutExpired:
        return -1, "", f"{argv[0]} gave no answer within {COMMAND_SECONDS} s"
    except OSError as exc:
        return -1, "", f"{argv[0]}: {exc.strerror}"
    return done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace").strip()


def query_docker(network: str) -> Docker:
    """Asks the engine that the docker CLI of this user talks to."""
    rc, info, error = run(["docker", "info", "--format", "{{.ServerVersion}}\t{{.MemoryLimit}}"])
    if rc != 0:
        return Docker(error=error or "docker info failed")
    rc, containers, error = run(["docker", "ps", "--all", "--no-trunc", "--format", CONTAINER_FORMAT])
    if rc != 0:
        return Docker(error=error)
    networks: list[tuple[str, str]] = []
    if network:
        rc, text, error = run(["docker", "network", "ls", "--filter", f"name=^{network}$", "--format", NETWORK_FORMAT])
        if rc != 0:
            return Docker(error=error)
        for line in text.splitlines():
            name, _tab, label = line.partition("\t")
            networks.append((name, label))
    version, _tab, limits = info.strip().partition("\t")
    return Docker(version, "", parse_containers(containers), tuple(networks), limits == "true")


def query_services(names: list[str]) -> dict[str, Service]:
    """Asks systemd for the processes of units, in one call."""
    units = [f"{name}.service" for name in names]
    return parse_show(run(["systemctl", "show", "--property=Id,MainPID,ControlGroup", *units])[1])


def systemd_version() -> int:
    """The version of systemd, 0 without one."""
    return parse_systemd_version(run(["systemctl", "--version"])[1])


def find_units(component: Component) -> list[Unit]:
    """Unit files of a component's name, wherever systemd looks for them; ours are links into the config directory."""
    found = []
    folders = {os.path.realpath(folder): folder for folder in reversed(UNIT_DIRS)}
    places = [(folder, f"{component.name}.service", "systemd") for folder in reversed(list(folders.values()))]
    for folder, name, runtime in [*places, (DAEMONS, f"{COLLECTION}.{component.name}.plist", "launchd")]:
        path = os.path.join(folder, name)
        if not os.path.lexists(path):
            continue
        target = os.path.normpath(os.path.join(folder, os.readlink(path))) if os.path.islink(path) else path
        ours = target.startswith(component.config_dir.rstrip("/") + "/")
        found.append(Unit(path, ours, _unit_description(path, target), runtime))
    return found


def _unit_description(path: str, target: str) -> str:
    owner = owner_name(os.lstat(path).st_uid)
    if target == "/dev/null":
        return f"{owner}, who masked it"
    with contextlib.suppress(OSError), open(path, encoding="utf-8", errors="replace") as handle:
        match = re.search(r"^Description=(.*)$", handle.read(), re.MULTILINE)
        if match:
            return f'{owner}, described as "{match.group(1).strip()}"'
    return owner


def nearest(path: str) -> str:
    """The path itself or its closest parent that exists."""
    path = os.path.abspath(path)
    while not os.path.exists(path):
        path = os.path.dirname(path)
    return path


def find_directories(components: list[Component], become: bool) -> dict[str, str]:
    """Directories that cannot be taken: path to "owner: reason"."""
    found = {}
    for component in components:
        for path in (component.config_dir, component.data_dir, component.install_dir):
            if not path:
                continue
            there = nearest(path)
            owner = owner_name(os.stat(there).st_uid)
            try:
                if is_foreign(path):
                    found[path] = f"{owner}: exists without our marker"
                elif not become and path != component.install_dir and not os.access(there, os.W_OK | os.X_OK):
                    found[path] = f"{owner}: cannot be written by {owner_name(os.geteuid())}, and stack_become is false"
            except HostError as exc:
                found[path] = f"{owner}: cannot be judged: {exc}"
    return found


def find_listeners(wanted: Iterable[Port]) -> list[Listener]:
    """Listening sockets on the wanted ports."""
    ports = {port.port for port in wanted}
    found = []
    for table in ("tcp", "tcp6"):
        try:
            with open(os.path.join(PROC, "net", table), encoding="ascii") as handle:
                found += [each for each in parse_tcp(handle.read()) if each.port in ports]
        except FileNotFoundError:
            if table == "tcp":
                return [Listener(p.address, p.port, -1, 0) for p in wanted if not can_bind(p.address, p.port)]
    return found


def can_bind(address: str, port: int) -> bool:
    """Tries a port where the kernel does not list them."""
    for each in addresses(address):
        family = socket.AF_INET6 if ":" in each else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((each, port))
            except OSError as exc:
                if exc.errno == errno.EADDRINUSE:
                    return False
    return True


def find_processes(inodes: set[int], first: Iterable[int]) -> dict[int, Process]:
    """The processes behind sockets, by inode, as far as this user may see; likely ones are looked at first."""
    found: dict[int, Process] = {}
    if not inodes or not os.path.isdir(PROC):
        return found
    for pid in dict.fromkeys([*first, *(int(name) for name in os.listdir(PROC) if name.isdigit())]):
        if set(found) == inodes:
            break
        with contextlib.suppress(OSError):
            folder = os.path.join(PROC, str(pid), "fd")
            for name in os.listdir(folder):
                match = re.fullmatch(r"socket:\[(\d+)\]", os.readlink(os.path.join(folder, name)))
                if match and int(match.group(1)) in inodes:
                    found[int(match.group(1))] = _process(pid)
    return found


def _process(pid: int) -> Process:
    folder = os.path.join(PROC, str(pid))
    with open(os.path.join(folder, "comm"), encoding="utf-8", errors="replace") as handle:
        name = handle.read().strip()
    with open(os.path.join(folder, "cgroup"), encoding="utf-8", errors="replace") as handle:
        # The line of the unified hierarchy, or systemd's own among the old ones. Where both are, one may lead nowhere.
        lines = [line.split(":", 2) for line in handle.read().splitlines()]
    cgroup = max((path for _id, kind, path in lines if kind in ("name=systemd", "")), key=len, default="")
    return Process(pid, name, owner_name(os.stat(folder).st_uid), cgroup)


def known_ids(user: str) -> dict[str, int]:
    """uid and gid of a user, -1 without one."""
    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        return {"uid": -1, "gid": -1}
    return {"uid": entry.pw_uid, "gid": entry.pw_gid}


def memory_bytes() -> int:
    """Physical memory."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def report(components: list[Component], network: str, facts: Facts) -> dict[str, Any]:
    """What the roles need to know of the host."""
    disks = {component.name: shutil.disk_usage(nearest(component.data_dir)) for component in components}
    return {
        "architecture": ARCHITECTURES.get(facts.machine.lower(), facts.machine),
        "system": facts.system,
        "python": platform.python_version(),
        "systemd_version": systemd_version() if facts.systemd_running else 0,
        "docker": {
            "server_version": facts.docker.version,
            "limits_memory": facts.docker.limits_memory,
            "network_present": any(name == network for name, _label in facts.docker.networks),
        },
        "euid": facts.euid,
        "egid": os.getegid(),
        "memory_bytes": memory_bytes(),
        "users": {component.name: known_ids(component.user) for component in components},
        "disk": {name: {"total": disk.total, "available": disk.free} for name, disk in disks.items()},
        "components": {component.name: _component_report(component, facts) for component in components},
    }


def _component_report(component: Component, facts: Facts) -> dict[str, Any]:
    container = facts.container(component.name)
    present = []
    if container and container.label == component.name:
        present.append("docker")
    present += facts.own_runtimes(component.name)
    return {
        "marker": read_marker(component.config_dir) or {},
        "runtime_present": present,
        "set": current_set(component.config_dir),
    }
