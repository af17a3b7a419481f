# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures what the stack takes: download, disk, memory when idle and under a replay.

    . .venv/bin/activate && python3 benchmarks/footprint [--runtime systemd|docker] [--seconds 60]

Needs what `make setup-test test-bundle` leaves. Brings the stack up on a test host of its own, once per runtime, and
writes the tables to benchmarks/footprint-<date>.txt. All MB are 10^6 bytes.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import platform
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.tools import replay
from tests.tools.check_totals import compare
from tests.tools.ledger import Loki, Prometheus
from tests.tools.otlp import GrpcSender, HttpSender, Sender

ROOT = Path(__file__).resolve().parents[2]
RUNTIMES = ("systemd", "docker")
SCENARIO = "footprint"
HOST = f"ccobs-{SCENARIO}-stack"
ROLES = {"otel-collector": "otel_collector", "prometheus": "prometheus", "loki": "loki"}
COLUMNS = ("component", "download", "installed", "RAM idle", "of it own", "RAM replay", "data / 1,000 requests")
GRAFANA = "grafana: not measured: its release cannot be had here (upstream: archive about 460 MB, 1.4 GB unpacked)"

# A busy developer's client exports metrics every 10 s (our settings) and events every 5 s (its default).
DEVELOPERS = 100
RATE = DEVELOPERS * (1 / 10 + 1 / 5)
NOTES = f"""
download    release archive, or the image as a file (a registry sends it compressed)
installed   /opt/<name>, or the image
RAM         resident memory (VmRSS) of the program; the engine itself is not in it
of it own   without the pages of the program's file (RssAnon), which the kernel drops when it needs the room
RAM replay  the most during the replay (VmHWM): tests/recordings again and again, each time as new sessions, over gRPC
            and HTTP, at the pace of {DEVELOPERS} developers who all work ({RATE:.0f} requests a second)
data        what /var/lib/<name> grew by, the stack's own metrics included: write-ahead logs, later packed into blocks
The programs are those of bundle/. The collector there holds the components that this stack uses; the upstream
release holds all of contrib and is larger.
"""

# The recordings that are compared with the stores in one query: Loki answers with at most 500 series.
AT_ONCE = 40


def run(*argv: str) -> str:
    """The output of a command on this machine."""
    done = subprocess.run(argv, cwd=ROOT, env=environment(), capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(argv)}\n{done.stdout}{done.stderr}")
    return done.stdout.strip()


def environment() -> dict[str, str]:
    """The test hosts of molecule's playbooks, under a name of their own."""
    return {
        **os.environ,
        "MOLECULE_SCENARIO_NAME": SCENARIO,
        "MOLECULE_PROJECT_DIRECTORY": str(ROOT),
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"),
        "ANSIBLE_CALLBACK_RESULT_FORMAT": "json",
    }


def play(playbook: str, runtime: str = "docker") -> str:
    """Plays on a test host that has an engine and is reachable from here; the output holds every result."""
    listening = {"stack_listen_address": "0.0.0.0", "stack_allow_insecure_network": True}
    inventories = ("--inventory=molecule/common/hosts.yml", "--inventory=molecule/docker/inventory.yml")
    variables = json.dumps({"stack_runtime": runtime, **listening})
    return run("ansible-playbook", *inventories, "--extra-vars", variables, "-v", playbook)


def sh(script: str) -> str:
    """The output of a shell script on the test host, as root."""
    return run("docker", "exec", HOST, "sh", "-c", script)


@dataclass
class Component:
    """One program on the test host. Sizes in bytes."""

    name: str
    runtime: str

    @property
    def version(self) -> str:
        defaults = (ROOT / "roles" / ROLES[self.name] / "defaults/main.yml").read_text()
        versions: list[str] = re.findall(r'_version: "(.+)"', defaults)
        return versions[0]

    @property
    def pid(self) -> str:
        if self.runtime == "docker":
            return sh(f"docker inspect --format '{{{{.State.Pid}}}}' {self.name}")
        return sh(f"systemctl show --property=MainPID --value {self.name}")

    def image(self, field: str) -> str:
        """What the engine says of the image that the container was made of."""
        image = sh(f"docker inspect --format '{{{{.Image}}}}' {self.name}")
        return sh(f"docker image inspect --format '{{{{.{field}}}}}' {image}")

    def download(self, played: str) -> int:
        """What release_archive says it fetched; an image comes as one file."""
        if self.runtime == "docker":
            file = f"{self.name}-{self.version}-{self.image('Architecture')}.tar"
            return int(sh(f"stat --format %s /mirror/images/{file}"))
        return int(re.findall(rf'"downloaded": (\d+).*"path": "/opt/{self.name}/', played)[0])

    def installed(self) -> int:
        if self.runtime == "docker":
            return int(self.image("Size"))
        return self.disk(f"/opt/{self.name}")

    def data(self) -> int:
        return self.disk(f"/var/lib/{self.name}")

    @staticmethod
    def disk(folder: str) -> int:
        """The blocks a folder holds."""
        return int(sh(f"du --summarize --block-size=1 {folder}").split()[0])

    def memory(self, field: str = "VmRSS") -> int:
        """Resident memory: VmRSS now, RssAnon its own part, VmHWM the most since forget_peak."""
        return 1024 * int(sh(f"awk '/^{field}/ {{print $2}}' /proc/{self.pid}/status"))

    def forget_peak(self) -> None:
        sh(f"echo 5 >/proc/{self.pid}/clear_refs")


def wait_until_settled(components: list[Component]) -> None:
    """Until no program's memory has moved by more than 2 % in 20 seconds."""
    before: list[int] = []
    now = [component.memory() for component in components]
    while not before or any(abs(new - old) > old * 0.02 for new, old in zip(now, before)):
        time.sleep(20)
        before, now = now, [component.memory() for component in components]


def load(senders: list[Sender], seconds: float) -> list[replay.Replayed]:
    """All recordings again and again, each time as new sessions, at RATE requests a second."""
    sent: list[replay.Replayed] = []
    turns = itertools.cycle(itertools.product(replay.files(), senders))
    started = time.monotonic()
    while time.monotonic() - started < seconds:
        sent.append(replay.replay(*next(turns)))
        time.sleep(max(0, started + sum(row.requests for row in sent) / RATE - time.monotonic()))
    return sent


def wrong(sent: list[replay.Replayed], prometheus: Prometheus, loki: Loki) -> int:
    """How many of the replayed recordings the stores count differently."""
    parts = [sent[start : start + AT_ONCE] for start in range(0, len(sent), AT_ONCE)]
    return sum(bool(check.wrong()) for part in parts for check in compare(part, prometheus, loki, timeout=120))


def mb(size: float) -> str:
    return f"{size / 1e6:.1f} MB"


def table(rows: list[tuple[str, ...]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows)]
    return "\n".join(
        "  ".join(cell.rjust(width) if n else cell.ljust(width + 1) for n, (cell, width) in enumerate(zip(row, widths)))
        for row in rows
    )


def measure(runtime: str, seconds: float) -> str:
    """Bring up the stack, look, replay, look again."""
    play("molecule/common/create.yml")
    play("molecule/common/prepare.yml")
    played = play("playbooks/stack.yml", runtime)
    components = [Component(name, runtime) for name in ROLES]

    wait_until_settled(components)
    idle = [component.memory() for component in components]
    own = [component.memory("RssAnon") for component in components]
    data = [component.data() for component in components]
    for component in components:
        component.forget_peak()

    address = run("docker", "inspect", "--format", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", HOST)
    started = time.monotonic()
    sent = load([GrpcSender(f"{address}:4317"), HttpSender(f"http://{address}:4318")], seconds)
    took = time.monotonic() - started
    peak = [component.memory("VmHWM") for component in components]
    differ = wrong(sent, Prometheus(f"http://{address}:9090"), Loki(f"http://{address}:3100"))
    grown = [component.data() - before for component, before in zip(components, data)]

    requests = sum(row.requests for row in sent)
    sizes: list[list[float]] = [
        [component.download(played) for component in components],
        [component.installed() for component in components],
        [*idle],
        [*own],
        [*peak],
        [growth * 1000 / requests for growth in grown],
    ]
    rows = [tuple(map(mb, row)) for row in zip(*sizes)] + [tuple(mb(sum(column)) for column in sizes)]
    names = [f"{component.name} {component.version}" for component in components] + ["together"]
    return "\n".join(
        [
            f"{runtime}: {requests} requests of {len(sent)} sessions in {took:.0f} s ({requests / took:.0f} a second);"
            f" {differ} sessions counted wrong",
            "",
            table([COLUMNS, *((name, *row) for name, row in zip(names, rows))]),
            GRAFANA,
        ]
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runtime", choices=RUNTIMES, help="default: one after the other")
    parser.add_argument("--seconds", type=float, default=60, help="length of the replay (default 60)")
    options = parser.parse_args()
    report = [
        f"python3 benchmarks/footprint {' '.join(sys.argv[1:])}".strip(),
        f"{time.strftime('%Y-%m-%d %H:%M UTC', time.gmtime())}, {os.cpu_count()} cores, {platform.machine()},"
        f" Linux {platform.release()}",
        NOTES,
    ]
    for runtime in [options.runtime] if options.runtime else RUNTIMES:
        play("molecule/common/destroy.yml")
        try:
            report.append(measure(runtime, options.seconds) + "\n")
        finally:
            play("molecule/common/destroy.yml")
        print(report[-1], flush=True)
    out = ROOT / "benchmarks" / f"footprint-{time.strftime('%Y-%m-%d', time.gmtime())}.txt"
    out.write_text("\n".join(report))
    print(f"written: {out.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
