# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures what TLS, tokens, identity and privacy cost: the collector with and without them, in turns.

    . .venv/bin/activate && python3 -m benchmarks.secure [--rounds 6] [--sides 'plain,protected'] [--developers 1000]

Needs what `make setup-dev test-bundle` leaves. Writes the figures to benchmarks/secure-<date>.txt.
"""

from __future__ import annotations

import argparse
import itertools
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.month.text import mb, table
from benchmarks.secure.load import PROCESSES, TURN_S, UNDER_WAY, Made, Played, Recordings, play, sessions
from benchmarks.secure.sides import TEAMS, Change, Collector, Company, Config, Stores
from tests.tools.queries.vocabulary import ROOT

PRIVACY = ("filter/others", "transform/events", "redaction/private")
IDENTITY = "transform/own"
# The roles take every address but the first for one that others reach.
ADDRESSES = {"plain": "127.0.0.1", "protected": "127.0.0.2"}
FORMS = ("{:,.0f}", "{:,.0f}", "{:.2f}")
COMPANY = 1_000
LOGINS = (1_000, 10_000)
STARTS = 3
NOTES = f"""plain            loopback: neither TLS nor logins; identity and privacy are taken out of the pipelines
protected        beyond loopback and nothing else set: TLS, towards the stores with certificates of both sides; a token
                 for each developer; developer and team overwritten ({TEAMS} teams); privacy strict
with pseudonyms  protected, and stack_pseudonyms
without ...      protected, but for that
In a round every side takes the same recordings (tests/recordings, moved in time), in turn, from a session of each
developer over a connection of its own (HTTP/1.1, kept open); {PROCESSES * UNDER_WAY} requests are under way at once.
Behind are real Prometheus and Loki as the roles configure them, but nothing is scraped and no rules run.
accepted/s       requests that the collector has on disk, per second from the first to the last answer
delivered/s      until the stores have taken all: they share the cores with everything else
CPU              seconds of the collector for 1,000 requests, until all are delivered; handshakes apart
Medians of the rounds. Ratios are medians of each round's ratio to plain, least and most in brackets."""


@dataclass(frozen=True)
class Round:
    """What one side did in one round; seconds."""

    played: Played
    delivered: float
    cpu: float
    handshakes: float

    @property
    def figures(self) -> tuple[float, float, float]:
        """Accepted and delivered requests a second, CPU for 1,000 requests."""
        requests = self.played.requests
        return requests / self.played.seconds, requests / self.delivered, 1000 * self.cpu / requests


@dataclass
class Side:
    """A collector and its rounds. `number` marks its sessions."""

    number: int
    collector: Collector
    rounds: list[Round] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.collector.name

    def play(self, headers: list[str], turns: list[list[list[Made]]]) -> None:
        idle = self.collector.cpu
        marks: list[float] = []

        def connected() -> None:
            marks.extend((self.collector.cpu, time.monotonic()))

        played = play(self.collector.receiver, self.collector.authority, headers, self.number, turns, connected)
        self.collector.wait_until_delivered()
        cpu, began = marks
        took = time.monotonic() - began
        self.rounds.append(Round(played, took, self.collector.cpu - cpu, cpu - idle))

    def median(self, number: int) -> float:
        return statistics.median(each.figures[number] for each in self.rounds)

    def ratio(self, plain: Side, number: int) -> str:
        """Of a figure to that of plain in the same round."""
        ratios = [own.figures[number] / others.figures[number] for own, others in zip(self.rounds, plain.rounds)]
        return f"{statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})"

    def lost(self, since: float) -> tuple[str, ...]:
        """Accepted and stored points and events, and how many of them are missing."""
        points = sum(each.played.points for each in self.rounds)
        events = sum(each.played.events for each in self.rounds)
        stored = self.collector.stores.stored(sessions(self.number), since)
        missing = points - stored[0] + events - stored[1]
        return (self.name, *(f"{count:,}" for count in (points, stored[0], events, stored[1], missing)))


def take_out(*processors: str) -> Change:
    """Leave processors out of all pipelines."""

    def change(config: Config) -> None:
        for pipeline in config["service"]["pipelines"].values():
            pipeline["processors"] = [name for name in pipeline["processors"] if name not in processors]
        for name in processors:
            del config["processors"][name]

    return change


def without_teams(config: Config) -> None:
    for statements in ("metric_statements", "log_statements"):
        groups = config["processors"][IDENTITY][statements]
        config["processors"][IDENTITY][statements] = [each for each in groups if each["context"] != "resource"]


def at_level_normal(config: Config) -> None:
    config["service"]["telemetry"]["metrics"] = {
        **{name: value for name, value in config["service"]["telemetry"]["metrics"].items() if name != "views"},
        "level": "normal",
    }


def sides(plain: Stores, protected: Stores) -> list[Side]:
    """Plain comes first."""
    tokens = {"otel_collector_authentication": "tokens"}
    collectors = [
        Collector("plain", plain, take_out(IDENTITY, *PRIVACY)),
        Collector("protected", protected),
        Collector("with pseudonyms", protected, variables={"stack_pseudonyms": True}),
        Collector("without TLS", plain, variables=tokens),
        Collector("without privacy", protected, take_out(*PRIVACY)),
        Collector("without identity", protected, take_out(IDENTITY)),
        Collector("without teams", protected, without_teams),
        Collector("without level detailed", protected, at_level_normal),
    ]
    return [Side(number, collector) for number, collector in enumerate(collectors, 1)]


def measure(folder: Path, options: argparse.Namespace) -> Iterator[str]:
    company = Company(folder, options.developers)
    stores = [Stores(folder / name, address, company) for name, address in ADDRESSES.items()]
    all_sides = [side for side in sides(*stores) if side.name in options.sides.split(",") or options.sides == "all"]
    headers, recordings = company.headers, Recordings()
    # So far back that all turns fit in, as the stores want them: none earlier than the one before.
    turns = (options.rounds + 1) * options.turns
    first = time.time() - turns * TURN_S
    ends = (first + number * TURN_S for number in itertools.count())
    with ExitStack() as running:
        for each in stores:
            running.enter_context(each.up())
        for side in all_sides:
            side.collector.configure()
            running.enter_context(side.collector.up())
        for number in range(options.rounds + 1):
            content = [recordings.turn(end) for end in itertools.islice(ends, options.turns)]
            # Each round begins with another side.
            for side in all_sides[number % len(all_sides) :] + all_sides[: number % len(all_sides)]:
                side.play(headers, content)
                print(side.name, *(f"{figure:.2f}" for figure in side.rounds[-1].figures), file=sys.stderr, flush=True)
        lost = [side.lost(first - TURN_S) for side in all_sides]
        memory = [side.collector.memory.most for side in all_sides]
    # The first round makes the series.
    for side in all_sides:
        side.rounds.pop(0)
    plain = all_sides[0]
    yield table(
        ("side", "accepted/s", "ratio", "delivered/s", "ratio", "CPU", "ratio", "memory"),
        [
            (
                side.name,
                *(text for n, form in enumerate(FORMS) for text in (form.format(side.median(n)), side.ratio(plain, n))),
                mb(most),
            )
            for side, most in zip(all_sides, memory)
        ],
    )
    played = [each.played for side in all_sides for each in side.rounds]
    requests = sum(each.requests for each in played)
    kilobytes = sum(each.size for each in played) / requests / 1000
    yield (
        f"{len(plain.rounds)} rounds after the one that makes the series, {played[0].requests:,} requests of"
        f" {len(headers):,} senders a side and round, {kilobytes:.1f} KB each;"
        f" {sum(each.again for each in played)} answers to try again"
    )
    for side in all_sides[:2]:
        handshakes = statistics.median(each.handshakes for each in side.rounds)
        sending = sum(each.played.cpu for each in side.rounds) / sum(each.played.requests for each in side.rounds)
        yield (
            f"{side.name}: {len(headers):,} new connections take {handshakes:.2f} s of the collector's CPU; the senders"
            f" take {1000 * sending:.2f} s for 1,000 requests"
        )
    yield ""
    yield "What was accepted and what the stores hold, all rounds"
    yield table(("side", "points accepted", "stored", "events accepted", "stored", "lost"), lost)


def starts(folder: Path) -> Iterator[str]:
    """Until the collector says that it is ready."""
    rows = []
    for logins in LOGINS:
        company = Company(folder, logins)
        collector = Collector(f"{logins} logins", Stores(folder / "starts", ADDRESSES["protected"], company))
        began = time.monotonic()
        collector.configure()
        rendered, times = time.monotonic() - began, []
        for _start in range(STARTS):
            began = time.monotonic()
            with collector.up():
                times.append((time.monotonic() - began, collector.cpu, collector.memory.now))
        seconds, cpu, memory = min(times)
        rows.append((f"{logins:,}", f"{seconds:.2f} s", f"{cpu:.2f} s", mb(memory), f"{rendered:.1f} s"))
    yield f"Start of the protected collector, as many developers in {TEAMS} teams as logins, best of {STARTS}"
    yield table(("logins", "until ready", "CPU", "memory", "to render its files"), rows)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--developers", type=int, default=COMPANY)
    parser.add_argument("--rounds", type=int, default=6, help="after the first, which does not count (default 6)")
    parser.add_argument("--turns", type=int, default=1, help="recordings of each sender in a round (default 1)")
    parser.add_argument("--sides", default="all", help="names, the first one is what the others are compared with")
    options = parser.parse_args()
    report = [
        f"python3 -m benchmarks.secure {' '.join(sys.argv[1:])}".strip(),
        f"{time.strftime('%Y-%m-%d %H:%M UTC', time.gmtime())}, {os.cpu_count()} cores, {platform.machine()},"
        f" Linux {platform.release()}, load before {os.getloadavg()[0]:.1f}",
        "",
        *NOTES.splitlines(),
        "",
    ]
    with tempfile.TemporaryDirectory(prefix="secure-") as folder:
        for line in itertools.chain(measure(Path(folder), options), [""], starts(Path(folder))):
            report.append(line)
            print(line, flush=True)
    if options.developers == COMPANY:
        out = ROOT / "benchmarks" / f"secure-{time.strftime('%Y-%m-%d', time.gmtime())}.txt"
        out.write_text("\n".join([*report, ""]))
        print(f"written: {out.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
