# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Grafana asks for when somebody opens a dashboard."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dashboards.panels import PER
from plugins.module_utils._rollups import Calendar

DASHBOARDS = Path(__file__).parents[2] / "roles" / "grafana" / "files" / "dashboards"
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
# Grafana's steps: up to this many seconds a bar becomes that wide.
STEPS = (
    *((450, 300), (750, 600), (1050, 900), (1500, 1200), (2700, 1800), (5400, 3600), (9000, 7200)),
    *((16200, 10800), (32400, 21600), (86400, 43200), (604800, 86400)),
)
ALL = ".*"
# From how long ago people look at, until now.
RANGES = ("30d", "7d", "24h")


def seconds(text: str) -> int:
    """Of a duration such as 30d."""
    return int(text[:-1]) * UNITS[text[-1]]


@dataclass(frozen=True)
class Request:
    """One call of Prometheus's API."""

    path: str
    parameters: Mapping[str, str]


@dataclass(frozen=True)
class Question:
    """All that one panel or variable asks. `targets` are as the dashboard has them, with the macros written out."""

    dashboard: str
    title: str
    targets: tuple[Mapping[str, Any], ...] = field(compare=False)
    interval: str = "1m"
    bars: int = 100

    @property
    def people(self) -> bool:
        """Whether it is about single developers."""
        return self.dashboard.startswith("people/")

    def requests(self, end: int, window: int, chosen: Mapping[str, str], side: str) -> list[Request]:
        """For the range that ends at `end`; `side` is the value of the variable `per`."""
        return [self._request(target, end, window, {**chosen, "per": side}) for target in self.targets]

    def _request(self, target: Mapping[str, Any], end: int, window: int, chosen: Mapping[str, str]) -> Request:
        if "label" in target:
            span = {"match[]": _filled(target["selector"], window, 60, chosen), "start": str(end - window)}
            return Request(f"label/{target['label']}/values", {**span, "end": str(end)})
        if not target.get("range"):
            return Request("query", {"query": _filled(target["expr"], window, 60, chosen), "time": str(end)})
        step = max(seconds(target.get("interval") or self.interval), _step(window / self.bars))
        span = {"start": str((end - window) // step * step), "end": str(end // step * step), "step": str(step)}
        return Request("query_range", {"query": _filled(target["expr"], window, step, chosen), **span})


def _step(width: float) -> int:
    return next((step for most, step in STEPS if width <= most), 7 * 86400) if width > 300 else 60


def _filled(text: str, window: int, step: int, chosen: Mapping[str, str]) -> str:
    """The query with Grafana's and the dashboard's variables in it."""
    known = {"__range_s": str(window), "__range": f"{window}s", "__interval": f"{step}s", "__rate_interval": "4m"}
    return re.sub(r"\$\{?(\w+)\}?", lambda found: {**known, **chosen}.get(found[1], ALL), text)


def questions(calendar: Calendar) -> Iterator[Question]:
    """Of every committed dashboard, the variables first."""
    for file in sorted(DASHBOARDS.rglob("*.json")):
        dashboard = calendar.expand_all(json.loads(file.read_text(encoding="utf-8")))
        name = str(file.relative_to(DASHBOARDS).with_suffix(""))
        for variable in dashboard["templating"]["list"]:
            if variable["type"] == "query" and variable["datasource"]["type"] == "prometheus":
                yield Question(name, f"${variable['name']}", (_variable(variable["query"]["query"]),))
        for panel in _panels(dashboard):
            targets = tuple(each for each in panel.get("targets", []) if each["datasource"]["type"] == "prometheus")
            if targets:
                bars = int(panel.get("maxDataPoints") or 1000)
                yield Question(name, panel["title"], targets, panel.get("interval") or "15s", bars)


def _panels(dashboard: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for panel in dashboard["panels"]:
        yield from panel.get("panels", [])
        if panel["type"] != "row":
            yield panel


def _variable(query: str) -> dict[str, str]:
    found = re.fullmatch(r"(label_values|query_result)\((.*)\)", query)
    if not found:
        raise ValueError(f"not known how Grafana asks for {query}")
    if found[1] == "query_result":
        return {"expr": found[2]}
    selector, _, label = found[2].rpartition(",")
    return {"selector": selector, "label": label.strip()}


# Asks whether a range is read from raw samples or from rollups.
PER_QUESTION = Question("", "", (_variable(PER),))
