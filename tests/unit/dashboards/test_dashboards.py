# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The dashboards that are committed are those the code makes. Their queries are checked in tests/unit/queries."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from dashboards import __main__ as generator
from dashboards import render
from tests.tools.queries.sources import panels

FILES = sorted(generator.OUTPUT.rglob("*.json"))
# What a total may reach over, and what a bar, which must be as wide as the step. Loki's step has another name.
RANGES = {"$__range", "$__range:1d", "1ms:1ms"}
STEPS = {"prometheus": {"$__interval", "$__interval:1d", "1d:1d", "1ms:1ms"}, "loki": {"$__auto"}}


def test_committed_dashboards_are_what_the_code_makes() -> None:
    made = {f"{name}.json": render.as_json(build()) for name, build in generator.DASHBOARDS.items()}
    committed = {str(file.relative_to(generator.OUTPUT)): file.read_text(encoding="utf-8") for file in FILES}
    assert committed == made, "run: python3 -m dashboards"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_windows_are_the_range_or_the_step(file: Path) -> None:
    """A window longer than the step counts twice, a shorter one loses. Loki takes a query's own step as it is."""
    for panel in panels(json.loads(file.read_text(encoding="utf-8"))):
        for target in panel.get("targets", []):
            kind = target["datasource"]["type"]
            # Others ask what there was at all.
            if kind == "prometheus" and ("sum_over_time" not in target["expr"] or " unless " in target["expr"]):
                continue
            windows = set(re.findall(r"\[([^]\"]*)\]", target["expr"]))
            instant = target.get("instant") or target.get("queryType") == "instant"
            assert windows <= (RANGES if instant else STEPS[kind]), panel["title"]
            assert not {"step", "intervalFactor", "resolution"} & set(target), panel["title"]
            assert kind == "prometheus" or "interval" not in target, panel["title"]
        if panel["type"] == "timeseries":
            assert panel["interval"] == "1m"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_panel_says_what_it_shows(file: Path) -> None:
    dashboard = json.loads(file.read_text(encoding="utf-8"))
    shown = list(panels(dashboard))
    assert [panel["title"] for panel in shown if not panel.get("description")] == []
    assert len({panel["title"] for panel in shown}) == len(shown)
    assert [
        panel["title"]
        for panel in shown
        if panel["type"] in ("stat", "timeseries") and "unit" not in panel["fieldConfig"]["defaults"]
    ] == []
