# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a PromQL query reads and how: unknown names, labels that cannot be there, and shapes that give wrong numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import promql_parser as ast

from plugins.module_utils._rollups import Calendar
from tests.tools.queries.vocabulary import (
    COUNTER,
    DAYS,
    EXACT,
    RECORDED,
    STACK,
    Series,
    Vocabulary,
    matching,
    nearest,
    needs_it,
    spelled_out,
)

# What a series may carry; None: anything.
Labels = frozenset[str] | None

# Wrong on sums of deltas and on anything made of them: they ask how a counter moves.
OF_COUNTERS = {"rate", "irate", "increase", "resets"}
MOVEMENT = {*OF_COUNTERS, "delta", "idelta", "changes", "deriv", "predict_linear", "double_exponential_smoothing"}
OF_GAUGES = {"delta", "idelta", "deriv", "predict_linear"}
# A sample of a delta series says something only in a sum. The others do not look at its value.
# The label that only rollups carry. A dashboard's variable asks raw series for the lack of it.
PER = "per"
TOTALS = {"sum_over_time"}
PRESENCE = {"count_over_time", "present_over_time", "absent_over_time"}
OPERATORS = ((ast.MatchOp.Equal, "="), (ast.MatchOp.NotEqual, "!="), (ast.MatchOp.Re, "=~"), (ast.MatchOp.NotRe, "!~"))


class Constant(frozenset[str]):
    """The labels of vector(): none, and nobody expects any."""


@dataclass
class Reading:
    """What was found out about one query.

    faults: what is wrong. labels: one entry for each kind of series in the result. used: labels without which the
    query shows nothing of use. read: the series it reads.
    """

    faults: list[str] = field(default_factory=list)
    labels: list[Labels] = field(default_factory=list)
    used: set[str] = field(default_factory=set)
    read: set[Series] = field(default_factory=set)


def check(
    text: str,
    vocabulary: Vocabulary,
    recorded: Mapping[str, Series],
    *,
    calendar: Calendar | None = None,
    newest: bool = False,
) -> Reading:
    """Checks a query. recorded: what the rules write. newest: it may read the newest sum of a day,
    as rules do, and those who look into one."""
    checker = _Checker({**vocabulary.series, **recorded}, vocabulary, calendar or Calendar(), newest)
    try:
        tree = ast.parse(text)
    except ValueError as error:
        checker.found.faults.append(f"not PromQL: {error}")
        return checker.found
    checker.found.labels = checker.visit(tree, ())
    return checker.found


class _Checker:
    def __init__(self, series: Mapping[str, Series], vocabulary: Vocabulary, calendar: Calendar, newest: bool):
        self.series = series
        self.vocabulary = vocabulary
        self.calendar = calendar
        self.newest = newest
        self.found = Reading()

    def fault(self, text: str) -> None:
        if text not in self.found.faults:
            self.found.faults.append(text)

    def visit(self, node: ast.Expr, above: tuple[ast.Expr, ...]) -> list[Labels]:
        """The labels of the node's result; above: what it stands in, outermost first."""
        inside = (*above, node)
        if isinstance(node, ast.VectorSelector):
            return self._selector(node, above)
        if isinstance(node, ast.MatrixSelector):
            return self._selector(node.vector_selector, inside)
        if isinstance(node, (ast.ParenExpr, ast.SubqueryExpr, ast.UnaryExpr)):
            return self.visit(node.expr, inside)
        if isinstance(node, ast.Call):
            return self._call(node, inside)
        if isinstance(node, ast.AggregateExpr):
            return self._aggregate(node, inside)
        if isinstance(node, ast.BinaryExpr):
            return self._binary(node, inside)
        return []

    def _call(self, node: ast.Call, inside: tuple[ast.Expr, ...]) -> list[Labels]:
        name = node.func.name
        branches = [labels for each in node.args for labels in self.visit(each, inside)]
        if name in ("scalar", "time"):
            return []
        if name == "vector":
            return [Constant()]
        if name in ("absent", "absent_over_time"):
            return [None]
        if name in ("label_replace", "label_join"):
            made = node.args[1].val
            return [_changed(labels, add={made}) for labels in branches]
        if name.startswith("histogram_quantile"):
            self._carried(["le"], branches, "histogram_quantile")
            return [_changed(labels, drop={"le"}) for labels in branches]
        return branches

    def _aggregate(self, node: ast.AggregateExpr, inside: tuple[ast.Expr, ...]) -> list[Labels]:
        operator, modifier = str(node.op), node.modifier
        grouped = modifier.labels if modifier else []
        without = modifier is not None and modifier.type == ast.AggModifierType.Without
        if operator == "max" and without and grouped == ["age"]:
            return self._days(node, None, inside)
        if operator == "max" and modifier and not without and _merges_ages(node):
            return self._days(node, ", ".join(grouped), inside)
        branches = self.visit(node.expr, inside)
        if operator in ("topk", "bottomk", "limitk", "limit_ratio"):
            return branches
        made = {node.param.val} if node.param and operator == "count_values" else set()
        if without:
            return [_changed(labels, add=made, drop=set(grouped)) for labels in branches]
        self._carried(grouped, branches, f"{operator} by")
        return [frozenset({*grouped, *made})] if branches else []

    def _days(self, node: ast.AggregateExpr, by: str | None, inside: tuple[ast.Expr, ...]) -> list[Labels]:
        """The chain that Calendar.days writes, where days are merged; nothing else may read rollups."""
        first = _first_selector(node)
        matchers = ", ".join(
            f'{label}{operator}"{value}"' for label, operator, value in _matchers(first) if label not in ("age", "zone")
        )
        expected = self.calendar.days(f"{first.name}{{{matchers}}}" if matchers else f"{first.name}", by)
        if str(ast.parse(expected)) != str(node):
            self.fault("days merged in another way than <<days SELECTOR>> writes")
        daily = (each for each in inside if isinstance(each, ast.SubqueryExpr))
        if not any(each.step == timedelta(days=1) for each in daily):
            self.fault("days read without a subquery of steps of one day, which takes each of them once")
        branches = self._selector(first, inside, merged=True)
        if by is None:
            return [_changed(labels, drop={"age"}) for labels in branches]
        grouped = list(filter(None, by.split(", ")))
        self._carried(grouped, branches, "<<days by")
        return [frozenset(grouped)] if branches else []

    def _binary(self, node: ast.BinaryExpr, inside: tuple[ast.Expr, ...]) -> list[Labels]:
        operator, modifier = str(node.op), node.modifier
        left, right = self.visit(node.lhs, inside), self.visit(node.rhs, inside)
        matching_labels = modifier.matching if modifier else None
        on = bool(matching_labels and matching_labels.type == ast.LabelModifierType.Include)
        if matching_labels and on:
            for side in (left, right):
                self._carried(matching_labels.labels, side, "on")
        if operator == "or":
            return [*left, *right]
        if operator in ("and", "unless") or not right:
            return left
        if not left:
            return right
        if modifier and modifier.card == ast.VectorMatchCardinality.OneToMany:
            left, right = right, left
        extra = set(modifier.group_labels or []) if modifier else set()
        self._carried(extra, right, "group_left")
        many = modifier and modifier.card != ast.VectorMatchCardinality.OneToOne
        if matching_labels and not many:
            if on:
                return [frozenset(matching_labels.labels)]
            return [_changed(labels, drop=set(matching_labels.labels)) for labels in left]
        return [_changed(labels, add=extra) for labels in left]

    def _selector(self, node: ast.VectorSelector, above: Sequence[ast.Expr], merged: bool = False) -> list[Labels]:
        matchers = _matchers(node)
        found = self._named(node.name, matchers)
        for series in found:
            self.found.read.add(series)
            self._matchers(series, [each for each in matchers if each[0] != "__name__"])
            one_day = any(label == "age" and operator == "=" for label, operator, _ in matchers)
            self._shape(series, above, merged=merged, one_day=one_day)
        return [series.labels for series in found]

    def _named(self, name: str | None, matchers: Iterable[tuple[str, str, str]]) -> list[Series]:
        if name is None:
            asked = [(operator, value) for label, operator, value in matchers if label == "__name__"]
            names = set(self.series) if asked else set()
            for operator, value in asked:
                names &= matching(operator, value, self.series)
            if not names:
                self.fault(
                    f"no known metric matches {' '.join(value for _, value in asked) or 'a selector of no name'}"
                )
            return [self.series[each] for each in sorted(names)]
        if name not in self.series:
            self.fault(f"unknown metric {name}{nearest(name, self.series)}")
            return []
        return [self.series[name]]

    def _matchers(self, series: Series, matchers: Iterable[tuple[str, str, str]]) -> None:
        for label, operator, value in matchers:
            if series.labels is None or (series.kind == EXACT and label == PER):
                continue
            if label not in series.labels:
                self.fault(f"{series.name} never carries the label {label}{nearest(label, series.labels)}")
                continue
            closed = series.closed.get(label)
            unknown = [each for each in spelled_out(operator, value) if closed and each not in closed]
            for each in unknown:
                self.fault(f"{label} of {series.name} is never {each}{nearest(each, closed or ())}")
            if closed and not unknown:
                through = matching(operator, value, closed)
                if not through:
                    self.fault(f"no value of {label} of {series.name} matches {value}")
                if label == "job" and through != set(closed):
                    self.fault(f"only {', '.join(sorted(through))}: the service names are {', '.join(closed)}")
            if needs_it(operator, value):
                self.found.used.add(label)

    def _shape(self, series: Series, above: Sequence[ast.Expr], *, merged: bool, one_day: bool) -> None:
        calls = [each.func.name for each in above if isinstance(each, ast.Call)]
        direct = [each for each in above if not isinstance(each, ast.ParenExpr)]
        ranged = bool(direct) and isinstance(direct[-1], ast.MatrixSelector)
        over = direct[-2] if ranged else direct[-1] if direct else None
        reader = over.func.name if isinstance(over, ast.Call) else ""
        if series.kind in (EXACT, DAYS, RECORDED):
            for name in sorted(MOVEMENT & set(calls)):
                self.fault(f"{name} over {series.name}, whose samples are sums and no counter")
        if series.kind == EXACT:
            if not ranged and reader != "timestamp":
                self.fault(f"{series.name} read at an instant: only sum_over_time gives a total")
            elif ranged and reader not in TOTALS | PRESENCE | MOVEMENT:
                self.fault(f"{reader} over {series.name}, whose samples are parts of a sum")
        newest = self.newest and one_day and reader == "last_over_time"
        if series.kind == DAYS and not (merged or newest or reader in PRESENCE):
            self.fault(f"{series.name} read outside of the chain that <<days SELECTOR>> writes")
        if series.kind == STACK and series.type == "gauge" and reader in OF_COUNTERS:
            self.fault(f"{reader} over {series.name}, which is a gauge")
        if series.kind in (STACK, COUNTER) and series.type == "counter" and reader in OF_GAUGES:
            self.fault(f"{reader} over {series.name}, which is a counter")

    def _carried(self, wanted: Iterable[str], branches: Iterable[Labels], where: str) -> None:
        """Labels to group by or to match on must be there. In each kind of a client's series that comes in, as part of
        the whole would be missing; in one of the stack's own, as unlike counters are often added up."""
        known = [labels for labels in branches if labels is not None and not isinstance(labels, Constant)]
        for label in wanted:
            self.found.used.add(label)
            lacking = [labels for labels in known if label not in labels]
            if lacking and (len(lacking) == len(known) or any(each.kind != STACK for each in self.found.read)):
                self.fault(f"{where} {label}, which is not there{nearest(label, lacking[0])}")


def _changed(labels: Labels, *, add: Iterable[str] = (), drop: Iterable[str] = ()) -> Labels:
    return None if labels is None else labels.difference(drop).union(add)


def _merges_ages(node: ast.AggregateExpr) -> bool:
    below: Any = node.expr
    while hasattr(below, "lhs") or isinstance(below, ast.ParenExpr):
        below = below.lhs if hasattr(below, "lhs") else below.expr
    return isinstance(below, ast.AggregateExpr) and below.modifier is not None and "age" in below.modifier.labels


def _first_selector(node: Any) -> ast.VectorSelector:
    while not isinstance(node, ast.VectorSelector):
        if isinstance(node, ast.Call):
            node = node.args[-1]
        else:
            below = ("vector_selector", "lhs", "expr")
            node = next(getattr(node, name) for name in below if hasattr(node, name))
    return node


def _matchers(node: ast.VectorSelector) -> list[tuple[str, str, str]]:
    groups = (node.matchers.matchers, *node.matchers.or_matchers)
    return [
        (each.name, next(text for operator, text in OPERATORS if operator == each.op), each.value)
        for group in groups
        for each in group
    ]
