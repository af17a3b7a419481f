# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures what a second and a third collector bring: each may use the same small share of a core, in turns.

    . .venv/bin/activate && python3 -m benchmarks.scale [--rounds 3] [--share 0.15] [--developers 300]

Needs what `make setup-test test-bundle` leaves. Writes the figures to benchmarks/scale-<date>.txt.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from benchmarks.capacity.model import REQUESTS_A_SECOND
from benchmarks.month.text import table
from benchmarks.secure.load import PATIENCE, TURN_S, Made, Played, Recordings, play, sessions
from benchmarks.secure.sides import Collector, Company, Stores, get
from tests.tools.programs import CACHE
from tests.tools.queries.vocabulary import ROOT

COLLECTORS = 3
DEVELOPERS = 300
VERSION = yaml.safe_load((ROOT / "roles/otel_collector/defaults/main.yml").read_text())["otel_collector_version"]
IMAGE = f"otel/opentelemetry-collector-contrib:{VERSION}"
NOTES = """Each collector is one of the role's with everything on (TLS, tokens, identity, privacy, queue on disk), in a
container that may use so little of a core that neither the senders nor the stores are the limit. Senders are shared out
as a load balancer does. Behind are one Prometheus and one Loki. Ratios are of one round; the first makes the series."""


@dataclass
class Capped(Collector):
    share: float = 1

    @contextmanager
    def up(self) -> Iterator[Capped]:
        name = f"ccobs-scale-bench-{self.name}"
        folder = self.stores.folder
        docker = ["docker", "run", "--detach", "--name", name, f"--cpus={self.share}", "--network=host", "--user=0:0"]
        docker += [f"--volume={folder}:{folder}", "--label=claude_code.observability.test=scale-bench", IMAGE]
        configs = [f"--config={path}" for path in sorted(self._place.glob("*.yaml"))]
        subprocess.run(["docker", "rm", "--force", name], capture_output=True, check=False)
        subprocess.run([*docker, *configs], check=True, stdout=subprocess.DEVNULL)
        try:
            end = time.monotonic() + PATIENCE
            while not self._healthy():
                assert time.monotonic() < end, subprocess.run(["docker", "logs", name], capture_output=True).stderr
                time.sleep(0.1)
            pid = ["docker", "inspect", "--format", "{{.State.Pid}}", name]
            self.pid = int(subprocess.run(pid, check=True, capture_output=True).stdout)
            yield self
        finally:
            subprocess.run(["docker", "rm", "--force", name], check=True, stdout=subprocess.DEVNULL)

    def _healthy(self) -> bool:
        try:
            return bool(get(f"http://127.0.0.1:{self._ports['otel_collector_health_port']}/"))
        except OSError:
            return False


@dataclass(frozen=True)
class Round:
    """What so many collectors did at once. Per second, and seconds of processor for 1,000 requests."""

    requests: float
    samples: float
    events: float
    cpu: float


def shared(collectors: list[Capped], headers: list[str], turns: list[list[list[Made]]]) -> tuple[Round, list[Played]]:
    """All senders at once, each with one of the collectors."""
    together, played = threading.Barrier(len(collectors)), dict[int, Played]()
    before = [collector.cpu for collector in collectors]

    def work(number: int, collector: Capped) -> None:
        try:
            played[number] = play(
                collector.receiver,
                collector.authority,
                headers[number :: len(collectors)],
                side(len(collectors), number),
                turns,
                lambda: together.wait(PATIENCE) and None,
            )
        except BaseException:
            together.abort()
            raise

    threads = [threading.Thread(target=work, args=each) for each in enumerate(collectors)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for collector in collectors:
        collector.wait_until_delivered()
    cpu = sum(collector.cpu for collector in collectors) - sum(before)
    took = max(each.seconds for each in played.values())
    sums = [sum(counts) for counts in zip(*((p.requests, p.points, p.events) for p in played.values()))]
    figures = Round(*(count / took for count in sums), 1000 * cpu / sums[0])
    return figures, list(played.values())


def side(count: int, number: int) -> int:
    """What marks the sessions of one collector of so many."""
    return 16 * count + number


def measure(folder: Path, options: argparse.Namespace) -> Iterator[str]:
    company = Company(folder, options.developers)
    stores = Stores(folder / "stores", "127.0.0.2", company)
    collectors = [Capped(str(number), stores, share=options.share) for number in range(COLLECTORS)]
    rounds: dict[int, list[Round]] = {count: [] for count in range(1, COLLECTORS + 1)}
    accepted = {count: [0, 0] for count in rounds}
    recordings = Recordings()
    first = time.time() - (options.rounds + 1) * TURN_S
    (archive,) = CACHE.glob(f"mirror/images/otel-collector-{VERSION}-*.tar")
    subprocess.run(["docker", "load", "--quiet", "--input", str(archive)], check=True, stdout=subprocess.DEVNULL)
    with ExitStack() as running:
        running.enter_context(stores.up())
        for collector in collectors:
            collector.configure()
            running.enter_context(collector.up())
        for number in range(options.rounds + 1):
            content = [recordings.turn(first + number * TURN_S)]
            for count in rounds:
                figures, played = shared(collectors[:count], company.headers, content)
                rounds[count].append(figures)
                accepted[count][0] += sum(each.points for each in played)
                accepted[count][1] += sum(each.events for each in played)
                print(count, figures, file=sys.stderr, flush=True)
        stored = {count: [0, 0] for count in rounds}
        for count in rounds:
            for number in range(count):
                points, events = stores.stored(sessions(side(count, number)), first - TURN_S)
                stored[count][0] += points
                stored[count][1] += events
    for each in rounds.values():
        each.pop(0)

    def median(count: int, name: str) -> float:
        return statistics.median(getattr(each, name) for each in rounds[count])

    def ratio(count: int, name: str) -> str:
        ratios = [getattr(own, name) / getattr(one, name) for own, one in zip(rounds[count], rounds[1])]
        return f"{statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})"

    head = (
        "collectors",
        "requests/s",
        "samples/s",
        "events/s",
        "ratio",
        "developers at work",
        "CPU for 1,000",
        "ratio",
    )
    rows = [
        (
            f"{count}",
            *(f"{median(count, name):,.0f}" for name in ("requests", "samples", "events")),
            ratio(count, "requests"),
            f"{median(count, 'requests') / REQUESTS_A_SECOND:,.0f}",
            f"{median(count, 'cpu') * REQUESTS_A_SECOND:.2f} cores",
            ratio(count, "cpu"),
        )
        for count in rounds
    ]
    yield table(head, rows)
    yield ""
    lost = [
        (
            f"{count}",
            *(f"{n:,}" for n in (*accepted[count], *stored[count])),
            f"{sum(accepted[count]) - sum(stored[count]):,}",
        )
        for count in rounds
    ]
    yield table(("collectors", "points accepted", "events", "points stored", "events", "lost"), lost)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--developers", type=int, default=DEVELOPERS)
    parser.add_argument("--rounds", type=int, default=3, help="after the first, which does not count (default 3)")
    parser.add_argument("--share", type=float, default=0.15, help="of a core, for each collector (default 0.15)")
    options = parser.parse_args()
    report = [
        f"python3 -m benchmarks.scale {' '.join(sys.argv[1:])}".strip(),
        f"{time.strftime('%Y-%m-%d %H:%M UTC', time.gmtime())}, {os.cpu_count()} cores, {platform.machine()},"
        f" Linux {platform.release()}, load before {os.getloadavg()[0]:.1f}; {options.share} of a core each",
        "",
        *NOTES.splitlines(),
        "",
    ]
    with tempfile.TemporaryDirectory(prefix="scale-") as folder:
        for line in measure(Path(folder), options):
            report.append(line)
            print(line, flush=True)
    out = ROOT / "benchmarks" / f"scale-{time.strftime('%Y-%m-%d', time.gmtime())}.txt"
    out.write_text("\n".join([*report, ""]))
    print(f"written: {out.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
