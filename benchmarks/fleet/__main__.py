# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures a rollout to a fleet: our playbook against slurp, combine and copy by hand, in turns on the same hosts.

    . .venv/bin/activate && python3 -m benchmarks.fleet [--hosts 20] [--rounds 3]

Needs what `make setup-test` leaves. Writes the figures to benchmarks/fleet-<date>.txt.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.fleet.laptops import FORKS, ROOT, Fleet
from tests.fleet.people import USERS, settings

COLUMNS = ("way", "run", "s per host", "least", "most", "CPU s per host", "executions", "transfers")
NOTES = f"""
clients.yml  our playbook, checks before any host is touched included
by hand      tests/fleet/by_hand.yml: slurp, combine and copy for each of the {len(USERS)} users
first        the settings lack our variables;  again: they have them, nothing changes
s per host   from the start of ansible-playbook to its end, by the number of hosts: median, least and most of the rounds
CPU          of the controller; hosts and controller share this machine's cores
executions   of modules on each host, counted on the host; transfers: files sent to it
The hosts are containers reached by docker exec with pipelining, {FORKS} at once. Networks add round trips to each call.
"""


@dataclass(frozen=True)
class Run:
    """One run of a playbook on the whole fleet."""

    way: str
    run: str
    seconds: float
    cpu: float
    executions: int
    transfers: int


WAYS = {"clients.yml": "claude_code.observability.clients", "by hand": str(ROOT / "tests/fleet/by_hand.yml")}
FORMER = """
for home in /homes/*; do
  user=${home##*/}
  rm -rf /home/$user/.claude
  cp -r $home/.claude /home/$user
  chown -R $user: /home/$user/.claude
done
"""


class Bench:
    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet

    def former(self) -> None:
        """Everybody's settings are what they were before any run."""
        self.fleet.each(lambda host: self.fleet.sh(host, FORMER))

    def measured(self, way: str, run: str) -> Run:
        self.fleet.forget_calls()
        began, before = time.monotonic(), os.times()
        self.fleet.play(WAYS[way], claude_settings_users=list(USERS)).ok()
        seconds, after = time.monotonic() - began, os.times()
        cpu = after.children_user + after.children_system - before.children_user - before.children_system
        calls = [host["calls"] for host in self.fleet.look().values()]
        counts = {kind: {host.get(kind, 0) for host in calls} for kind in ("execution", "transfer")}
        assert all(len(found) == 1 for found in counts.values()), counts
        size = len(self.fleet.names)
        return Run(way, run, seconds / size, cpu / size, counts["execution"].pop(), counts["transfer"].pop())

    def rounds(self, number: int) -> list[Run]:
        """Each round both ways, and each round another one first."""
        runs = []
        for turn in range(number):
            for way in sorted(WAYS, reverse=bool(turn % 2)):
                self.former()
                runs += [self.measured(way, "first"), self.measured(way, "again")]
                print(*runs[-2:], sep="\n", flush=True)
        return runs


def table(runs: list[Run]) -> list[str]:
    rows = [list(COLUMNS)]
    ratios = {}
    for name in ("first", "again"):
        middle = {}
        for way in WAYS:
            found = [run for run in runs if (run.way, run.run) == (way, name)]
            seconds = [run.seconds for run in found]
            middle[way] = statistics.median(seconds)
            cpu = statistics.median(run.cpu for run in found)
            figures = [f"{value:.2f}" for value in (middle[way], min(seconds), max(seconds), cpu)]
            counts = [{run.executions for run in found}, {run.transfers for run in found}]
            rows.append([way, name, *figures, *("/".join(map(str, sorted(count))) for count in counts)])
        ratios[name] = middle["by hand"] / middle["clients.yml"]
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths)) for row in rows]
    return [*lines, "", *(f"by hand takes {ratio:.1f} times the seconds, {name}" for name, ratio in ratios.items())]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--hosts", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ccobs-fleet-") as folder:
        fleet = Fleet(Path(folder), arguments.hosts, "fleet-benchmark")
        for number, host in enumerate(fleet.names):
            for user in USERS:
                # Settings that can be merged by hand.
                settings(8 * number + 1).write(fleet.home(host, user))
        try:
            fleet.start()
            runs = Bench(fleet).rounds(arguments.rounds)
        finally:
            fleet.clear()
    day = time.strftime("%Y-%m-%d")
    head = [
        f"python3 -m benchmarks.fleet --hosts {arguments.hosts} --rounds {arguments.rounds}",
        f"{time.strftime('%Y-%m-%d %H:%M UTC', time.gmtime())}, {os.cpu_count()} cores, {platform.machine()}, "
        f"{platform.system()} {platform.release()}, load {os.getloadavg()[1]:.0f}",
    ]
    text = "\n".join([*head, NOTES, *table(runs)]) + "\n"
    print(text)
    (ROOT / f"benchmarks/fleet-{day}.txt").write_text(text)


if __name__ == "__main__":
    main()
