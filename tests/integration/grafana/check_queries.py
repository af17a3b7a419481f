# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs every query of every dashboard against real stores that hold the recordings, as Grafana would.

    python -m tests.tools.check_totals ...                   first, it replays the recordings
    python -m tests.integration.grafana.check_queries --prometheus http://127.0.0.1:9090 --loki http://127.0.0.1:3100

Each query must be accepted and find something, and the bars of a chart must add up to its total.
Exit code 0: all well. 1: something is not (marked in the table). 2: a store refused a query.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.tools.ledger import StoreError, ask

DASHBOARDS = Path(__file__).parents[3] / "roles" / "grafana" / "files" / "dashboards"
PATHS = {"prometheus": "/api/v1", "loki": "/loki/api/v1"}
# What no recording contains.
EMPTY = {"Pull requests"}
RANGE_S = 6 * 3600
STEP_S = 300


@dataclass(frozen=True)
class Query:
    """One query of a panel; a range query returns a series of bars, an instant one a value, or lines of a log."""

    dashboard: str
    panel: str
    store: str
    expr: str
    kind: str


def queries() -> Iterator[Query]:
    for file in sorted(DASHBOARDS.glob("*.json")):
        for panel in json.loads(file.read_text(encoding="utf-8"))["panels"]:
            for target in panel.get("targets", []):
                instant = target.get("instant") or target.get("queryType") == "instant"
                kind = "value" if instant else "lines" if panel["type"] == "logs" else "bars"
                yield Query(file.stem, panel["title"], target["datasource"]["type"], target["expr"], kind)


def filled_in(expr: str, window: int) -> str:
    """The query as Grafana sends it with All chosen everywhere."""
    for name in ("__range", "__interval", "__auto"):
        expr = expr.replace(f"${name}", f"{window}s")
    return re.sub(r"\$\w+", ".*", expr)


class Checker:
    """Asks both stores about one range."""

    def __init__(self, urls: dict[str, str], now: float) -> None:
        self.urls = urls
        # The bars cover whole steps, so the range they are compared with must too.
        self.end = math.ceil(now / STEP_S) * STEP_S
        self.start = self.end - RANGE_S

    def instant(self, query: Query) -> list[dict[str, Any]]:
        expr = filled_in(query.expr, RANGE_S)
        return ask(self.urls[query.store], f"{PATHS[query.store]}/query", query=expr, time=str(self.end))

    def bars(self, query: Query) -> list[dict[str, Any]]:
        expr = filled_in(query.expr, STEP_S)
        last = self.end - STEP_S
        span = {"start": str(self.start), "end": str(last), "step": str(STEP_S)}
        return ask(self.urls[query.store], f"{PATHS[query.store]}/query_range", query=expr, **span)

    def lines(self, query: Query) -> list[dict[str, Any]]:
        expr = filled_in(query.expr, RANGE_S)
        span = {"start": str(self.start), "end": str(self.end), "limit": "1000"}
        return ask(self.urls[query.store], f"{PATHS[query.store]}/query_range", query=expr, **span)

    def check(self, query: Query) -> tuple[str, str]:
        """What the query found, and what is wrong with that."""
        if query.kind == "lines":
            lines = [line for stream in self.lines(query) for _, line in stream["values"]]
            bad = [line for line in lines if "<no value>" in line or "%!" in line]
            return f"{len(lines)} lines", "" if lines and not bad else bad[0] if bad else "finds nothing"
        if query.kind == "value":
            values = [float(series["value"][1]) for series in self.instant(query)]
            nothing = not any(values)
            return " ".join(f"{value:g}" for value in values), "finds nothing" if nothing else ""
        total = sum(float(value) for series in self.bars(query) for _, value in series["values"])
        whole = Query(query.dashboard, query.panel, query.store, re.sub(r" offset -\$\w+", "", query.expr), "value")
        expected = sum(float(series["value"][1]) for series in self.instant(whole))
        return f"{total:g}", "" if total and math.isclose(total, expected, rel_tol=1e-9) else f"total is {expected:g}"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--prometheus", required=True, metavar="URL")
    parser.add_argument("--loki", required=True, metavar="URL")
    options = parser.parse_args()
    checker = Checker({"prometheus": options.prometheus, "loki": options.loki}, time.time())
    wrong = 0
    for query in queries():
        try:
            found, fault = checker.check(query)
        except StoreError as error:
            print(f"{query.dashboard}, {query.panel}: {error}\n{query.expr}", file=sys.stderr)
            return 2
        fault = "" if query.panel in EMPTY and not found else fault
        wrong += bool(fault)
        mark = f"  <- {fault}" if fault else ""
        print(f"{query.dashboard:<10} {query.panel:<38} {query.store:<11} {found}{mark}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
