# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of the things on a host is in the way of our components. Reads nothing itself."""

from __future__ import annotations

from dataclasses import dataclass, field

from ansible_collections.claude_code.observability.plugins.module_utils._util import owner_name

# The runtimes that are a system's own, and that system.
SYSTEMS = {"systemd": "Linux", "launchd": "Darwin"}
ARCHITECTURES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


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
    """A unit file of systemd or a property list of launchd, or a link to one."""

    path: str
    ours: bool
    description: str
    runtime: str = "systemd"


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
    limits_memory: bool = False


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
        return bool(self.own_runtimes(name))

    def own_runtimes(self, name: str) -> list[str]:
        """Where a unit of ours is set up."""
        return [unit.runtime for unit in self.units.get(name, []) if unit.ours][:1]


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


# --- judgement -------------------------------------------------------------------------------------------------------


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
    managers = [each for each in components if each.runtime in SYSTEMS]
    if managers:
        variable, runtime = managers[0].runtime_variable, managers[0].runtime
        if not facts.become:
            change = f"Set {variable} to docker, or stack_become to true."
            found.append(Problem(f"{variable} is {runtime}, which needs root, but stack_become is false", "", change))
        if facts.system != SYSTEMS[runtime]:
            said = f"{variable} is {runtime}, but the host runs {facts.system}"
            found.append(Problem(said, "", "Set it to docker."))
        elif runtime == "systemd" and not facts.systemd_running:
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
    if component.runtime in SYSTEMS and component.install_dir:
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
        if not listener.inode and "launchd" in facts.own_runtimes(component.name):
            # macOS does not say whose it is.
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


def overlaps(wanted: str, taken: str) -> bool:
    """Whether a socket on one address keeps another from listening on the same port there.

    A socket on :: takes the IPv4 port as well, unless it was told not to, which the table does not show.
    """
    if "::" in (wanted, taken) or wanted == taken:
        return True
    if "0.0.0.0" in (wanted, taken):
        return ":" not in wanted and ":" not in taken
    return False
