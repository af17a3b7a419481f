# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The dashboards that are committed are those the code makes, and they ask only for what a client sends."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from query_names import Names, of_query

from dashboards import __main__ as generator
from dashboards import render

VOCABULARY = yaml.safe_load((Path(generator.__file__).parent / "vocabulary.yml").read_text(encoding="utf-8"))
METRICS = {metric["series"]: metric for metric in VOCABULARY["metrics"].values()}
EVERYWHERE = {*VOCABULARY["user"], *VOCABULARY["standard"]}
IN_PROMETHEUS = {*EVERYWHERE, "job"}
IN_LOKI = {*EVERYWHERE, "scope_name", *VOCABULARY["resource"], *VOCABULARY["event_standard"]}
# Labels that a query makes itself.
MADE = {"type"}

WRONG_ON_DELTAS = {"rate", "irate", "increase", "delta", "idelta", "resets", "changes"}

FILES = sorted(generator.OUTPUT.glob("*.json"))


def panels(dashboard: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for panel in dashboard["panels"]:
        yield from panel.get("panels", [])
        if panel["type"] != "row":
            yield panel


def queries() -> list[Any]:
    found = []
    for file in FILES:
        dashboard = json.loads(file.read_text(encoding="utf-8"))
        for panel in panels(dashboard):
            for target in panel["targets"]:
                kind = target["datasource"]["type"]
                found.append(pytest.param(kind, target, id=f"{file.stem}: {panel['title']} {target['refId']}"))
        for variable in dashboard["templating"]["list"]:
            if variable["type"] == "query":
                inside = re.fullmatch(r"label_values\((.*), \w+\)", variable["query"]["query"])
                assert inside, variable["query"]
                target = {"expr": inside[1], "variable": True}
                found.append(pytest.param("prometheus", target, id=f"{file.stem}: variable {variable['name']}"))
    return found


def unknown_names(kind: str, names: Names) -> set[str]:
    if kind == "prometheus":
        known = IN_PROMETHEUS.union(*(METRICS[name]["labels"] for name in names.metrics if name in METRICS))
        return (names.labels - known) | (names.metrics - set(METRICS))
    events = {value for label, value in names.values if label == "event_name"}
    asked = events if events != {".+"} else set(VOCABULARY["events"])
    known = IN_LOKI.union(*(VOCABULARY["events"][event] for event in asked if event in VOCABULARY["events"]))
    return (names.labels - known) | names.metrics | (asked - set(VOCABULARY["events"]))


def unknown_values(names: Names) -> set[tuple[str, str]]:
    """Values of a closed set that are not in it."""
    wrong = set()
    for metric in names.metrics & set(METRICS):
        closed = {label: values for label, values in METRICS[metric]["labels"].items() if values}
        wrong |= {(label, value) for label, value in names.values if label in closed and value not in closed[label]}
    return wrong


def test_committed_dashboards_are_what_the_code_makes() -> None:
    made = {f"{name}.json": render.as_json(build()) for name, build in generator.DASHBOARDS.items()}
    committed = {file.name: file.read_text(encoding="utf-8") for file in FILES}
    assert committed == made, "run: python3 -m dashboards"


@pytest.mark.parametrize(("kind", "target"), queries())
def test_query_uses_only_names_of_the_vocabulary(kind: str, target: dict[str, Any]) -> None:
    names = of_query(target["expr"])
    assert unknown_names(kind, names) - MADE == set()
    assert unknown_values(names) == set()


@pytest.mark.parametrize(("kind", "target"), queries())
def test_query_has_an_exact_shape(kind: str, target: dict[str, Any]) -> None:
    names = of_query(target["expr"])
    assert not names.functions & {
        "rate",
        "irate",
        "increase",
        "delta",
        "idelta",
        "resets",
        "changes",
        "avg",
        "max",
        "min",
    }
    assert "| json" not in target["expr"]
    if kind == "prometheus" and not target.get("variable"):
        selectors = re.findall(r"claude_code_\w+", target["expr"])
        assert len(selectors) == len(re.findall(r"sum_over_time\(claude_code_\w+", target["expr"])), "a bare select"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_windows_are_the_range_or_the_step(file: Path) -> None:
    """A window longer than the step counts twice, a shorter one loses. Loki takes a query's own step as it is."""
    for panel in panels(json.loads(file.read_text(encoding="utf-8"))):
        for target in panel["targets"]:
            windows = set(re.findall(r"\[([^]]*)\]", target["expr"]))
            instant = target.get("instant") or target.get("queryType") == "instant"
            step = {"prometheus": "$__interval", "loki": "$__auto"}[target["datasource"]["type"]]
            assert windows <= ({"$__range"} if instant else {step}), panel["title"]
            assert not {"step", "interval", "intervalFactor", "resolution"} & set(target), panel["title"]
        if panel["type"] == "timeseries":
            assert panel["interval"] == "1m"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_panel_says_what_it_shows(file: Path) -> None:
    dashboard = json.loads(file.read_text(encoding="utf-8"))
    shown = list(panels(dashboard))
    assert all(panel.get("description") for panel in shown)
    assert len({panel["title"] for panel in shown}) == len(shown)
    assert all("unit" in panel["fieldConfig"]["defaults"] for panel in shown if panel["type"] in ("stat", "timeseries"))


@pytest.mark.parametrize(
    ("kind", "query", "wrong"),
    [
        ("prometheus", "sum(sum_over_time(claude_code_cost_usage[1h]))", {"claude_code_cost_usage"}),
        (
            "prometheus",
            'sum by (project) (sum_over_time(claude_code_commit_count{model="x"}[1h]))',
            {"project", "model"},
        ),
        ("loki", '{service_name="claude-code"} | event_name="tool_use"', {"tool_use"}),
        ("loki", 'sum(sum_over_time({service_name="x"} | event_name="api_request" | unwrap cost [1h]))', {"cost"}),
        ("loki", '{service_name="x"} | event_name="api_error" | line_format `{{.eror}} {{.model}}`', {"eror"}),
    ],
)
def test_a_wrong_name_is_noticed(kind: str, query: str, wrong: set[str]) -> None:
    assert unknown_names(kind, of_query(query)) == wrong


def test_a_wrong_value_is_noticed() -> None:
    names = of_query('sum_over_time(claude_code_token_usage_tokens{type=~"input|cache_read"}[1h])')
    assert unknown_values(names) == {("type", "cache_read")}
