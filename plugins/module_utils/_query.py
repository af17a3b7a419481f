# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The queries behind prometheus_query, loki_query and the lookups: options in, rows out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from ansible_collections.claude_code.observability.plugins.module_utils._query_http import QueryError, Store
from ansible_collections.claude_code.observability.plugins.module_utils._query_rows import Row, of_answer, table
from ansible_collections.claude_code.observability.plugins.module_utils._query_time import (
    duration,
    iso,
    moment,
    prometheus_duration,
)
from ansible_collections.claude_code.observability.plugins.module_utils._rollups import (
    TABLE,
    Calendar,
)
from ansible_collections.claude_code.observability.plugins.module_utils._totals import (
    SAMPLES_UP_TO,
    Question,
    Total,
    from_days,
    from_samples,
    recorded_calendar,
)

STORE_SPEC: dict[str, dict[str, Any]] = {
    "username": {"type": "str"},
    "password": {"type": "str", "no_log": True},
    "token": {"type": "str", "no_log": True},
    "headers": {"type": "dict", "no_log": True},
    "ca_path": {"type": "path"},
    "client_cert": {"type": "path"},
    "client_key": {"type": "path"},
    "validate_certs": {"type": "bool", "default": True},
    "use_proxy": {"type": "bool", "default": True},
    "timeout": {"type": "int", "default": 30},
}
TIME_SPEC: dict[str, dict[str, Any]] = {
    "start": {"type": "str"},
    "end": {"type": "str", "default": "now"},
    "range": {"type": "str"},
    "step": {"type": "str"},
}
FORMAT_SPEC: dict[str, dict[str, Any]] = {"format": {"type": "str", "choices": ["rows", "table"], "default": "rows"}}
PROMETHEUS_SPEC: dict[str, dict[str, Any]] = {
    "query": {"type": "str"},
    "total": {"type": "str", "choices": [rollup.name for rollup in TABLE]},
    "by": {"type": "list", "elements": "str", "default": []},
    "where": {"type": "dict", "default": {}},
    "source": {"type": "str", "choices": ["auto", "samples", "days"], "default": "auto"},
    "late_max": {"type": "str", "default": "72h"},
    "utc_offset": {"type": "str", "default": ""},
    "limit": {"type": "int", "default": 10000},
    **TIME_SPEC,
    **STORE_SPEC,
}
LOKI_SPEC: dict[str, dict[str, Any]] = {
    "query": {"type": "str", "required": True},
    "limit": {"type": "int", "default": 100},
    "direction": {"type": "str", "choices": ["backward", "forward"], "default": "backward"},
    **TIME_SPEC,
    **STORE_SPEC,
}


def prometheus(options: Mapping[str, Any], now: float) -> dict[str, Any]:
    """What Prometheus answers, as the module returns it. Raises QueryError."""
    store = _store("prometheus", options)
    try:
        return _total(store, options, now) if options["total"] else _own_query(store, options, now)
    except ValueError as error:
        raise QueryError(str(error)) from error


def loki(options: Mapping[str, Any], now: float) -> dict[str, Any]:
    """What Loki answers, as the module returns it. Raises QueryError."""
    store = _store("loki", options)
    parameters = {"limit": str(options["limit"]), "direction": options["direction"]}
    try:
        question = _times(options["query"], options, now)
    except ValueError as error:
        raise QueryError(str(error)) from error
    data, warnings = _ask(store, "/loki/api/v1", question, parameters, scale=1_000_000_000)
    if data["resultType"] == "streams":
        rows = of_answer(data)
        rows.sort(key=lambda row: str(row["time"]), reverse=options["direction"] == "backward")
        if len(rows) >= options["limit"]:
            warnings.append(f"There may be more lines than these {len(rows)}; limit is {options['limit']}.")
        return _answer(options, question, data, rows, warnings)
    return _answer(options, question, data, of_answer(data), warnings)


def _store(kind: str, options: Mapping[str, Any]) -> Store:
    names = {field.name for field in fields(Store)}
    return Store(kind=kind, **{name: value for name, value in options.items() if name in names})


def _own_query(store: Store, options: Mapping[str, Any], now: float) -> dict[str, Any]:
    question = _times(options["query"], options, now)
    if question.start is not None and question.step is None:
        raise ValueError("step is missing: with range or start the query is asked for each step, such as 5m or 1h.")
    data, warnings = _ask_prometheus(store, question, options)
    return _answer(options, question, data, of_answer(data), warnings)


def _total(store: Store, options: Mapping[str, Any], now: float) -> dict[str, Any]:
    """Writes the expression of a total, asks for it and says what it is summed over."""
    total = Total.of(options["total"], options["by"], options["where"])
    source = options["source"]
    if source == "days" and total.missing:
        raise ValueError(f"The sums of whole days keep no {', '.join(total.missing)}; leave source out.")
    length = duration("range", options["range"]) if options["range"] else None
    calendar = None
    if options["utc_offset"]:
        calendar = Calendar.of(options["late_max"], options["utc_offset"])
    elif source == "days" or (source == "auto" and (length is None or length > SAMPLES_UP_TO)):
        calendar = _recorded(store)
    east = calendar.utc_offset if calendar else 0
    end = moment("end", options["end"], now, east)
    if length is None:
        if not options["start"]:
            raise ValueError("range is missing, such as 30d; start and end name a time of their own.")
        length = end - moment("start", options["start"], now, east)
    if length <= 0:
        raise ValueError(f"start is not before end, which is {iso(end, east)}.")
    step = duration("step", options["step"]) if options["step"] else None
    if source == "auto":
        source = "samples" if length <= SAMPLES_UP_TO or total.missing else "days"
    if source == "samples":
        question = from_samples(total, end - length, end, step, now)
    elif calendar is None:
        raise ValueError(
            f"{store.name} has no rules that record whole days. source: samples does without them; "
            "with utc_offset and late_max they are taken to be recorded that way."
        )
    else:
        question = from_days(total, calendar, end - length, end, step, now)
    data, warnings = _ask_prometheus(store, question, options)
    rows = of_answer(data)
    for row in rows:
        at = question.last if step is None else moment("time", row["time"], now) - question.shift
        row["time"] = iso(at, east)
    if step is None:
        rows.sort(key=lambda row: -float(row["value"]))
    for label in total.by:
        if rows and not any(row["labels"].get(label) for row in rows):
            warnings.append(f"by names {label!r}, a label that none of the series has.")
    return {**_answer(options, question, data, rows, warnings), "summed": question.summed(east)}


def _recorded(store: Store) -> Calendar | None:
    answer = store.get("/api/v1/rules", {"type": "record"})
    groups: Sequence[Mapping[str, Any]] = answer["data"].get("groups", [])
    return recorded_calendar([rule for group in groups for rule in group["rules"]])


def _times(query: str, options: Mapping[str, Any], now: float) -> Question:
    """A query of one's own: at `end`, or from `start`, or from `range` before `end`, to `end`."""
    end = moment("end", options["end"], now)
    start = moment("start", options["start"], now) if options["start"] else None
    if options["range"]:
        start = end - duration("range", options["range"])
    step = duration("step", options["step"]) if options["step"] else None
    if step is not None and start is None:
        raise ValueError("step needs a range, such as 1h, or a start.")
    if start is not None and start >= end:
        raise ValueError(f"start is {iso(start)}, which is not before end, {iso(end)}.")
    return Question(query, end, start, step)


def _ask_prometheus(store: Store, question: Question, options: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """A sum that leaves series out would be a wrong one, so more than `limit` of them are an error."""
    parameters = {"limit": str(options["limit"] + 1), "timeout": f"{store.timeout}s"}
    data, warnings = _ask(store, "/api/v1", question, parameters, scale=1)
    if data["resultType"] in ("vector", "matrix") and len(data["result"]) > options["limit"]:
        raise QueryError(
            f"{store.name} answers with more than {options['limit']} series; sum by fewer labels, or raise limit."
        )
    return data, warnings


def _ask(
    store: Store, base: str, question: Question, parameters: Mapping[str, str], scale: int
) -> tuple[dict[str, Any], list[str]]:
    """The data of the answer without the store's statistics, and its warnings. Loki counts in nanoseconds."""
    asked = {"query": question.query, **parameters}
    if question.start is None:
        answer = store.post(f"{base}/query", {**asked, "time": _time(question.end, scale)})
    else:
        asked.update(start=_time(question.start, scale), end=_time(question.end, scale))
        if question.step is not None:
            asked["step"] = prometheus_duration(question.step)
        answer = store.post(f"{base}/query_range", asked)
    data = answer["data"]
    return {name: data[name] for name in ("resultType", "result")}, [str(text) for text in answer.get("warnings", [])]


def _time(seconds: float, scale: int) -> str:
    return f"{seconds:.3f}" if scale == 1 else str(round(seconds * 1000) * (scale // 1000))


def _answer(
    options: Mapping[str, Any],
    question: Question,
    data: dict[str, Any],
    rows: list[Row],
    warnings: list[str],
) -> dict[str, Any]:
    answer = {"query": question.query, "rows": rows, "raw": data, "warnings": warnings}
    if options.get("format") == "table":
        answer["table"] = table(rows, options.get("by") or [], times=question.start is not None)
    return answer
