# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the query of a panel must answer, worked out from the ledger instead of a store.

Only the question is read from the query: which entries, which window, summed by what. A window of whole days holds the
days that begin in it, an ordinary one whatever has its time in it.
"""

from __future__ import annotations

import json
import math
import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import timedelta

import promql_parser as ast

from plugins.module_utils._rollups import DAY, TABLE, Calendar
from tests.replay.traffic import Entry, Labels, Ledger

DAYS = {name: rollup.series for rollup in TABLE for name in (rollup.by_developer, rollup.by_team)}
EVENTS = "events"
UNWRAP = "__unwrap"
Vector = dict[Labels, float]
Value = Vector | float
Item = tuple[int, Labels, float]

LOG_RANGE = re.compile(r"(?P<selector>\{[^{}]*\}(?:[^\[\]`]|`[^`]*`)*?)\s*\[(?P<window>[^\]]+)\]")
LOG_FILTER = re.compile(r'(?P<name>\w+)\s*(?P<operator>=~|!~|!=|=)\s*"(?P<value>(?:[^"\\]|\\.)*)"')
MACRO = re.compile(r"<<days (?:by \(([^)]*)\) )?(.+?)>>")


class NotATotal(Exception):
    """The query asks for something else than a total of what was sent, and what that is."""


@dataclass(frozen=True)
class Moment:
    """When a query is asked. at: milliseconds."""

    at: int
    calendar: Calendar

    def before(self, offset: timedelta | None) -> Moment:
        return replace(self, at=self.at - milliseconds(offset))

    def midnight_from(self, at: int) -> int:
        """The first midnight at or after a time."""
        day, east = 1000 * DAY, 1000 * self.calendar.utc_offset
        return -((at + east) // -day) * day - east


def milliseconds(duration: timedelta | None) -> int:
    return round(duration.total_seconds() * 1000) if duration else 0


class Oracle:
    """Answers from the ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self._entries: dict[str, list[Entry]] = defaultdict(list)
        for entry in ledger.entries:
            self._entries[entry.name or EVENTS].append(entry)
        self._found: dict[str, list[Item]] = {}

    def answer(self, query: str, language: str, at: float, calendar: Calendar) -> Value:
        """The vector or number an instant query must give. Raises NotATotal."""
        text = as_promql(query) if language == "loki" else MACRO.sub(_days_of, query).replace("<<midnight>>", "")
        try:
            tree = ast.parse(text)
        except ValueError as error:
            raise AssertionError(f"{error}: {text}") from error
        return self._visit(tree, Moment(round(at * 1000), calendar))

    def _visit(self, node: ast.Expr, moment: Moment) -> Value:
        if isinstance(node, ast.ParenExpr):
            return self._visit(node.expr, moment)
        if isinstance(node, ast.NumberLiteral):
            return float(node.val)
        if isinstance(node, ast.UnaryExpr):
            return _each(self._visit(node.expr, moment), lambda value: -value)
        if isinstance(node, ast.BinaryExpr):
            return _binary(node, self._visit(node.lhs, moment), self._visit(node.rhs, moment))
        if isinstance(node, ast.AggregateExpr):
            return _aggregate(node, _vector(self._visit(node.expr, moment)))
        if isinstance(node, ast.Call):
            return self._call(node, moment)
        raise NotATotal(type(node).__name__)

    def _call(self, node: ast.Call, moment: Moment) -> Value:
        name, first = node.func.name, node.args[0] if node.args else None
        if isinstance(first, ast.MatrixSelector):
            if name not in ("sum_over_time", "count_over_time"):
                raise NotATotal(name)
            moment = moment.before(first.vector_selector.offset)
            return self._total(first.vector_selector, milliseconds(first.range), moment, name == "count_over_time")
        if isinstance(first, ast.SubqueryExpr):
            inner = _bare(first.expr)
            if name == "last_over_time" and isinstance(inner, ast.Call):
                return self._call(inner, moment)
            if name == "sum_over_time" and first.step == timedelta(days=1):
                return self._days(inner, milliseconds(first.range), moment.before(first.offset))
            raise NotATotal(f"{name} over a subquery")
        if name == "label_replace":
            target, text, source, pattern = (each.val for each in node.args[1:])
            return _label_replace(_vector(self._visit(node.args[0], moment)), target, text, source, pattern)
        if name in ("sort", "sort_desc"):
            return self._visit(node.args[0], moment)
        if name == "vector":
            return {(): float(node.args[0].val)}
        if name in ("clamp_min", "clamp_max"):
            limit, pick = float(node.args[1].val), max if name == "clamp_min" else min
            return _each(self._visit(node.args[0], moment), lambda value: pick(value, limit))
        raise NotATotal(name)

    def _days(self, node: ast.Expr, window: int, moment: Moment) -> Vector:
        """Sums of days add up, so what is summed inside of a day may be summed over all of them at once."""
        node = _bare(node)
        if isinstance(node, ast.VectorSelector):
            return self._total(node, window, moment, False)
        if isinstance(node, ast.AggregateExpr) and str(node.op) == "sum":
            return _vector(_aggregate(node, self._days(node.expr, window, moment)))
        raise NotATotal(f"{type(node).__name__} of each day")

    def _total(self, node: ast.VectorSelector, window: int, moment: Moment, count: bool) -> Vector:
        if _series(node) not in self._entries:
            raise NotATotal(f"{node.name} is not sent by clients")
        found: dict[Labels, list[float]] = defaultdict(list)
        for _, labels, value in self._within(self._matching(str(node), node), node.name in DAYS, window, moment):
            found[labels].append(1.0 if count else value)
        return {labels: math.fsum(values) for labels, values in found.items()}

    @staticmethod
    def _within(items: list[Item], by_day: bool, window: int, moment: Moment) -> list[Item]:
        """The items of the window, or of the days that begin in it. A day holds its last moment and not its first."""
        first, last = moment.at - window, moment.at
        if by_day:
            first, last = moment.midnight_from(first), moment.midnight_from(last)
        return items[bisect_right(items, first, key=_at) : bisect_right(items, last, key=_at)]

    def _matching(self, key: str, node: ast.VectorSelector) -> list[Item]:
        """In the order of their times."""
        key = re.sub(r" offset \S+$", "", key)
        if key not in self._found:
            extra = {"per": "day"} if node.name in DAYS else {}
            tests = [(each.name, _test(each)) for each in node.matchers.matchers if each.name != UNWRAP]
            unwrap = next((each.value for each in node.matchers.matchers if each.name == UNWRAP), "")
            items = []
            for entry in self._entries[_series(node)]:
                labels = {**dict(entry.labels), **extra}
                if all(test(labels.get(label, "")) for label, test in tests) and (not unwrap or unwrap in labels):
                    value = float(labels[unwrap]) if unwrap else entry.value
                    items.append((entry.at, tuple(sorted(labels.items())), value))
            self._found[key] = sorted(items)
        return self._found[key]


def _days_of(macro: re.Match[str]) -> str:
    """The days the macro stands for, without how it merges what was recorded of them."""
    by, selector = macro.groups()
    return str(selector) if by is None else f"sum by ({by}) ({selector})"


def as_promql(query: str) -> str:
    """A LogQL query with its pipelines as matchers, which is all that ours use of it. Raises NotATotal."""
    if not LOG_RANGE.search(query):
        raise NotATotal("lines of the log")
    of_single_events = re.search(r"\b(quantile|avg|max|min|stddev)_over_time", query)
    if of_single_events:
        raise NotATotal(of_single_events[0])

    def selector(found: re.Match[str]) -> str:
        stream, *stages = re.split(r'\|(?!~|=)(?=(?:[^"]*"[^"]*")*[^"]*$)', found["selector"])
        matchers = [stream.strip().strip("{}")]
        for stage in map(str.strip, stages):
            if stage.startswith("unwrap "):
                matchers.append(f"{UNWRAP}={json.dumps(stage.removeprefix('unwrap ').strip())}")
            elif LOG_FILTER.fullmatch(stage):
                matchers.append(stage)
            elif not stage.startswith(("drop ", "keep ", "line_format")):
                raise NotATotal(f"the stage {stage}")
        return f"{EVENTS}{{{', '.join(filter(None, matchers))}}}[{found['window']}]"

    return LOG_RANGE.sub(selector, query)


def _series(node: ast.VectorSelector) -> str:
    name = node.name or ""
    return DAYS.get(name, name)


def _at(item: Item) -> int:
    return item[0]


def _test(matcher: ast.Matcher) -> Callable[[str], bool]:
    value = matcher.value
    if matcher.op == ast.MatchOp.Equal:
        return lambda text: text == value
    if matcher.op == ast.MatchOp.NotEqual:
        return lambda text: text != value
    pattern = re.compile(value)
    if matcher.op == ast.MatchOp.Re:
        return lambda text: bool(pattern.fullmatch(text))
    return lambda text: not pattern.fullmatch(text)


def _bare(node: ast.Expr) -> ast.Expr:
    while isinstance(node, ast.ParenExpr):
        node = node.expr
    return node


def _vector(value: Value) -> Vector:
    if isinstance(value, float):
        raise NotATotal("a number where a vector belongs")
    return value


def _each(value: Value, change: Callable[[float], float]) -> Value:
    if isinstance(value, float):
        return float(change(value))
    return {labels: float(change(number)) for labels, number in value.items()}


def _kept(labels: Labels, names: Iterable[str], without: bool = False) -> Labels:
    return tuple((name, value) for name, value in labels if (name in names) != without)


def _aggregate(node: ast.AggregateExpr, vector: Vector) -> Vector:
    operator, modifier = str(node.op), node.modifier
    names = set(modifier.labels) if modifier else set()
    without = modifier is not None and modifier.type == ast.AggModifierType.Without
    groups: dict[Labels, Vector] = defaultdict(dict)
    for labels, value in vector.items():
        groups[_kept(labels, names, without)][labels] = value
    if operator in ("topk", "bottomk"):
        best = {}
        for group in groups.values():
            order = sorted(group.items(), key=lambda item: item[1], reverse=operator == "topk")
            best.update(dict(order[: int(node.param.val if node.param else 0)]))
        return best
    reduce: dict[str, Callable[[Iterable[float]], float]] = {
        "sum": math.fsum,
        "count": lambda values: len(list(values)),
        "max": max,
        "min": min,
        "avg": lambda values: math.fsum(kept := list(values)) / len(kept),
        "group": lambda values: 1.0,
    }
    if operator not in reduce:
        raise NotATotal(operator)
    return {labels: float(reduce[operator](group.values())) for labels, group in groups.items()}


def _binary(node: ast.BinaryExpr, left: Value, right: Value) -> Value:
    operator, modifier = str(node.op), node.modifier
    apply = ARITHMETIC.get(operator) or COMPARISONS.get(operator)
    as_number = bool(modifier and modifier.return_bool)
    if isinstance(left, float) and isinstance(right, float):
        return float(apply(left, right)) if apply else left
    matching = modifier.matching if modifier else None
    on = bool(matching and matching.type == ast.LabelModifierType.Include)
    names = set(matching.labels) if matching else set()

    def key(labels: Labels) -> Labels:
        return _kept(labels, names, without=not on)

    if operator in ("or", "and", "unless"):
        lefts, rights = _vector(left), _vector(right)
        sides = {key(labels) for labels in (lefts if operator == "or" else rights)}
        if operator == "or":
            return {**lefts, **{labels: value for labels, value in rights.items() if key(labels) not in sides}}
        return {labels: value for labels, value in lefts.items() if (key(labels) in sides) == (operator == "and")}
    if apply is None:
        raise NotATotal(operator)
    pairs: list[tuple[Labels, float, float, float]]
    if isinstance(left, float):
        pairs = [(labels, value, left, value) for labels, value in _vector(right).items()]
    elif isinstance(right, float):
        pairs = [(labels, value, value, right) for labels, value in left.items()]
    else:
        many_right = modifier is not None and modifier.card == ast.VectorMatchCardinality.OneToMany
        one_sided = modifier is None or modifier.card == ast.VectorMatchCardinality.OneToOne
        many, one = (right, left) if many_right else (left, right)
        partners = {key(labels): value for labels, value in one.items()}
        pairs = []
        for labels, value in many.items():
            if key(labels) in partners:
                partner = partners[key(labels)]
                result = key(labels) if one_sided and operator in ARITHMETIC else labels
                pairs.append((result, value, *((partner, value) if many_right else (value, partner))))
    if operator in COMPARISONS and not as_number:
        return {labels: value for labels, value, first, second in pairs if apply(first, second)}
    return {labels: float(apply(first, second)) for labels, _, first, second in pairs}


def _divide(first: float, second: float) -> float:
    if second:
        return first / second
    return math.nan if first == 0 or math.isnan(first) else math.copysign(math.inf, first)


ARITHMETIC: dict[str, Callable[[float, float], float]] = {
    "+": lambda first, second: first + second,
    "-": lambda first, second: first - second,
    "*": lambda first, second: first * second,
    "/": _divide,
}
COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "==": lambda first, second: first == second,
    "!=": lambda first, second: first != second,
    ">": lambda first, second: first > second,
    "<": lambda first, second: first < second,
    ">=": lambda first, second: first >= second,
    "<=": lambda first, second: first <= second,
}


def _label_replace(vector: Vector, target: str, text: str, source: str, pattern: str) -> Vector:
    changed = {}
    for labels, value in vector.items():
        known = dict(labels)
        found = re.fullmatch(pattern, known.get(source, ""))
        if found:
            known[target] = found.expand(re.sub(r"\$\{?(\w+)\}?", r"\\g<\1>", text))
        changed[tuple(sorted((name, each) for name, each in known.items() if each))] = value
    return changed
