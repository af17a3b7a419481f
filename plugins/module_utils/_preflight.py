# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands on a host before anything is changed, and what of it is in the way.

First the parsers and the judgement, which touch nothing; below them what reads the host.
"""

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
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.claude_code.observability.plugins.module_utils._config_sets import current_set
from ansible_collections.claude_code.observability.plugins.module_utils._util import (
    COLLECTION,
    HostError,
    is_foreign,
    owner_name,
    read_marker,
)

ARCHITECTURES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
UNIT_DIRS = (
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
)
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


@dataclass(frozen=True)
class Port:
    """A TCP port a component wants, and the variable that sets it."""

    address: str
    port: int
    variable: str


@dataclass(frozen=True)
class Component:
    """What a component takes on the host."""

    name: str
    runtime: str
    runtime_variable: str
    user: str
    config_dir: str
    data_dir: str
    install_dir: str = ""
    ports: tuple[Port, ...] = ()

    @property
    def own_variable(self) -> str:
        """The variable that names an instance of the user's own, to be used instead."""
        return f"{self.name.replace('-', '_')}_external_url"


@dataclass(frozen=True)
class Container:
    """A container; published holds (host address, port) of a running one."""

    name: str
    image: str
    label: str
    project: str
    published: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Unit:
    """A unit file, or a link to one."""

    path: str
    ours: bool
    description: str


@dataclass(frozen=True)
class Service:
    """What systemd says of a unit: its main process and its control group."""

    main_pid: int
    control_group: str


@dataclass(frozen=True)
class Listener:
    """A listening TCP socket. An inode of 0 is one that only a failed bind tells of."""

    address: str
    port: int
    uid: int
    inode: int


@dataclass(frozen=True)
class Process:
    """The process behind a socket."""

    pid: int
    name: str
    user: str
    cgroup: str = ""


@dataclass(frozen=True)
class Docker:
    """The engine; error says why it cannot be used."""

    version: str = ""
    error: str = ""
    containers: tuple[Container, ...] = ()
    networks: tuple[tuple[str, str], ...] = ()


@dataclass
class Facts:
    """The host, as far as it matters."""

    system: str
    machine: str
    euid: int
    become: bool
    systemd_running: bool
    docker: Docker
    units: dict[str, list[Unit]] = field(default_factory=dict)
    services: dict[str, Service] = field(default_factory=dict)
    directories: dict[str, str] = field(default_factory=dict)
    listeners: list[Listener] = field(default_factory=list)
    processes: dict[int, Process] = field(default_factory=dict)

    def container(self, name: str) -> Container | None:
        return next((each for each in self.docker.containers if each.name == name), None)

    def unit_is_ours(self, name: str) -> bool:
        return any(unit.ours for unit in self.units.get(name, []))


@dataclass(frozen=True)
class Problem:
    """Something in the way: what it is, whose it is, what to do."""

    what: str
    owner: str
    change: str

    def __str__(self) -> str:
        return (
            f"{self.what}. It belongs to {self.owner}. {self.change}" if self.owner else f"{self.what}. {self.change}"
        )


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


def overlaps(wanted: str, taken: str) -> bool:
    """Whether a socket on one address keeps another from listening on the same port there.

    A socket on :: takes the IPv4 port as well, unless it was told not to, which the table does not show.
    """
    if "::" in (wanted, taken) or wanted == taken:
        return True
    if "0.0.0.0" in (wanted, taken):
        return ":" not in wanted and ":" not in taken
    return False


# --- judgement ------------------------------------------------------------------------------------------------------


def judge(components: list[Component], network: str, facts: Facts) -> list[Problem]:
    """Everything in the way of these components."""
    found = [*_platform(components, facts), *_runtimes(components, facts)]
    for component in components:
        found += _names(component, facts)
        found += _directories(component, facts)
    if any(name == network and not label for name, label in facts.docker.networks):
        found.append(Problem(f"The docker network {network} exists without our label", "", "Remove it."))
    return found + _ports(components, facts)


def _platform(components: list[Component], facts: Facts) -> list[Problem]:
    found = []
    if facts.machine.lower() not in ARCHITECTURES:
        known = " and ".join(sorted(set(ARCHITECTURES.values())))
        found.append(Problem(f"The architecture is {facts.machine}", "", f"The programs are there for {known} only."))
    if facts.become and facts.euid != 0:
        change = "Allow become for this host, or set stack_become: false."
        found.append(Problem(f"stack_become is true, but the user is {owner_name(facts.euid)}, not root", "", change))
    systemd = [each for each in components if each.runtime == "systemd"]
    if systemd:
        variable = systemd[0].runtime_variable
        if not facts.become:
            change = f"Set {variable} to docker, or stack_become to true."
            found.append(Problem(f"{variable} is systemd, which needs root, but stack_become is false", "", change))
        if facts.system != "Linux":
            found.append(Problem(f"{variable} is systemd, but the host runs {facts.system}", "", "Set it to docker."))
        elif not facts.systemd_running:
            change = "Set it to docker, or boot the host with systemd."
            found.append(Problem(f"{variable} is systemd, but systemd does not run here", "", change))
    return found


def _runtimes(components: list[Component], facts: Facts) -> list[Problem]:
    found = []
    by_runtime = {each.runtime: each for each in reversed(components)}
    if len(by_runtime) > 1:
        said = " and ".join(f"{each.runtime_variable} is {each.runtime}" for each in by_runtime.values())
        change = "Give all components of one host the same runtime, by stack_runtime."
        found.append(Problem(f"Two runtimes on one host: {said}", "", change))
    if "docker" in by_runtime and facts.docker.error:
        change = "Install a docker engine and let this user talk to it, or set stack_runtime: systemd."
        said = f"{by_runtime['docker'].runtime_variable} is docker, but no engine answers: {facts.docker.error}"
        found.append(Problem(said, "", change))
    return found


def _names(component: Component, facts: Facts) -> list[Problem]:
    found = []
    instead = f"or, to use it as it is, set {component.own_variable} and leave this host out of the group"
    container = facts.container(component.name)
    if container and container.label != component.name:
        found.append(
            Problem(
                f"A container named {container.name} exists and is not ours",
                _container_owner(container),
                f"Remove or rename it (docker rename {container.name} {container.name}-old), {instead}.",
            )
        )
    for unit in facts.units.get(component.name, []):
        if not unit.ours:
            change = f"Remove the unit or the package it came with, {instead}."
            found.append(Problem(f"The unit {unit.path} exists and is not ours", unit.description, change))
    return found


def _container_owner(container: Container) -> str:
    project = f" of the compose project {container.project}" if container.project else ""
    return f"container {container.name}{project} (image {container.image})"


def _directories(component: Component, facts: Facts) -> list[Problem]:
    wanted = [(component.config_dir, "stack_config_dir"), (component.data_dir, "stack_data_dir")]
    if component.runtime == "systemd" and component.install_dir:
        wanted.append((component.install_dir, "stack_install_dir"))
    found = []
    for path, variable in wanted:
        said = facts.directories.get(path)
        if said is not None:
            owner, _sep, reason = said.partition(": ")
            found.append(Problem(f"{path} {reason}", owner, f"Move it away, or set {variable} to another directory."))
    return found


def _ports(components: list[Component], facts: Facts) -> list[Problem]:
    found: list[Problem] = []
    wanted = [(component, port) for component in components for port in component.ports]
    for index, (_component, port) in enumerate(wanted):
        for _other, earlier in wanted[:index]:
            if earlier.port == port.port and _any_overlap(earlier.address, port.address):
                said = f"{earlier.variable} and {port.variable} are both {port.port}"
                found.append(Problem(said, "", "Give one of them another port."))
    for _component, port in wanted:
        for listener in facts.listeners:
            if listener.port != port.port or not _any_overlap(port.address, listener.address):
                continue
            if _is_ours(components, listener, facts):
                continue
            found.append(
                Problem(
                    f"Port {port.port} on {port.address} is taken",
                    _listener_owner(listener, facts),
                    f"Stop that, or set {port.variable} to a free port.",
                )
            )
            break
    return found


def _any_overlap(wanted: str, taken: str) -> bool:
    return any(overlaps(each, taken_each) for each in addresses(wanted) for taken_each in addresses(taken))


def addresses(name: str) -> tuple[str, ...]:
    """The addresses behind what a variable may say."""
    if name == "localhost":
        return ("127.0.0.1", "::1")
    if name in ("", "*"):
        return ("0.0.0.0", "::")
    return (name.strip("[]"),)


def _is_ours(components: list[Component], listener: Listener, facts: Facts) -> bool:
    process = facts.processes.get(listener.inode)
    for component in components:
        container = facts.container(component.name)
        if container and container.label == component.name and _publishes(container, listener):
            return True
        service = facts.services.get(component.name)
        if process and service and facts.unit_is_ours(component.name):
            if process.pid == service.main_pid:
                return True
            if service.control_group and process.cgroup == service.control_group:
                return True
    return False


def _publishes(container: Container, listener: Listener) -> bool:
    """Whether the listener is what the engine set up for a container. Older engines listen on :: for all addresses."""
    for address, port in container.published:
        everywhere = address in ("0.0.0.0", "::", "") and listener.address in ("0.0.0.0", "::")
        if port == listener.port and (address in addresses(listener.address) or everywhere):
            return True
    return False


def _listener_owner(listener: Listener, facts: Facts) -> str:
    container = next((each for each in facts.docker.containers if _publishes(each, listener)), None)
    if container:
        return _container_owner(container)
    process = facts.processes.get(listener.inode)
    if process:
        return f"process {process.name} (pid {process.pid}, user {process.user})"
    return f"a process of user {owner_name(listener.uid)}" if listener.inode else "a process that is not ours to see"


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
        done = subprocess.run(
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
    rc, version, error = run(["docker", "version", "--format", "{{.Server.Version}}"])
    if rc != 0:
        return Docker(error=error or "docker version failed")
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
    return Docker(version.strip(), "", parse_containers(containers), tuple(networks))


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
    for folder in reversed(list(folders.values())):
        path = os.path.join(folder, f"{component.name}.service")
        if not os.path.lexists(path):
            continue
        target = os.path.normpath(os.path.join(folder, os.readlink(path))) if os.path.islink(path) else path
        ours = target.startswith(component.config_dir.rstrip("/") + "/") and target != path
        found.append(Unit(path, ours, _unit_description(path, target)))
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
        # Either the one line of the unified hierarchy, or systemd's own among the old ones.
        lines = [line.split(":", 2) for line in handle.read().splitlines()]
    cgroup = next((path for _id, kind, path in lines if kind in ("name=systemd", "")), "")
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
    if facts.unit_is_ours(component.name):
        present.append("systemd")
    return {
        "marker": read_marker(component.config_dir) or {},
        "runtime_present": present,
        "set": current_set(component.config_dir),
    }
