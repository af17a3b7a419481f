# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures a month of a large company: every panel, every rule, and Prometheus's memory.

    make bench-month                          all of it
    make bench-month DEVELOPERS=50 DAYS=5     the same on a small scale
    make bench-month MIMIR=1                  every panel on Mimir and on Prometheus instead (--parts mimir)

Makes the month once and keeps it in the cache; 1,000 developers take half an hour and 2 GB of disk there, and Mimir's
copy as much again. Writes benchmarks/month-<date>.txt or month-mimir-<date>.txt, if it is the full size. All MB are
10^6 bytes.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Iterator
from dataclasses import astuple
from pathlib import Path

import yaml

from benchmarks.month import beside, live
from benchmarks.month.engines import Engine, Mimir, Prometheus
from benchmarks.month.measure import UNITS, Cost, best, per
from benchmarks.month.panels import RANGES, Question, Request, questions, seconds
from benchmarks.month.people import Developer
from benchmarks.month.store import CALENDAR, END, KEPT, Month, configuration, without_rules
from benchmarks.month.text import mb, table
from plugins.module_utils._rollups import CLOSED_INTERVAL, TABLE, TODAY_INTERVAL

ROOT = Path(__file__).resolve().parents[2]
FULL = Month(1000, 21)
PARTS = "panels,rules,live"
GOAL_S = 1.0
# The rules' interval where a group names none.
EVALUATION = "15s"
# The dashboard whose panels are also read from raw samples over the whole month.
COMPARED = "overview"


def sizes(month: Month) -> Iterator[str]:
    """What the month consists of."""
    facts = json.loads((month.samples / "facts.json").read_text())
    yield f"{month.developers:,} developers, {month.days} working days within 30, one export every 10 s"
    yield f"{facts['sessions']:,} sessions, {facts['requests']:,} requests to the model"
    yield f"{facts['series']:,} raw series, {facts['samples']:,} raw samples"
    for name, unit in (("session seconds", "s"), ("session requests", "")):
        values = [f"{value:,.0f}{unit and f' {unit}'}" for value in facts[name]]
        yield f"{name}: " + ", ".join(map(" ".join, zip(("10 %", "median", "90 %", "longest", "mean"), values)))
    blocks = [json.loads(path.read_text())["stats"] for path in (month.folder / "data").glob("*/meta.json")]
    disk = sum(path.stat().st_size for path in (month.folder / "data").glob("*/**/*") if path.is_file())
    yield f"on disk with rollups: {mb(disk)} in {len(blocks)} blocks, {sum(b['numSamples'] for b in blocks):,} samples"


def values(engine: Engine, expr: str, at: int) -> dict[str, float]:
    """The result of an instant query by the text of its labels."""
    result = engine.ask(Request("query", {"query": expr, "time": str(at)}))
    named = ({k: v for k, v in row["metric"].items() if k != "__name__"} for row in result)
    return {json.dumps(labels, sort_keys=True): float(row["value"][1]) for labels, row in zip(named, result)}


def check(engine: Engine, month: Month) -> str:
    """Whether raw samples, the rules and the stored rollups say the same of the first and the last two days."""
    compared = 0
    for day in (month.midnights[0] // 1000, month.midnights[-2] // 1000, month.midnights[-1] // 1000):
        at = min(day + 86400, END)
        for rollup in TABLE:
            by = ", ".join(("team", *rollup.labels))
            raw = values(engine, f"sum by ({by}) (sum_over_time({rollup.series}[{at - day}s]))", at)
            others = {
                "the rule": values(engine, f"sum by ({by}) ({CALENDAR.rule(rollup, 0, rollup.kept_by_team)})", at - 1)
            }
            if at < END:
                # Today's was last written some minutes before.
                stored = f"sum_over_time(({CALENDAR.days(rollup.by_team)})[1d:1d] {CALENDAR.midnight})"
                others["the rollup"] = values(engine, f"sum by ({by}) ({stored})", at)
            for name, other in others.items():
                if {k: round(v, 6) for k, v in raw.items()} != {k: round(v, 6) for k, v in other.items()}:
                    sys.exit(f"{rollup.name} of {time.strftime('%F', time.gmtime(day))}: {name} differs from raw")
            compared += len(raw) * len(others)
    return f"raw samples, rules and rollups agree in all of {compared:,} sums by team and labels, of three days"


def chosen(question: Question) -> dict[str, str]:
    """One developer where a dashboard shows developers, else one team."""
    person = Developer(7)
    return {"developer": person.name} if question.people else {"team": person.team}


def panels(engine: Engine) -> Iterator[str]:
    """What every panel and variable takes."""
    rows: list[tuple[str, ...]] = []
    costs: list[Cost] = []
    for question in questions(CALENDAR):
        found = [
            best(engine, question.requests(END, seconds(name), selection, per(engine, seconds(name))))
            for name, selection in (*((name, {}) for name in RANGES), (RANGES[0], chosen(question)))
        ]
        costs += found
        rows.append((question.dashboard, question.title, *map(str, found)))
        print("  ".join(rows[-1]), file=sys.stderr, flush=True)
    yield f"All queries of a panel ($name: of a variable), one after the other, best of 3. {UNITS}."
    yield "Last for one team, or for one developer on the dashboards about people."
    yield table(("", "", *RANGES, f"{RANGES[0]} of one"), [(row[0], row[1].ljust(36), *row[2:]) for row in rows])
    passed, worked = (sum(each >= GOAL_S for each in column) for column in zip(*map(astuple, costs)))
    yield f"{len(rows)} panels and variables. Of {len(costs)} figures, {passed} ({worked}) reach {GOAL_S:.0f} s"


def ratios(engine: Engine) -> Iterator[str]:
    """Rollups against raw samples over 30 days, in turns."""
    rows = []
    for question in questions(CALENDAR):
        if question.dashboard != COMPARED or question.title.startswith("$"):
            continue
        sides: dict[str, list[Cost]] = {per(engine, seconds(name)): [] for name in ("30d", "7d")}
        for _ in range(2):
            for side, costs in sides.items():
                costs.append(best(engine, question.requests(END, seconds("30d"), {}, side), 1))
        days, raw = (min(costs, key=lambda cost: cost.worked) for costs in sides.values())
        rows.append((question.title, str(raw), str(days), f"{raw.worked / days.worked:.0f}"))
    yield f"30 days of the dashboard {COMPARED} from raw samples and from rollups, in turns, best of 2. {UNITS}"
    yield table(("", "raw", "rollups", "raw / rollups"), rows)


def rules(engine: Engine) -> Iterator[str]:
    """What every rule that reads the month takes, as a query at its end."""
    rows = []
    for age in CALENDAR.ages:
        both = ([counted(CALENDAR.rule(each, age, kept)) for kept in KEPT[each].values()] for each in TABLE)
        costs = [best(engine, requests, 2).worked for requests in both]
        every = CLOSED_INTERVAL if age else TODAY_INTERVAL
        rows.append((f"age {age}, every {every}", *(f"{cost:.2f}" for cost in (*costs, sum(costs)))))
    yield "Rules of the day sums, without writing their result, best of 2. Seconds a processor worked"
    yield table(("", *(rollup.name for rollup in TABLE), "together"), rows)
    others = []
    for file, text in configuration().items():
        if file.startswith("rules/") and file != "rules/claude-code-days.yml":
            for group in yaml.safe_load(text)["groups"]:
                for rule in group["rules"]:
                    cost = best(engine, [counted(rule["expr"])], 2).worked
                    others.append(
                        (rule.get("alert") or rule["record"], group.get("interval", EVALUATION), f"{cost:.3f}")
                    )
    yield "The other rules, likewise"
    yield table(("", "every", "seconds"), sorted(others, key=lambda row: -float(row[2])))


def counted(expr: str) -> Request:
    """All the work of a rule, without a word for each of its results."""
    return Request("query", {"query": f"count({expr})", "time": str(END)})


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--developers", type=int, default=FULL.developers)
    parser.add_argument("--days", type=int, default=FULL.days, help="working days, at most 21")
    parser.add_argument("--parts", default=PARTS, help=f"default: {PARTS}; and mimir, every panel there too")
    parser.add_argument("--ranges", default=",".join(RANGES), help=f"of the part mimir (default {','.join(RANGES)})")
    parser.add_argument("--live-seconds", type=int, default=120, help="of everybody at work (default 120)")
    options = parser.parse_args()
    month, parts = Month(options.developers, options.days), options.parts.split(",")
    report = [
        f"python3 -m benchmarks.month {' '.join(sys.argv[1:])}".strip(),
        f"{time.strftime('%Y-%m-%d %H:%M UTC', time.gmtime())}, {os.cpu_count()} cores, {platform.machine()},"
        f" Linux {platform.release()}, load before {os.getloadavg()[0]:.1f}",
        "",
    ]

    def say(lines: Iterator[str]) -> None:
        for line in lines:
            report.append(line)
            print(line, flush=True)
        report.append("")

    folder = month.built()
    say(sizes(month))
    prometheus = Prometheus(folder / "data", without_rules(), folder)
    with prometheus:
        say(iter([check(prometheus, month)]))
        if "panels" in parts:
            say(panels(prometheus))
            say(ratios(prometheus))
        if "rules" in parts:
            say(rules(prometheus))
    if "mimir" in parts:
        with Mimir.of(folder / "data", folder / "mimir") as mimir, prometheus:
            say(beside.panels((prometheus, mimir), options.ranges.split(",")))
    if "live" in parts:
        say(iter(live.NOTES.splitlines()))
        say(live.memory(options.developers, options.live_seconds))
    if month == FULL:
        kind = "month-mimir" if parts == ["mimir"] else "month"
        out = ROOT / "benchmarks" / f"{kind}-{time.strftime('%Y-%m-%d', time.gmtime())}.txt"
        out.write_text("\n".join(report))
        print(f"written: {out.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
