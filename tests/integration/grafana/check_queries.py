# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs every query of every dashboard against real stores that hold the recordings, as Grafana would.

    python -m tests.tools.check_totals ...                   first, it replays the recordings
    python -m tests.integration.grafana.check_queries --prometheus http://127.0.0.1:9090 --loki http://127.0.0.1:3100

Each query must be accepted, each panel must show something, and the bars of a chart must add up to the total. With
--days also over whole days, where each number must be what the raw samples of these days give; the rollups of all data
must have been recorded. Panels that may show nothing are listed, with the reason, in may_be_empty.yml.
Exit code 0: all well. 1: something is not (marked in the table). 2: a store refused a query.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import re
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from dashboards.queries import TEAMS, TOKENS, Metric
from plugins.module_utils._rollups import BY_SERIES, DAY, Calendar
from tests.tools.ledger import StoreError, ask
from tests.tools.queries import fill, promql
from tests.tools.queries.sources import DASHBOARDS, Query, of_dashboard, panels
from tests.tools.queries.vocabulary import STACK, Vocabulary

PATHS = {"prometheus": "/api/v1", "loki": "/loki/api/v1"}
LANGUAGES = {"promql": "prometheus", "logql": "loki"}
MAY_BE_EMPTY = Path(__file__).with_name("may_be_empty.yml")
# Such a reason is for panels that may show something as well: what they count depends on the moment.
SOMETIMES = "sometimes"
ROUNDING = 1e-9
# Of a variable with many values, such as a session, this many are tried until a panel shows something.
TRIES = 40
# Of the differences in a panel, this many are told.
FEW = 5

Labels = frozenset[tuple[str, str]]
Choice = Mapping[str, str]


@dataclass(frozen=True)
class Span:
    """A range, how it is read (the dashboards' variable `per`), and the step of its charts, in seconds.

    now: where lines and entries end. Bars are of whole steps, so a range of bars may end in the future.
    """

    per: str
    start: int
    end: int
    step: int
    now: int

    @classmethod
    def minutes(cls, now: float) -> Span:
        """Six hours, of whole steps."""
        step = 300
        end = math.ceil(now / step) * step
        return cls(fill.PER_MINUTE, end - 6 * 3600, end, step, int(now))

    @classmethod
    def days(cls, now: float, calendar: Calendar) -> Span:
        """Eight whole days and today so far."""
        midnight = int(now) - (int(now) + calendar.utc_offset) % DAY
        return cls(fill.PER_DAY, midnight - 8 * DAY, math.ceil(now), DAY, int(now))

    @property
    def length(self) -> int:
        return self.end - self.start


@dataclass(frozen=True)
class Target:
    """A query of a panel. kind: bars over time that may be added up, lines over time, a value, or entries of a log."""

    store: str
    expr: str
    kind: str
    by_day: bool


@dataclass(frozen=True)
class Panel:
    """What a panel asks, and the choices of its dashboard's variables."""

    dashboard: str
    title: str
    targets: tuple[Target, ...]
    variables: Mapping[str, Sequence[str]]

    def choices(self) -> list[Choice]:
        """All choices of values for the variables that it uses."""
        asked = " ".join(target.expr for target in self.targets)
        used = [name for name in self.variables if re.search(rf"\$\{{?{name}\b", asked)]
        values = itertools.product(*(self.variables[name] for name in used))
        return [dict(zip(used, each)) for each in values]

    @classmethod
    def of(cls, dashboard: str, panel: Mapping[str, Any], variables: Mapping[str, Sequence[str]]) -> Panel:
        custom = panel.get("fieldConfig", {}).get("defaults", {}).get("custom", {})
        stacked = custom.get("drawStyle") == "bars" and custom.get("stacking", {}).get("mode") == "normal"
        found = []
        for target in panel.get("targets", []):
            instant = target.get("instant") or target.get("queryType") == "instant"
            kind = "value" if instant else "entries" if panel["type"] == "logs" else "bars" if stacked else "lines"
            found.append(Target(target["datasource"]["type"], target["expr"], kind, target.get("interval") == "1d"))
        return cls(dashboard, panel["title"], tuple(found), variables)


class Stores:
    """Asks both stores as Grafana would."""

    def __init__(self, urls: dict[str, str], calendar: Calendar) -> None:
        self.urls = urls
        self.calendar = calendar

    def filled(self, expr: str, span: Span, choice: Choice, step: int) -> str:
        variables = {name: [value] for name, value in {**choice, "per": span.per}.items()}
        return fill.filled(expr, {**fill.grafana(f"{span.length}s", f"{step}s"), **variables}, self.calendar)[0]

    def instant(self, store: str, expr: str, span: Span) -> list[dict[str, Any]]:
        return ask(self.urls[store], f"{PATHS[store]}/query", query=expr, time=str(span.end))

    def range(self, target: Target, expr: str, span: Span, step: int) -> list[dict[str, Any]]:
        # A bar opens at its time stamp: the one at the end would be the future's.
        first, last = span.start, span.start + (span.length - 1) // step * step
        if target.kind != "bars":
            first, last = span.now - span.length, span.now
        times = {"start": str(first), "end": str(last), "step": str(step), "limit": "1000"}
        store = target.store
        return ask(self.urls[store], f"{PATHS[store]}/query_range", query=expr, **times)

    def offered(self, variable: Query, span: Span) -> list[str]:
        """The values that a query variable offers: of the label its query groups by."""
        label = re.search(r"by \((\w+)\)", variable.text)
        everything = dict.fromkeys(variable.variables, ".*")
        found = self.instant(
            LANGUAGES[variable.language], self.filled(variable.text, span, everything, span.step), span
        )
        return [series["metric"].get(label[1], "") for series in found] if label else []

    def sessions(self, span: Span) -> list[str]:
        """For the variable that people type."""
        seen = self.instant("prometheus", f"sum by (session_id) (sum_over_time({TOKENS}[{span.length}s]))", span)
        return [series["metric"]["session_id"] for series in seen]


def dashboards(stores: Stores, span: Span) -> Iterator[Panel]:
    """Every panel, with what its dashboard's variables offer: All where that is a choice."""
    for file in sorted(DASHBOARDS.rglob("*.json")):
        dashboard = json.loads(file.read_text(encoding="utf-8"))
        found = list(of_dashboard(file.stem, dashboard))
        variables = dict(found[0].variables) if found else {}
        single = {each["name"] for each in dashboard["templating"]["list"] if not each.get("includeAll")} - {"per"}
        for query in found:
            name = query.place.removeprefix("variable ")
            if query.kind == "variable" and name in single:
                variables[name] = stores.offered(query, span)
        if "session" in variables:
            variables["session"] = stores.sessions(span)
        for panel in panels(dashboard):
            yield Panel.of(file.stem, panel, variables)


class Checker:
    """Checks panels over one span."""

    def __init__(self, stores: Stores, span: Span, vocabulary: Vocabulary) -> None:
        self.stores, self.span, self.vocabulary = stores, span, vocabulary

    def check(self, panel: Panel) -> tuple[str, str]:
        """What a panel shows, and what is wrong with that. Nothing shown is the caller's to judge: an empty text."""
        shown: list[str] = []
        faults: list[str] = []
        for choice in panel.choices()[:TRIES]:
            bars = 0.0
            for target in panel.targets:
                step = DAY if target.by_day else self.span.step
                found, fault, total = self._run(target, self.stores.filled(target.expr, self.span, choice, step), step)
                bars += total
                shown += [found] if found else []
                faults += [fault] if fault else []
            faults += self._sum(panel, choice, bars)
            if self.span.per == fill.PER_DAY:
                faults += self._same_by_minute(panel, choice)
            if shown:
                break
        return "; ".join(shown), "; ".join(dict.fromkeys(faults))

    def _run(self, target: Target, expr: str, step: int) -> tuple[str, str, float]:
        """What a query finds, what is wrong with it, and the sum of its bars."""
        if target.kind == "value":
            values = [float(series["value"][1]) for series in self.stores.instant(target.store, expr, self.span)]
        else:
            answer = self.stores.range(target, expr, self.span, step)
            if target.kind == "entries":
                entries = [line for stream in answer for _, line in stream["values"]]
                bad = [line for line in entries if "<no value>" in line or "%!" in line]
                return f"{len(entries)} entries" if entries else "", bad[0] if bad else "", 0.0
            values = [float(value) for series in answer for _, value in series["values"]]
        # The stack's own counters are 0 when all is well; a client's total that is 0 was never there.
        if not any(values) and not (values and self._of_the_stack(target, expr)):
            return "", "", 0.0
        if target.kind == "value":
            return " ".join(f"{value:g}" for value in values[:8]), "", 0.0
        total = math.fsum(values)
        return f"{len(values)} points, together {total:g}", "", total if target.kind == "bars" else 0.0

    def _of_the_stack(self, target: Target, expr: str) -> bool:
        if target.store != "prometheus":
            return False
        read = promql.check(expr, self.vocabulary, {}, calendar=self.stores.calendar).read
        return all(series.kind == STACK for series in read)

    def _sum(self, panel: Panel, choice: Choice, bars: float) -> list[str]:
        """Bars against the whole: from samples or events, in one window instead of steps."""
        targets = [target for target in panel.targets if target.kind == "bars" and not target.by_day]
        if not targets or not bars:
            return []
        span = Span(fill.PER_MINUTE, self.span.start, self.span.end, self.span.length, self.span.now)
        whole = 0.0
        for target in targets:
            once = self.stores.filled(
                re.sub(r" offset -(\$\w+|\$\{\w+\}ms)", "", target.expr), span, choice, span.length
            )
            whole += math.fsum(float(series["value"][1]) for series in self.stores.instant(target.store, once, span))
        return [] if math.isclose(bars, whole, rel_tol=ROUNDING) else [f"bars add up to {bars:.10g}, not {whole:.10g}"]

    def _same_by_minute(self, panel: Panel, choice: Choice) -> list[str]:
        """Values from whole days against those from the samples of the same days."""
        faults: list[str] = []
        raw = Span(fill.PER_MINUTE, self.span.start, self.span.end, self.span.step, self.span.now)
        for target in panel.targets:
            if target.kind != "value" or "<<days" not in target.expr:
                continue
            by_day, by_minute = (
                _values(
                    self.stores.instant(target.store, self.stores.filled(target.expr, span, choice, span.step), raw)
                )
                for span in (self.span, raw)
            )
            for labels in sorted({*by_day, *by_minute}, key=sorted):
                got, expected = by_day.get(labels, 0), by_minute.get(labels, 0)
                if not math.isclose(got, expected, rel_tol=ROUNDING, abs_tol=ROUNDING):
                    named = ", ".join(f"{name}={value}" for name, value in sorted(labels))
                    faults.append(f"by day {got:.10g}, by minute {expected:.10g} {{{named}}}")
        return faults[:FEW]


def _values(vector: list[dict[str, Any]]) -> dict[Labels, float]:
    return {frozenset(series["metric"].items()): float(series["value"][1]) for series in vector}


def judged(panels_found: Mapping[tuple[str, str], str], listed: Mapping[str, Mapping[str, str]]) -> list[str]:
    """What is wrong with the panels that show nothing, and with the list of those that may. By dashboard and title."""
    reasons = {(dashboard, title): reason for dashboard, titles in listed.items() for title, reason in titles.items()}
    may = {panel for panel, reason in reasons.items() if not reason.startswith(SOMETIMES) or panel not in panels_found}
    empty = {panel for panel, found in panels_found.items() if not found}
    return [
        *(f"{dashboard}, {title}: shows nothing" for dashboard, title in sorted(empty - set(reasons))),
        *(
            f"{dashboard}, {title}: may_be_empty.yml lists it, but it shows something or is not there"
            for dashboard, title in sorted(may - empty)
        ),
    ]


def report(urls: dict[str, str], calendar: Calendar, *, days: bool, out: Any = sys.stdout) -> list[str]:
    """Checks everything, prints a table, and gives what is wrong. Raises StoreError, naming the query."""
    stores, vocabulary, now = Stores(urls, calendar), Vocabulary.load(), time.time()
    spans = [Span.minutes(now), *([Span.days(now, calendar)] if days else [])]
    found: dict[tuple[str, str], str] = {}
    wrong = []
    for span in spans:
        checker = Checker(stores, span, vocabulary)
        for panel in dashboards(stores, span):
            if not panel.targets:
                continue
            shown, fault = checker.check(panel)
            key = (panel.dashboard, panel.title)
            found[key] = found.get(key) or shown
            mark = f"  <- {fault}" if fault else ""
            print(f"{span.per:<8} {panel.dashboard:<14} {panel.title:<38} {shown[:80]}{mark}", file=out)
            wrong += [f"{panel.dashboard}, {panel.title}: {fault}"] if fault else []
    return wrong + judged(found, yaml.safe_load(MAY_BE_EMPTY.read_text(encoding="utf-8")) or {})


def wait_for_days(urls: dict[str, str], calendar: Calendar, timeout: float = 60) -> None:
    """Until the rules have recorded all samples there are. Raises TimeoutError, naming what is missing."""
    totals = tuple(Target("prometheus", Metric(series).total(), "value", False) for series in BY_SERIES)
    everybody = {name: [".*"] for name in TEAMS.variables}
    panel = Panel("", "", totals, everybody)
    until = time.monotonic() + timeout
    while True:
        checker = Checker(Stores(urls, calendar), Span.days(time.time(), calendar), Vocabulary.load())
        missing = checker.check(panel)[1]
        if not missing:
            return
        if time.monotonic() > until:
            raise TimeoutError(f"Not all days are recorded after {timeout:g} s: {missing}")
        time.sleep(1)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--prometheus", required=True, metavar="URL")
    parser.add_argument("--loki", required=True, metavar="URL")
    parser.add_argument("--days", action="store_true", help="also over whole days")
    parser.add_argument("--utc-offset", default="+00:00", help="the stack's stack_utc_offset (default: %(default)s)")
    options = parser.parse_args()
    urls = {"prometheus": options.prometheus, "loki": options.loki}
    try:
        wrong = report(urls, Calendar.of("72h", options.utc_offset), days=options.days)
    except StoreError as error:
        print(error, file=sys.stderr)
        return 2
    print("\n".join(["", *wrong]))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
