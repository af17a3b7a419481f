# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The month as Prometheus stores it: blocks of raw samples, and of the rollups that its rules would have written.

Evaluating the rules over a month takes hours, so their results are computed here and written by promtool at the times
of the rules. What the rules themselves say of some days is compared with that (see `check` in __main__.py).
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from benchmarks.month.engines import Prometheus
from benchmarks.month.people import DAY_MS, Developer, Labels, Session
from plugins.module_utils._rollups import BY_SERIES, CLOSED_INTERVAL, TABLE, TODAY_INTERVAL, Calendar, Rollup
from tests.tools.programs import program
from tests.tools.queries.roles import files

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "claude_code.observability" / "month"
# Monday, in the evening: the last day is not over.
END = 1_795_456_800  # 2026-11-23T18:00:00Z
CALENDAR = Calendar()
PEOPLE = Path(__file__).with_name("people.py").read_text()
# promtool writes the blocks that Prometheus would have after some days, not twelve for each day.
SPAN = "--max-block-duration=162h"
KEPT = {each: {each.by_developer: each.kept_by_developer, each.by_team: each.kept_by_team} for each in TABLE}
# How exactly the results of today's rules follow the samples.
STEP_S = 300


@dataclass(frozen=True)
class Month:
    """So many developers on so many working days, the last ones before END."""

    developers: int
    days: int

    @property
    def samples(self) -> Path:
        """The folder of the raw samples, named after everything that decides about them."""
        return CACHE / f"{self.developers}x{self.days}-{_hash(PEOPLE, TABLE)}"

    @property
    def folder(self) -> Path:
        """The folder of the data, rollups included."""
        return self.samples / f"rollups-{_hash(KEPT, TODAY_INTERVAL, CLOSED_INTERVAL, CALENDAR)}"

    @property
    def midnights(self) -> list[int]:
        """In milliseconds, when each of the days begins."""
        last = END * 1000 // DAY_MS * DAY_MS
        back = (last - n * DAY_MS for n in itertools.count())
        working = (day for day in back if time.gmtime(day / 1000).tm_wday < 5)
        return sorted(itertools.islice(working, self.days))

    def sessions(self, day: int) -> Iterator[Session]:
        """Those of one day, without what lies after END."""
        for number in range(self.developers):
            for session in Developer(number).sessions(day):
                session.points = [point for point in session.points if point[2] <= END * 1000]
                if session.points:
                    yield session

    def built(self) -> Path:
        """The folder of the data; made first if it is not there."""
        if not (self.samples / "facts.json").exists():
            _write_samples(self)
        if not (self.folder / "built").exists():
            _write_rollups(self)
        return self.folder


@dataclass
class Sizes:
    """What the month consists of."""

    lengths: list[float]
    requests: list[int]
    series: int = 0
    samples: int = 0

    def as_dict(self) -> dict[str, Any]:
        deciles = {name: statistics.quantiles(values, n=10) for name, values in vars(self).items() if name[0] in "lr"}
        return {
            "sessions": len(self.lengths),
            "requests": sum(self.requests),
            "series": self.series,
            "samples": self.samples,
            "session seconds": [*deciles["lengths"][::4], max(self.lengths), statistics.mean(self.lengths)],
            "session requests": [*deciles["requests"][::4], max(self.requests), statistics.mean(self.requests)],
        }


def _write_samples(month: Month) -> None:
    folder, began = month.samples, time.monotonic()
    shutil.rmtree(folder, ignore_errors=True)
    for name in ("raw", "steps"):
        (folder / name).mkdir(parents=True)
    sizes, texts = Sizes([], []), (folder / "raw.txt", folder / "steps.txt")
    for day in month.midnights:
        _write_day(month, day, *texts, sizes)
        for text in texts:
            _promtool("openmetrics", str(text), str(folder / text.stem))
            text.unlink()
        _say(f"raw samples of {time.strftime('%F', time.gmtime(day / 1000))}", began)
    (folder / "facts.json").write_text(json.dumps(sizes.as_dict()))


def _write_day(month: Month, day: int, raw: Path, steps: Path, sizes: Sizes) -> None:
    """One day's samples, and each rollup's value wherever an evaluation would have found another one."""
    sums: dict[tuple[Rollup, Labels], dict[int, float]] = defaultdict(lambda: defaultdict(float))
    with raw.open("w") as out:
        for session in month.sessions(day):
            names: dict[tuple[str, Labels], str] = {}
            # Team, and what else of the identity a rollup keeps.
            known = dict(session.identity)
            for series, labels, at, value in session.points:
                key = (series, labels)
                if key not in names:
                    names[key] = f"{series}{{{_text((*session.identity, *labels))}}}"
                out.write(f"{names[key]} {value:.17g} {at / 1000:.3f}\n")
                rollup = BY_SERIES[series]
                found = {**known, **dict(labels)}
                kept = tuple((name, found[name]) for name in _kept(rollup) if name in found)
                sums[rollup, kept][math.ceil((at - day) / 1000 / STEP_S)] += value
            sizes.lengths.append((session.end - session.start) / 1000)
            sizes.requests.append(session.requests)
            sizes.series += len(names)
            sizes.samples += len(session.points)
        out.write("# EOF\n")
    midnight = day // 1000 + 86400
    with steps.open("w") as out:
        for (rollup, kept), changes in sums.items():
            total = 0.0
            for step, value in sorted(changes.items()):
                total += value
                out.write(f"{_step(rollup)}{{{_text(kept)}}} {total:.17g} {day // 1000 + step * STEP_S}\n")
            # Nothing is left of it on the next day.
            out.write(f"{_step(rollup)}{{{_text(kept)}}} NaN {midnight}\n")
            out.write(f"{_final(rollup)}{{{_text(kept)}}} {total:.17g} {midnight}\n")
        out.write("# EOF\n")


def _write_rollups(month: Month) -> None:
    """Let promtool evaluate rules that read the results from the steps, at the times of the real rules."""
    groups, began = [], time.monotonic()
    for name, interval, ages in (
        ("claude-code-today", TODAY_INTERVAL, CALENDAR.ages[:1]),
        ("claude-code-days", CLOSED_INTERVAL, CALENDAR.ages[1:]),
    ):
        rules = []
        for rollup, age in itertools.product(TABLE, ages):
            back = f" offset {age - 1}d" if age > 1 else ""
            value = (
                f"last_over_time({_final(rollup)}[1d]{back})" if age else f"last_over_time({_step(rollup)}[1d]) >= 0"
            )
            labels = {"age": str(age), **CALENDAR.labels}
            for record, kept in KEPT[rollup].items():
                rules.append({"record": record, "labels": labels, "expr": f"sum by ({', '.join(kept)}) ({value})"})
        groups.append({"name": name, "interval": interval, "rules": rules})
    folder = month.folder
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(month.samples / "raw", folder / "data", copy_function=os.link)
    file = folder / "rollups.yml"
    file.write_text(yaml.safe_dump({"groups": groups}))
    with Prometheus(month.samples / "steps", {}, folder) as steps:
        span = (f"--start={month.midnights[0] // 1000}", f"--end={END}", f"--output-dir={folder / 'data'}")
        _promtool("rules", f"--url={steps.url}", *span, str(file))
    _say("rollups", began)
    with Prometheus(folder / "data", {}, folder, "--storage.tsdb.block-reload-interval=1s") as prometheus:
        prometheus.compact()
    _say("compaction", began)
    (folder / "built").touch()


def configuration() -> dict[str, str]:
    """Prometheus's configuration as the role writes it, without what it scrapes."""
    made = dict(files("prometheus", stack_utc_offset="Z"))
    config = yaml.safe_load(made["prometheus.yml"])
    made["prometheus.yml"] = yaml.safe_dump({**config, "scrape_configs": []})
    return made


def without_rules() -> dict[str, str]:
    config = yaml.safe_load(configuration()["prometheus.yml"])
    return {"prometheus.yml": yaml.safe_dump({**config, "rule_files": []})}


def _kept(rollup: Rollup) -> tuple[str, ...]:
    return ("job", "developer", "team", *rollup.labels)


def _step(rollup: Rollup) -> str:
    return f"{rollup.name}:step"


def _final(rollup: Rollup) -> str:
    return f"{rollup.name}:final"


def _text(labels: Labels) -> str:
    return ",".join(f'{name}="{value}"' for name, value in labels)


def _promtool(*arguments: str) -> None:
    argv = ["nice", "-n3", program("promtool"), "tsdb", "create-blocks-from", SPAN, *arguments]
    done = subprocess.run(argv, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(argv)}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


def _hash(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:12]


def _say(text: str, began: float) -> None:
    print(f"{text}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
