# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was recorded is in the vocabulary, and what it says is withheld was not recorded."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from plugins.module_utils._rollups import TABLE
from tests.tools.queries.vocabulary import ROOT, matching, nearest, needs_it, spelled_out

RECORDINGS = sorted((ROOT / "tests" / "recordings").glob("*.otlp.jsonl"))
CLIENT = yaml.safe_load((ROOT / "dashboards" / "vocabulary.yml").read_text(encoding="utf-8"))
EVERYWHERE = {*CLIENT["user"], *CLIENT["standard"]}


def attributes(carrier: dict[str, Any]) -> dict[str, Any]:
    """By the name the stores give them."""
    found = {}
    for attribute in carrier.get("attributes", []):
        found[attribute["key"].replace(".", "_")] = next(iter(attribute["value"].values()))
    return found


def sent(recording: Path, *path: str) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Resource and record of everything of one signal."""
    for line in recording.read_text(encoding="utf-8").splitlines():
        for resource in json.loads(line)["req"].get(path[0], []):
            for scope in resource[path[1]]:
                for record in scope[path[2]]:
                    yield resource["resource"], record


def strange(found: dict[str, Any], closed: dict[str, list[str]]) -> dict[str, Any]:
    """The attributes whose values are all known, and this one is not."""
    texts = {name: value for name, value in found.items() if closed.get(name) and isinstance(value, str)}
    return {name: value for name, value in texts.items() if value not in closed[name]}


@pytest.mark.parametrize("recording", RECORDINGS, ids=lambda file: file.name.split(".")[0])
def test_every_recorded_event_is_known(recording: Path) -> None:
    for resource, record in sent(recording, "resourceLogs", "scopeLogs", "logRecords"):
        found = attributes(record)
        known = CLIENT["events"][found["event_name"]]
        # The client copies the resource attributes that its user sets.
        copies = attributes(resource)
        assert set(found) - {*EVERYWHERE, *CLIENT["event_standard"], *known, *copies} == set(), found["event_name"]
        assert strange(found, known) == {}, found["event_name"]


@pytest.mark.parametrize("recording", RECORDINGS, ids=lambda file: file.name.split(".")[0])
def test_every_recorded_metric_is_known(recording: Path) -> None:
    for resource, metric in sent(recording, "resourceMetrics", "scopeMetrics", "metrics"):
        known = CLIENT["metrics"][metric["name"]]
        assert metric.get("unit", "") == known["unit"]
        for point in metric["sum"]["dataPoints"]:
            found = attributes(point)
            assert set(found) - {*EVERYWHERE, *known["labels"], *attributes(resource)} == set(), metric["name"]
            assert strange(found, known["labels"]) == {}, metric["name"]


def test_rollups_keep_labels_that_their_series_have(vocabulary) -> None:
    for rollup in TABLE:
        assert set(rollup.labels) <= vocabulary.series[rollup.series].labels


def test_what_needs_a_setting_is_an_attribute(vocabulary) -> None:
    for where, name in vocabulary.needs:
        known = vocabulary.on_every_event if where == "everywhere" else {*vocabulary.events[where], "*"}
        assert name in known, (where, name)


@pytest.mark.parametrize(
    ("operator", "value", "through"),
    [("=", "a.c", {"a.c"}), ("!=", "a.c", {"abc", "b"}), ("=~", "a.c|x", {"a.c", "abc"}), ("!~", "a.*", {"b"})],
)
def test_a_matcher_lets_through_what_prometheus_would(operator: str, value: str, through: set[str]) -> None:
    assert matching(operator, value, ["a.c", "abc", "b"]) == through


def test_single_values_of_a_matcher() -> None:
    assert spelled_out("=", "a") == ["a"]
    assert spelled_out("=~", "a|b") == ["a", "b"]
    assert spelled_out("=~", "^(?:a|b)$") == ["a", "b"]
    assert spelled_out("=~", "^(?:.*)$") == []
    assert spelled_out("=~", "a.*|b") == []
    assert spelled_out("!=", "") == []


@pytest.mark.parametrize(
    ("operator", "value", "needed"),
    [
        ("=", "a", True),
        ("=", "", False),
        ("!=", "", True),
        ("=~", "^(?:.*)$", False),
        ("=~", "a|", False),
        ("!~", "a", False),
    ],
)
def test_some_matchers_need_the_label(operator: str, value: str, needed: bool) -> None:
    assert needs_it(operator, value) == needed


def test_the_nearest_name_is_told_where_there_is_one() -> None:
    assert nearest("modle", ["model", "team"]) == "; the nearest known name is model"
    assert nearest("x", ["model", "team"]) == ""
