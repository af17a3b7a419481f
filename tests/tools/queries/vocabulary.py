# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The names a query may use, with what is known of each: dashboards/vocabulary.yml and dashboards/stack_metrics.yml."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from plugins.module_utils._rollups import TABLE, Calendar

ROOT = Path(__file__).parents[3]

# Path (a): delta samples. Their sums by day. Path (b). What our rules write. What the stack says of itself.
EXACT, DAYS, COUNTER, RECORDED, STACK = "exact", "days", "counter", "recorded", "stack"


@dataclass(frozen=True)
class Series:
    """One name in Prometheus. `labels` None: any label may occur. `closed`: the labels whose values are all known."""

    name: str
    kind: str
    labels: frozenset[str] | None
    closed: Mapping[str, tuple[str, ...]] = field(default_factory=dict, compare=False)
    type: str = ""


@dataclass(frozen=True)
class Vocabulary:
    """series: by name. events: by name, each attribute with its closed set of values or ()."""

    series: Mapping[str, Series]
    events: Mapping[str, Mapping[str, tuple[str, ...]]]
    services: tuple[str, ...]
    on_every_event: frozenset[str]
    stream_labels: frozenset[str]
    needs: Mapping[tuple[str, str], str]

    @classmethod
    def load(cls) -> Vocabulary:
        """As the project has it."""
        client = yaml.safe_load((ROOT / "dashboards" / "vocabulary.yml").read_text(encoding="utf-8"))
        stack = yaml.safe_load((ROOT / "dashboards" / "stack_metrics.yml").read_text(encoding="utf-8"))
        return cls(
            series={each.name: each for each in [*_client_series(client), *stack_series(stack)]},
            events={name: _attributes(attributes) for name, attributes in client["events"].items()},
            services=tuple(client["services"]),
            on_every_event=frozenset(
                {*client["user"], *client["standard"], *client["resource"], *client["event_standard"], *client["loki"]}
            ),
            stream_labels=frozenset(client["loki_streams"]),
            needs={
                (where, name): key
                for key, withheld in client["needs"].items()
                for where, names in withheld.items()
                for name in names
            },
        )

    def key_needed(self, name: str, events: Iterable[str] = ()) -> str | None:
        """The client's setting without which nothing carries this attribute; with events, none of these."""
        if ("everywhere", name) in self.needs:
            return self.needs["everywhere", name]
        keys = {self.needs.get((event, name)) for event in events if name in self.events[event]}
        return keys.pop() if len(keys) == 1 else None

    def has_label(self, name: str) -> bool:
        """Whether any series at all carries it."""
        return any(each.labels is not None and name in each.labels for each in self.series.values())


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of a message about an unknown name."""
    close = difflib.get_close_matches(name, sorted(known), 1, 0.5)
    return f"; the nearest known name is {close[0]}" if close else ""


def matching(operator: str, value: str, known: Iterable[str]) -> set[str]:
    """Which of the known values a matcher lets through. Raises re.error."""
    pattern = re.escape(value) if operator in ("=", "!=") else value
    found = {each for each in known if re.fullmatch(pattern, each)}
    return set(known) - found if operator.startswith("!") else found


def spelled_out(operator: str, value: str) -> list[str]:
    """The single values that a matcher names; none where it is a pattern."""
    if operator in ("=", "!="):
        return [value] if value else []
    anchored = re.fullmatch(r"\^?\(\?:(.*)\)\$?|\^(.*)\$", value)
    values = (next(filter(None, anchored.groups()), "") if anchored else value).split("|")
    return [] if any(re.search(r"[][.*+?(){}^$\\]", each) for each in values) else [each for each in values if each]


def needs_it(operator: str, value: str) -> bool:
    """Whether a matcher keeps out what lacks the label or attribute."""
    return not matching(operator, value, [""])


def _attributes(found: Mapping[str, list[str]]) -> dict[str, tuple[str, ...]]:
    return {name: tuple(values) for name, values in found.items()}


def _client_series(client: Mapping[str, Any]) -> Iterable[Series]:
    everywhere = {*client["user"], *client["standard"], *client["prometheus"]}
    for metric in client["metrics"].values():
        closed = {"job": tuple(client["services"]), **_attributes(metric["labels"])}
        closed = {name: values for name, values in closed.items() if values}
        labels = frozenset({*everywhere, *metric["labels"]})
        yield Series(metric["series"], EXACT, labels, closed)
        yield Series(metric["counter"], COUNTER, labels | set(client["prometheus_counters"]), closed, "counter")
        for rollup in TABLE:
            if rollup.series == metric["series"]:
                added = frozenset({"age", *Calendar().labels})
                yield Series(rollup.by_team, DAYS, added.union(rollup.kept_by_team), closed)
                yield Series(rollup.by_developer, DAYS, added.union(rollup.kept_by_developer), closed)


def stack_series(stack: Mapping[str, Any]) -> Iterable[Series]:
    """From the families of stack_metrics.yml, or of a running stack."""
    for family, found in _families(stack):
        labels = frozenset({"job", "instance", *found.get("labels", [])})
        if found["type"] == "histogram":
            yield Series(f"{family}_bucket", STACK, labels | {"le"}, {}, "counter")
            yield Series(f"{family}_sum", STACK, labels, {}, "counter")
            yield Series(f"{family}_count", STACK, labels, {}, "counter")
        else:
            yield Series(family, STACK, labels, {}, found["type"])
            if found["type"] == "summary":
                yield Series(f"{family}_sum", STACK, labels - {"quantile"}, {}, "counter")
                yield Series(f"{family}_count", STACK, labels - {"quantile"}, {}, "counter")
    # Prometheus's own, not from a scrape: ALERTS has the labels of the alert.
    yield Series("ALERTS", STACK, None, {}, "gauge")
    yield Series("ALERTS_FOR_STATE", STACK, None, {}, "gauge")


def _families(stack: Mapping[str, Any]) -> Iterable[tuple[str, Mapping[str, Any]]]:
    """Each once, with the labels it has in any program: several of them say how much memory they use."""
    found: dict[str, dict[str, Any]] = {}
    for program in [*stack["programs"].values(), *stack.get("rare", {}).values()]:
        for family, entry in program.items():
            labels = {*entry.get("labels", []), *found.get(family, {}).get("labels", [])}
            found[family] = {"type": entry["type"], "labels": sorted(labels)}
    return found.items()
