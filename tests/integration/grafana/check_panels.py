# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks a real Grafana for every panel of the provisioned dashboards, with the requests its own front end sends.

    python -m tests.integration.grafana.check_panels --grafana http://127.0.0.1:3000 --password PASSWORD \\
        --prometheus http://127.0.0.1:9090 --loki http://127.0.0.1:3100

The stores behind it must hold data, such as the recordings. What the numbers must be is for check_queries, which asks
the stores: here Grafana must hold each dashboard, know each data source, take each query as it stands and answer
without an error, over hours and over a month, and show something wherever the stores do.
Exit code 0: all well. 1: something is not (marked in the table).
"""

from __future__ import annotations

import argparse
import base64
import json
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

from plugins.module_utils._rollups import Calendar
from tests.integration.grafana.check_queries import TRIES, Checker, Choice, Panel, Span, Stores, dashboards
from tests.tools.queries import fill
from tests.tools.queries.sources import panels
from tests.tools.queries.vocabulary import Vocabulary

SOURCES = {"prometheus": "claude-prometheus", "loki": "claude-loki"}
FOLDERS = ("claude-code", "claude-code-people")
HOUR = 3600
# By what the variable per of the dashboards would be: the range, and the step that the front end chooses for it.
RANGES = {fill.PER_MINUTE: (6 * HOUR, 300), fill.PER_DAY: (30 * 24 * HOUR, 6 * HOUR)}


class Grafana:
    """Its HTTP API, as its administrator."""

    def __init__(self, url: str, password: str) -> None:
        self.url = url
        login = base64.b64encode(f"admin:{password}".encode()).decode()
        self.headers = {"Authorization": f"Basic {login}", "Content-Type": "application/json"}
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def call(self, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, self.headers)
        try:
            with self.opener.open(request, timeout=60) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            # A refused query is an answer as well.
            return json.load(error)

    def panels(self) -> dict[tuple[str, str], Any]:
        """By the name of the dashboard's file and the title."""
        found = self.call(f"/api/search?type=dash-db&{'&'.join(f'folderUIDs={uid}' for uid in FOLDERS)}")
        return {
            (each["uid"].removeprefix("claude-code-"), panel["title"]): panel
            for each in found
            for panel in panels(self.call(f"/api/dashboards/uid/{each['uid']}")["dashboard"])
        }

    def ask(self, panel: Mapping[str, Any], choice: Choice, per: str, end: int) -> tuple[str, str]:
        """What a panel shows up to `end` with one choice of its variables, and what Grafana refuses."""
        length, step = RANGES[per]
        queries = []
        for target in panel["targets"]:
            kind = target["datasource"]["type"]
            source = {"type": kind, "uid": SOURCES[kind]}
            expr = filled(target["expr"], {**choice, "per": per})
            times = {"intervalMs": 1000 * step, "maxDataPoints": 100, "utcOffsetSec": 9 * HOUR}
            queries.append({**target, "expr": expr, "datasource": source, **times})
        span = {"from": str((end - length) * 1000), "to": str(end * 1000)}
        answer = self.call("/api/ds/query", {"queries": queries, **span})
        if "results" not in answer:
            return "", f"refused: {answer}"
        results = answer["results"].values()
        errors = [result["error"] for result in results if result.get("error")]
        columns = [frame["data"]["values"] for result in results for frame in result.get("frames", [])]
        rows = sum(len(values[0]) for values in columns if values)
        return f"{rows} rows" if rows else "", "; ".join(errors)


def filled(expr: str, choice: Choice) -> str:
    """The query with the dashboard's variables; Grafana's own are for Grafana to fill in."""
    return fill.VARIABLE.sub(lambda found: choice.get(found["plain"] or found["braced"], found[0]), expr)


def check(grafana: Grafana, panel: Panel, found: Mapping[str, Any] | None, there: bool, end: int) -> tuple[str, str]:
    """What Grafana shows of a panel up to `end`, and what is wrong with that. there: the stores have something."""
    if not found:
        return "", "not in Grafana"
    shown = ""
    for choice in panel.choices()[:TRIES]:
        shown, error = grafana.ask(found, choice, fill.PER_MINUTE, end)
        error = error or grafana.ask(found, choice, fill.PER_DAY, end)[1]
        if error:
            return shown, error
        if shown:
            break
    return shown, "empty, but the stores have something" if there and not shown else ""


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    for name in ("--grafana", "--password", "--prometheus", "--loki"):
        parser.add_argument(name, required=True)
    options = parser.parse_args()
    grafana = Grafana(options.grafana, options.password)
    held = grafana.panels()
    stores = Stores({"prometheus": options.prometheus, "loki": options.loki}, Calendar())
    span = Span.minutes(time.time())
    checker = Checker(stores, span, Vocabulary.load())
    faults = 0
    for panel in dashboards(stores, span):
        if panel.targets:
            there = bool(checker.check(panel)[0])
            shown, fault = check(grafana, panel, held.get((panel.dashboard, panel.title)), there, span.end)
            faults += bool(fault)
            print(f"{panel.dashboard:<14} {panel.title:<38} {shown or '-'}{f'  <- {fault}' if fault else ''}")
    print(f"\n{faults} panels are wrong" if faults else "\nall panels answer")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
