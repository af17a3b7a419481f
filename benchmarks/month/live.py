# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Prometheus needs while a company works, and while days come in late."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from benchmarks.month.engines import Prometheus
from benchmarks.month.people import DAY_MS
from benchmarks.month.push import Pusher, keep_pace, push_days, work_at_once
from benchmarks.month.store import configuration
from benchmarks.month.text import mb, table

# What the container may have, less a tenth: Prometheus does the same with the limit it finds itself in.
MEMORY_LIMIT = int(0.9 * 2 * 2**30)
# Instead of the rules' own intervals, so that all of them run within a minute.
FASTER = "1m"
NOTES = f"""Prometheus with all its rules and GOMEMLIMIT at 90 % of 2 GiB, as in its container. Points pushed by OTLP.
Scaled: the half day so far and the late days come as fast as Prometheus takes them, a minute of all clients in one
request; only "all at work" keeps the pace of real clients, each with requests of its own. All rules run
every {FASTER}: the series they write are the same, their samples more."""


@dataclass(frozen=True)
class Memory:
    """Resident memory of a process in bytes: now, the part that is its own, and the most there was."""

    now: int
    own: int
    most: int

    @classmethod
    def of(cls, pid: int) -> Memory:
        with open(f"/proc/{pid}/status") as status:
            found = dict(re.findall(r"(VmRSS|RssAnon|VmHWM):\s+(\d+) kB", status.read()))
        return cls(*(1024 * int(found[name]) for name in ("VmRSS", "RssAnon", "VmHWM")))


def cpu_seconds(pid: int) -> float:
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


class Company:
    """Prometheus while points come in; notes its memory after each step."""

    def __init__(self, url: str, pid: int, developers: int) -> None:
        self.url, self.pid, self.developers = url, pid, developers
        self.pusher = Pusher(url)
        self.now = int(time.time() * 1000)
        self.rows: list[tuple[str, ...]] = []

    def note(self, step: str) -> None:
        memory = Memory.of(self.pid)
        self.rows.append(
            (
                step,
                f"{self.pusher.samples:,}",
                f"{self.metric('prometheus_tsdb_head_series'):,.0f}",
                *map(mb, (memory.now, memory.own, memory.most)),
            )
        )
        print("  ".join(self.rows[-1]), file=sys.stderr, flush=True)

    def metric(self, name: str) -> float:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(f"{self.url}/metrics") as answer:
            lines = answer.read().decode().splitlines()
        return next(float(line.split()[1]) for line in lines if line.startswith(f"{name} "))

    def late(self, developers: range) -> None:
        """The three days before, but for what is older than 72 hours."""
        for back in (3, 2, 1):
            noon = self.now - back * DAY_MS
            push_days(self.pusher, developers, noon, self.now, self.now - 72 * 3_600_000 + 60_000)

    def work(self, length: int) -> Iterator[str]:
        """Everybody at once, at the pace of real clients."""
        # Later, for the requests are made before.
        start = time.time() + 2 + self.developers / 30
        ticks = work_at_once(self.developers, int(start * 1000), length)
        before, used = self.pusher.samples, cpu_seconds(self.pid)
        behind = keep_pace(self.pusher, ticks, start)
        sent, used = self.pusher.samples - before, cpu_seconds(self.pid) - used
        requests = sum(map(len, ticks))
        self.note("all at work")
        yield (
            f"all at work: {requests / length:.0f} requests and {sent / length:.0f} samples a second for {length} s"
            f" take {100 * used / length:.0f} % of a core, rules included; the sender was {max(0, behind):.1f} s behind"
        )

    def groups(self) -> list[dict[str, Any]]:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(f"{self.url}/api/v1/rules") as answer:
            groups: list[dict[str, Any]] = json.load(answer)["data"]["groups"]
        return groups

    def wait_for_rules(self) -> None:
        """Until each group has run once since now."""
        since = time.time()
        while not all(_moment(group["lastEvaluation"]) > since for group in self.groups()):
            time.sleep(1)


def _moment(text: str) -> float:
    """Seconds of a time as Prometheus writes it, to the nanosecond."""
    return datetime.fromisoformat(re.sub(r"(\.\d{1,6})\d*", r"\1", text)).timestamp()


def memory(developers: int, length: int) -> Iterator[str]:
    """Prometheus while everybody works, and while three days come in late."""
    os.environ["GOMEMLIMIT"] = str(MEMORY_LIMIT)
    made = configuration()
    for name in [name for name in made if name.startswith("rules/")]:
        made[name] = re.sub(r"(?m)^( *)interval: .*", rf"\1interval: {FASTER}", made[name])
    work = Path(tempfile.mkdtemp(prefix="month-"))
    try:
        flags = ("--web.enable-otlp-receiver", "--web.enable-remote-write-receiver")
        with Prometheus(work / "data", made, work, *flags) as engine:
            company = Company(engine.url, engine.pid, developers)
            company.note("nothing yet")
            push_days(company.pusher, range(developers), company.now, company.now)
            company.note("half a day")
            company.wait_for_rules()
            company.note("rules ran")
            yield from company.work(length)
            for step, who in (
                ("a tenth of all, 3 days late", range(0, developers, 10)),
                ("all, 3 days late", range(developers)),
            ):
                company.late(who)
                company.note(step)
                company.wait_for_rules()
                company.note("rules ran")
            yield f"{company.pusher.refused:,} samples refused"
            yield table(("after", "samples sent", "series in memory", "memory now", "its own", "at most"), company.rows)
            yield "Rule groups then: " + ", ".join(
                f"{group['name']} {group['evaluationTime']:.2f} s" for group in company.groups()
            )
    finally:
        shutil.rmtree(work)
