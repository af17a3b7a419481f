# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every query of the project against the vocabulary and the rules of shape."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tests.tools.queries import fill, logql, logql_parser, promql
from tests.tools.queries.pages import OURS, docs
from tests.tools.queries.sources import Query, dashboards, rules
from tests.tools.queries.vocabulary import COUNTER, RECORDED, Series, Vocabulary, nearest

# Recorded from events, for alerts: late events are missing in them.
WINDOWED = "claude_code_events:"
APPROXIMATE = ("approximate", "근사")
# As people know them from the original, in docs: they show that data arrives and are no totals.
ORIGINAL = ('{service_name="claude-code"}', '{__name__=~"claude.*"}')


@dataclass(frozen=True)
class Fault:
    """What is wrong with a query."""

    query: Query
    text: str

    def __str__(self) -> str:
        return f"{self.query.file}: {self.query.place}: {self.text}\n    {self.query.text.strip()}"


def everything() -> list[Query]:
    """All queries there are."""
    return [*rules(), *dashboards(), *docs()]


def check(queries: Sequence[Query], vocabulary: Vocabulary) -> list[Fault]:
    """All faults of all queries. What a rule records is known to those after it."""
    recorded: dict[str, Series] = {}
    texts: dict[Query, list[str]] = {}
    faults = []
    for query in queries:
        variables = {**fill.grafana(), **query.variables}
        try:
            texts[query] = fill.filled(query.text, variables)
        except KeyError as error:
            name = error.args[0]
            faults.append(Fault(query, f"unknown variable ${name}{nearest(name, variables)}"))
            texts[query] = []
    flat = [text for query in queries if query.language == "logql" for text in texts[query]]
    trees = dict(zip(flat, logql_parser.parse(flat)))
    for query in queries:
        for text in texts[query]:
            found = _one(query, text, vocabulary, recorded, trees)
            faults += [Fault(query, each) for each in dict.fromkeys(found) if Fault(query, each) not in faults]
    return faults


def read(queries: Iterable[Query], vocabulary: Vocabulary) -> set[Series]:
    """The known series of Prometheus that queries read."""
    texts = (
        text
        for query in queries
        if query.language == "promql"
        for text in fill.filled(query.text, {**fill.grafana(), **query.variables})
    )
    return {series for text in texts for series in promql.check(text, vocabulary, {}).read}


def _one(
    query: Query,
    text: str,
    vocabulary: Vocabulary,
    recorded: dict[str, Series],
    trees: Mapping[str, logql_parser.Node | logql_parser.ParseError],
) -> list[str]:
    if "<<" in text:
        return ["a macro that nothing writes out"]
    if query.language == "names":
        known = {**vocabulary.series, **recorded}
        named = (name for name in OURS.findall(text) if name != "service_name" and name not in known)
        return [f"unknown metric {name}{nearest(name, known)}" for name in named]
    if query.kind == "docs" and text.strip() in ORIGINAL:
        return []
    if query.language == "promql":
        reading = promql.check(text, vocabulary, recorded, newest=query.kind in ("record", "alert", "docs"))
        faults = [*reading.faults, *_approximate(query, reading.read)]
        labels, used, events = reading.labels, reading.used, set[str]()
    else:
        tree = trees[text]
        if isinstance(tree, logql_parser.ParseError):
            return [str(tree)]
        lines = logql.check(tree, vocabulary)
        faults, labels, used, events = lines.faults, lines.labels, lines.used, lines.events
    if query.kind == "record" and query.name not in vocabulary.series:
        recorded[query.name] = _recorded(query, labels, recorded.get(query.name))
    for name in query.shows:
        if not any(branch is None or name in branch for branch in labels):
            faults.append(f"{name} is shown beside the result, which does not have it")
    if query.kind in ("panel", "alert", "docs"):
        faults += _withheld(query, used, events, vocabulary)
    return faults


def _recorded(query: Query, branches: Iterable[frozenset[str] | None], before: Series | None) -> Series:
    labels: frozenset[str] | None = frozenset(query.labels) | ((before and before.labels) or frozenset())
    for branch in branches:
        labels = None if labels is None or branch is None else labels | branch
    return Series(query.name, RECORDED, labels)


def _approximate(query: Query, read: Iterable[Series]) -> list[str]:
    if query.kind == "record" or any(word in query.says.lower() for word in APPROXIMATE):
        return []
    return [
        f"{series.name} is approximate, and the text beside it does not say so"
        for series in sorted(read, key=lambda each: each.name)
        if series.kind == COUNTER or series.name.startswith(WINDOWED)
    ]


def _withheld(query: Query, used: Iterable[str], events: set[str], vocabulary: Vocabulary) -> list[str]:
    """Attributes that a client sends only if its settings say so, which the reader must be told."""
    faults = []
    for name in sorted(used):
        key = vocabulary.key_needed(name, events)
        if key and not re.search(rf"\b{key}\b", query.says):
            faults.append(f"{name} is only there with {key}, and the text beside it does not name that key")
    for event in sorted(events):
        key = vocabulary.needs.get((event, "*"))
        if key and len(events) == 1 and key not in query.says:
            faults.append(f"{event} is only sent with {key}, and the text beside it does not name that key")
    return faults
