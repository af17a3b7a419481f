# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which metrics, labels, events and functions a query uses. Enough of PromQL and LogQL for our own queries."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

TEXT = re.compile(r'"(?:[^"\\]|\\.)*"|`[^`]*`')
TEMPLATE_FIELD = re.compile(r"(?<![\w.])\.([A-Za-z_]\w*)")
MATCHER = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)\s*(\"[^\"]*\")")
GROUPING = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right|keep|drop)\s*\(([^()]*)\)")
CALL = re.compile(r"\b([a-z_]+)\s*(?=\()")
UNWRAP = re.compile(r"\bunwrap\s+(\w+)")
WORDS = {"by", "without", "on", "ignoring", "or", "and", "unless", "bool", "offset"}


@dataclass
class Names:
    """What a query mentions. A label's values are those of its matchers, with alternatives apart."""

    metrics: set[str] = field(default_factory=set)
    labels: set[str] = field(default_factory=set)
    values: set[tuple[str, str]] = field(default_factory=set)
    functions: set[str] = field(default_factory=set)


def of_query(query: str) -> Names:
    found = Names()
    for label, quoted in MATCHER.findall(query):
        found.labels.add(label)
        found.values |= {(label, value) for value in quoted.strip('"').split("|")}
    for text in TEXT.findall(query):
        if text.startswith("`"):
            found.labels |= set(TEMPLATE_FIELD.findall(text))
    rest = MATCHER.sub(" ", query)
    rest = TEXT.sub(" ", rest)
    for grouped in GROUPING.findall(rest):
        found.labels |= {name.strip() for name in grouped.split(",") if name.strip()}
    rest = GROUPING.sub(" ", rest)
    found.labels |= set(UNWRAP.findall(rest))
    rest = UNWRAP.sub(" ", rest)
    found.functions = set(CALL.findall(rest)) - WORDS
    rest = re.sub(r"\$\w+|\[[^]]*\]|\b\d\w*", " ", rest)
    found.metrics = {
        word for word in re.findall(r"[A-Za-z_]\w*", rest) if word not in WORDS | found.functions | {"line_format"}
    }
    return found
