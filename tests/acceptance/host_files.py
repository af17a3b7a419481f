# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every file of a host, and what is new among them."""

from __future__ import annotations

from dataclasses import dataclass

from testbed import Host

# What changes by itself, is the kernel's, or belongs to the engine and the mounts of the test.
PRUNED = (
    *("/proc", "/sys", "/dev", "/run", "/tmp", "/mirror", "/acceptance", "/root"),
    *("/var/cache", "/var/log", "/var/tmp", "/var/lib/systemd", "/var/lib/docker", "/var/lib/containerd"),
)
# The tools that add a user rewrite these; useradd keeps the former.
ACCOUNTS = {f"/etc/{name}{end}" for name in ("passwd", "group", "shadow", "gshadow") for end in ("", "-")} | {
    f"/etc/sub{name}{end}" for name in ("uid", "gid") for end in ("", "-")
}


def host_files(host: Host) -> dict[str, str]:
    """Each path with type, mode and owner."""
    pruned = " -o ".join(f"-path {path}" for path in PRUNED)
    lines = host.sh(f"find / \\( {pruned} \\) -prune -o -printf '%p\\t%y %m %U:%G\\n'").splitlines()
    return {path: told for path, told in (line.rsplit("\t", 1) for line in lines) if path not in ACCOUNTS}


def changed(before: dict[str, str], after: dict[str, str]) -> dict[str, str]:
    """Paths that came, went or became something else."""
    return {
        path: after.get(path, "gone")
        for path in sorted(before.keys() | after.keys())
        if before.get(path) != after.get(path) and "/__pycache__" not in path
    }


def users(host: Host) -> set[str]:
    return set(host.sh("cut --delimiter=: --fields=1 /etc/passwd").split())


def engine_has(host: Host) -> str:
    """Containers, networks and volumes."""
    return host.sh(
        "docker ps --all --format 'container {{.Names}}'; docker network ls --format 'network {{.Name}}';"
        "docker volume ls --format 'volume {{.Name}}'"
    )


@dataclass(frozen=True)
class Seen:
    """A host at one time."""

    files: dict[str, str]
    users: set[str]
    engine: str

    @classmethod
    def now(cls, host: Host) -> Seen:
        return cls(host_files(host), users(host), engine_has(host))
