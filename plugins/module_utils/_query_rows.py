# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Prometheus and Loki answer, as rows."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.claude_code.observability.plugins.module_utils._query_time import iso
from ansible_collections.claude_code.observability.plugins.module_utils._table import lines

Row = dict[str, Any]


def number(text: str) -> int | float | str:
    """The value as a number, a whole one without a fraction. JSON has no NaN and no infinity: they stay text."""
    if re.fullmatch(r"-?\d+", text):
        return int(text)
    value = float(text)
    return value if value - value == 0 else text


def of_answer(data: Mapping[str, Any]) -> list[Row]:
    """One row for each value or log line: its labels, its time, and `value` or `line`."""
    result = data["result"]
    if data["resultType"] in ("scalar", "string"):
        return [_row({}, *result)]
    if data["resultType"] == "streams":
        return [
            {"labels": stream["stream"], "time": iso(int(nanoseconds) / 1e9), "line": line}
            for stream in result
            for nanoseconds, line, *_rest in stream["values"]
        ]
    rows = []
    for series in result:
        points = [series["value"]] if "value" in series else series.get("values", [])
        rows += [_row(series["metric"], *point) for point in points]
    return rows


def _row(labels: Mapping[str, str], seconds: float, text: str) -> Row:
    return {"labels": dict(labels), "time": iso(seconds), "value": number(text)}


def cell(value: Any) -> str:
    """A value for people: no more digits than say something."""
    if not isinstance(value, float):
        return str(value)
    return f"{value:.6f}".rstrip("0").rstrip(".") if 1e-4 <= abs(value) < 1e15 else f"{value:.6g}"


def table(rows: Sequence[Row], labels: Sequence[str], times: bool) -> list[str]:
    """The rows as lines for people: labels, then the time if it differs from row to row, then value or line."""
    last = "line" if any("line" in row for row in rows) else "value"
    names = list(labels) or sorted({name for row in rows for name in row["labels"]})
    shown = [{**row["labels"], "time": row["time"], last: cell(row[last])} for row in rows]
    return lines(shown, [*names, *(["time"] if times else []), last])
