# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every query of every committed dashboard, as Grafana sends it for a range."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.tools.queries.fill import filled
from tests.tools.queries.sources import panels

DASHBOARDS = Path(__file__).parents[2] / "roles" / "grafana" / "files" / "dashboards"


@dataclass(frozen=True)
class Target:
    """One query of a panel. bars: it is asked for each step of the range, instead of once at its end."""

    dashboard: str
    panel: str
    store: str
    text: str
    bars: bool
    variables: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        return f"{self.dashboard}, {self.panel}"

    def asked(self, per: str, seconds: int, step: int) -> str:
        """The query with Grafana's variables filled in; ours in << >> stay."""
        times = {"__range": f"{seconds}s", "__range_s": str(seconds), "__range_ms": str(1000 * seconds)}
        steps = dict.fromkeys(("__interval", "__rate_interval", "__auto"), f"{step}s")
        values = {**dict(self.variables), **times, **steps, "__interval_ms": str(1000 * step), "per": per}
        (text,) = filled(self.text.replace("<<", "\0"), {name: [value] for name, value in values.items()})
        return text.replace("\0", "<<")


def targets() -> Iterator[Target]:
    for file in sorted(DASHBOARDS.rglob("*.json")):
        dashboard = json.loads(file.read_text(encoding="utf-8"))
        variables = {each["name"]: _chosen(each) for each in dashboard["templating"]["list"]}
        for panel in panels(dashboard):
            for target in panel.get("targets", []):
                if target.get("datasource", {}).get("type") in ("prometheus", "loki") and "expr" in target:
                    yield Target(
                        file.stem,
                        panel.get("title", ""),
                        target["datasource"]["type"],
                        target["expr"],
                        not (target.get("instant") or target.get("queryType") == "instant"),
                        tuple(sorted(variables.items())),
                    )


def _chosen(variable: dict[str, Any]) -> str:
    """Everything, or the default where it is no matcher."""
    if variable["type"] in ("custom", "constant", "textbox", "interval"):
        return str(variable.get("current", {}).get("value") or variable.get("query"))
    return ".*"
