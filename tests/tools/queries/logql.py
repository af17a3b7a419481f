# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a LogQL query reads and how: unknown events and attributes, and shapes that give wrong numbers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from tests.tools.queries.logql_parser import Node
from tests.tools.queries.vocabulary import Vocabulary, matching, nearest, needs_it, spelled_out

# Loki computes these per series; each event is a series of its own unless something groups before.
SUMMABLE = {"count_over_time", "rate", "bytes_over_time", "bytes_rate", "sum_over_time", "absent_over_time"}
# A pattern with anchors, which Loki's filters need: without them it takes whatever contains one of the alternatives.
WHOLE = re.compile(r"\^\(\?:(.*)\)\$")
# In another unit than the cost, and rounded for each request.
ROUNDED = "cost_usd_micros"
FILTERS = ("Matcher", "NumberFilter", "DurationFilter", "BytesFilter", "IpLabelFilter")
COMPARISONS = ("=", "!=", "=~", "!~")
OPERATORS = ("Eq", "Neq", "Re", "Nre", "Gtr", "Gte", "Lss", "Lte")


@dataclass
class Reading:
    """What was found out about one query: as in promql.Reading; events: those it asks for."""

    faults: list[str] = field(default_factory=list)
    labels: list[frozenset[str] | None] = field(default_factory=list)
    used: set[str] = field(default_factory=set)
    events: set[str] = field(default_factory=set)


def check(tree: Node, vocabulary: Vocabulary) -> Reading:
    """Checks a query."""
    checker = _Checker(vocabulary)
    for child in tree.children:
        checker.found.labels += checker.visit(child)
    return checker.found


class _Checker:
    def __init__(self, vocabulary: Vocabulary):
        self.vocabulary = vocabulary
        self.found = Reading()

    def fault(self, text: str) -> None:
        if text not in self.found.faults:
            self.found.faults.append(text)

    def visit(self, node: Node, summed_by: str = "") -> list[frozenset[str] | None]:
        """The labels of the node's result; summed_by: the aggregation it stands in directly."""
        if node.name in ("VectorAggregationExpr", "RangeAggregationExpr", "BinOpExpr", "LabelReplaceExpr", "LogExpr"):
            return {
                "VectorAggregationExpr": self._aggregate,
                "RangeAggregationExpr": self._range,
                "BinOpExpr": self._binary,
                "LabelReplaceExpr": self._replace,
                "LogExpr": self._lines,
            }[node.name](node, summed_by)
        return [labels for child in node.children for labels in self.visit(child, summed_by)]

    def _aggregate(self, node: Node, _above: str) -> list[frozenset[str] | None]:
        operator = next(node.all("VectorOp")).text
        branches = [labels for child in node.children for labels in self.visit(child, operator)]
        grouping = node.child("Grouping")
        if operator in ("topk", "bottomk", "approx_topk", "sort", "sort_desc"):
            return branches
        if grouping and grouping.child("Without"):
            dropped = set(_identifiers(grouping))
            return [None if labels is None else labels - dropped for labels in branches]
        names = _identifiers(grouping) if grouping else []
        self._carried(names, branches, f"{operator} by")
        return [frozenset(names)]

    def _range(self, node: Node, above: str) -> list[frozenset[str] | None]:
        operator = next(node.all("RangeOp")).text
        grouping = node.child("Grouping")
        known = self._selected(node)
        if grouping:
            names = _identifiers(grouping)
            self._carried(names, [known], f"{operator} by")
            return [frozenset(names)]
        if not any(node.all("KeepLabelsExpr")):
            if not above:
                self.fault(f"{operator} that nothing groups: one series for each event")
            elif above != "sum" or operator not in SUMMABLE:
                self.fault(f"{above} over {operator} that nothing groups: it takes each event for a series of its own")
        return [known]

    def _lines(self, node: Node, _above: str) -> list[frozenset[str] | None]:
        return [self._selected(node)]

    def _replace(self, node: Node, above: str) -> list[frozenset[str] | None]:
        made = _unquoted(next(child.text for child in node.children if child.name == "String"))
        branches = [labels for child in node.children for labels in self.visit(child, above)]
        return [None if labels is None else labels | {made} for labels in branches or [frozenset()]]

    def _binary(self, node: Node, _above: str) -> list[frozenset[str] | None]:
        left, right = (self.visit(child) for child in node.children if child.name == "Expr")
        modifier = node.child("BinOpModifier")
        matched = next(modifier.all("OnOrIgnoringModifier"), None) if modifier else None
        names = [each.text for each in matched.all("LabelName")] if matched else []
        if matched and matched.child("On"):
            for side in (left, right):
                self._carried(names, side, "on")
        if node.child("Or"):
            return [*left, *right]
        return left or right

    def _selected(self, node: Node) -> frozenset[str] | None:
        """The attributes that what a selector and its pipeline give may carry."""
        for matcher in next(node.all("Selector")).all("Matcher"):
            self._stream(matcher)
        events = self._events(node)
        self.found.events |= events
        known: set[str] | None = set(self.vocabulary.on_every_event).union(
            *(self.vocabulary.events[event] for event in events)
        )
        json_line = False
        for stage in node.all(*_STAGES):
            if known is None:
                return None
            if stage.name in FILTERS:
                self._filter(stage, events, known)
            elif stage.name == "UnwrapExpr":
                # Another one may be inside, with the filters after it.
                for name in (child.text for child in stage.children if child.name == "Identifier"):
                    self._known([name], known, "unwrap")
                    if name == ROUNDED:
                        self.fault(f"{ROUNDED} is rounded for each request: sum cost_usd")
            elif stage.name == "LineFormatExpr":
                template = _unquoted(next(stage.all("String")).text)
                self._known(_fields(template), known, "line_format")
                json_line = re.fullmatch(r"\s*\{\{\s*\.\w+\s*\}\}\s*", template) is not None
            elif stage.name == "LabelFormatMatcher":
                known = self._format(stage, known)
            elif stage.name in ("KeepLabelsExpr", "DropLabelsExpr"):
                self._known(_identifiers(stage), known, stage.children[0].text)
                known = known & set(_identifiers(stage)) if stage.name[0] == "K" else known - set(_identifiers(stage))
            elif stage.text.startswith(("json", "logfmt", "unpack", "pattern", "regexp")):
                if not json_line:
                    self.fault(f"| {stage.text.split()[0]}: a line holds only the event's name; all else is attributes")
                known = None
        return None if known is None else frozenset(known)

    def _stream(self, matcher: Node) -> None:
        label, operator, value = _matcher(matcher)
        if label not in self.vocabulary.stream_labels:
            self.fault(f"{{{label}}} is no label of a stream{nearest(label, self.vocabulary.stream_labels)}")
        elif label == "service_name":
            services = self.vocabulary.services
            for each in spelled_out(operator, value):
                if each not in services:
                    self.fault(f"service_name is never {each}{nearest(each, services)}")
                    return
            through = matching(operator, value, services)
            if through != set(services):
                self.fault(f"only {', '.join(sorted(through))}: the service names are {', '.join(services)}")

    def _events(self, node: Node) -> set[str]:
        """The events that its filters let through."""
        known = set(self.vocabulary.events)
        asked: list[set[str]] = []
        alternatives: set[str] = set()
        for stage in node.all("PipelineStage"):
            for each in stage.all("Matcher"):
                label, operator, value = _matcher(each)
                if "|" in value and not WHOLE.search(each.text):
                    self.fault(f'{each.text} takes whatever contains one of them: write "^(?:{value})$"')
                if label != "event_name":
                    continue
                for name in spelled_out(operator, value):
                    if name not in known:
                        self.fault(f"unknown event {name}{nearest(name, known)}")
                through = matching(operator, value, known)
                if not through and not spelled_out(operator, value):
                    self.fault(f"no event's name matches {value}")
                if any(stage.all("Or")):
                    alternatives |= through
                else:
                    asked.append(through)
        if alternatives:
            asked.append(alternatives)
        return known.intersection(*asked)

    def _filter(self, stage: Node, events: Iterable[str], known: set[str]) -> None:
        label, operator, value = _matcher(stage)
        if label == "event_name":
            return
        self._known([label], known, "a filter by", used=operator not in COMPARISONS or needs_it(operator, value))
        sets = [self.vocabulary.events[event].get(label) for event in events]
        closed = {value for values in sets if values for value in values}
        # A set that is open for one of the events is open.
        if closed and () not in sets and operator in COMPARISONS:
            for each in spelled_out(operator, value):
                if each not in closed:
                    self.fault(f"{label} is never {each}{nearest(each, closed)}")

    def _format(self, stage: Node, known: set[str]) -> set[str]:
        made, source = stage.children[0].text, stage.children[-1]
        if source.name == "String":
            self._known(_fields(_unquoted(source.text)), known, "label_format")
            return known | {made}
        self._known([source.text], known, "label_format")
        return (known - {source.text}) | {made}

    def _known(self, names: Iterable[str], known: set[str], where: str, *, used: bool = True) -> None:
        for name in names:
            if used:
                self.found.used.add(name)
            if name not in known and not name.startswith("__"):
                self.fault(f"{where} {name}, which these events never carry{nearest(name, known)}")

    def _carried(self, wanted: Iterable[str], branches: Iterable[frozenset[str] | None], where: str) -> None:
        for labels in branches:
            if labels is not None:
                self._known(wanted, set(labels), where)


_STAGES = (
    *FILTERS,
    "UnwrapExpr",
    "LineFormatExpr",
    "LabelFormatMatcher",
    "KeepLabelsExpr",
    "DropLabelsExpr",
    "LabelParser",
    "JsonExpressionParser",
    "LogfmtParser",
    "LogfmtExpressionParser",
)


def _matcher(node: Node) -> tuple[str, str, str]:
    value = node.children[-1]
    operator = next((child.text for child in node.children if child.name in OPERATORS), "")
    text = _unquoted(value.text) if value.name == "String" else value.text
    whole = WHOLE.fullmatch(text) if operator in ("=~", "!~") else None
    return node.children[0].text, operator, whole[1] if whole else text


def _identifiers(node: Node) -> list[str]:
    return [each.text for each in node.all("Identifier")]


def _unquoted(text: str) -> str:
    return text[1:-1] if text.startswith("`") else str(json.loads(text))


def _fields(template: str) -> Iterator[str]:
    """The attributes that a Go template shows: .name, outside of texts."""
    for action in re.findall(r"\{\{(.*?)\}\}", template, re.DOTALL):
        yield from re.findall(r"(?<![\w.)$])\.([A-Za-z_]\w*)", re.sub(r'"(?:[^"\\]|\\.)*"|`[^`]*`', " ", action))
