# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sends what the client's documentation names and no recording has, and a clock that is wrong, so that the panels about
them show something.

    python -m tests.tools.documented --http http://127.0.0.1:4318 --prometheus URL --loki URL

The shape of these events is the documentation's word, not the client's: nothing that counts totals relies on them.
"""

from __future__ import annotations

import argparse
import itertools
import re
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from tests.tools.ledger import ask
from tests.tools.otlp import HttpSender, Sender
from tests.tools.wire import SENT

VOCABULARY = Path(__file__).parents[2] / "dashboards" / "vocabulary.yml"
RESOURCE = {"service.name": "claude-code-desktop", "service.version": "2.1.330", "team": "documented"}
MILLISECOND = 1_000_000
# Of attributes whose values the vocabulary does not list.
YES_NO = re.compile(r"success|is_.*|has_.*|managed_only|safe_mode|marketplace_is_official|.*_truncated|model_swapped")
NUMBER = re.compile(
    r"num_.*|attempt|.*_(ms|tokens|chars|length|count|bytes|uses|persisted|attempts|deleted|pruned|days)"
)
# Requests of a skill, of a plugin's agent, and of an MCP tool, in metrics and events alike.
ORIGINS = (
    {"skill.name": "review", "query_source": "main"},
    {"agent.name": "reviewer", "query_source": "subagent"},
    {"mcp_server.name": "tracker", "mcp_tool.name": "search", "query_source": "main"},
)
MODEL, INPUT_TOKENS, COST_USD = "claude-opus-4-8", 100, 0.25


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    for name in ("http", "prometheus", "loki"):
        parser.add_argument(f"--{name}", required=True, metavar="URL")
    options = parser.parse_args()
    send(HttpSender(options.http), options.prometheus, options.loki)
    return 0


def send(sender: Sender, prometheus: str, loki: str) -> None:
    """Everything, as one session of now, until the stores have it. Raises Refused, StoreError, TimeoutError."""
    session = {"session.id": str(uuid.uuid4()), "user.id": "documented"}
    now = time.time_ns()
    sender.send("metrics", _request("Metrics", "metrics", "", list(_metrics(session, now))))
    records = [_record({**session, **each}, now + index * MILLISECOND) for index, each in enumerate(events())]
    # Of a clock two hours ahead.
    records.append(_record({**session, "event.name": "at_mention"}, now + 2 * 3_600_000 * MILLISECOND))
    sender.send("logs", _request("Logs", "logRecords", ".events", records))
    chosen = session["session.id"]
    _wait(
        prometheus,
        "/api/v1/query",
        f'sum(count_over_time(claude_code_pull_request_count{{session_id="{chosen}"}}[1h]))',
        1,
    )
    counted = f'sum(count_over_time({{service_name=~".+"}} | session_id="{chosen}" [4h]))'
    _wait(loki, "/loki/api/v1/query", counted, len(records))


def _wait(store: str, path: str, query: str, expected: int, timeout: float = 60) -> None:
    until = time.monotonic() + timeout
    while True:
        found = [float(series["value"][1]) for series in ask(store, path, query=query)]
        if found == [expected]:
            return
        if time.monotonic() > until:
            raise TimeoutError(f"{query} is {found} after {timeout:g} s, not {expected}")
        time.sleep(0.5)


def events() -> Iterator[dict[str, str]]:
    """The attributes of each event. Every value of a closed set occurs, with success and without."""
    vocabulary = yaml.safe_load(VOCABULARY.read_text(encoding="utf-8"))["events"]
    for name, attributes in vocabulary.items():
        if name == "api_request":
            continue
        variants = max([1, *(len(values) for values in attributes.values())])
        for index, yes in itertools.product(range(variants), ("true", "false")):
            yield {
                "event.name": name,
                **{each: _value(each, closed, index, yes) for each, closed in attributes.items()},
            }
    for origin in ORIGINS:
        used = {"input_tokens": INPUT_TOKENS, "cost_usd": COST_USD, "duration_ms": 900, "ttft_ms": 300}
        yield {
            "event.name": "api_request",
            "model": MODEL,
            **{name: str(value) for name, value in used.items()},
            **origin,
        }
    for success in ("true", "false"):
        yield {
            "event.name": "tool_result",
            "tool_name": "mcp__tracker__search",
            "success": success,
            "duration_ms": "40",
        }


def _value(name: str, closed: list[str], index: int, yes: str) -> str:
    if closed:
        return closed[index % len(closed)]
    if YES_NO.fullmatch(name):
        return yes
    return str(10 + index) if NUMBER.fullmatch(name) else f"example {index}"


def _metrics(session: dict[str, str], now: int) -> Iterator[dict[str, Any]]:
    for origin in ORIGINS:
        attributes = {**session, "model": MODEL, **origin}
        yield _sum("claude_code.token.usage", "tokens", {**attributes, "type": "input"}, INPUT_TOKENS, now)
        yield _sum("claude_code.cost.usage", "USD", attributes, COST_USD, now)
    yield _sum("claude_code.session.count", "", {**session, "start_type": "fresh"}, 1, now)
    yield _sum("claude_code.pull_request.count", "", session, 1, now)
    edit = {"tool_name": "NotebookEdit", "decision": "reject", "source": "user_reject", "language": "Python"}
    yield _sum("claude_code.code_edit_tool.decision", "", {**session, **edit}, 1, now)


def _sum(name: str, unit: str, attributes: dict[str, str], value: float, now: int) -> dict[str, Any]:
    point = _timed(attributes, now) | {"startTimeUnixNano": str(now - 10_000 * MILLISECOND), "asDouble": value}
    delta = {"aggregationTemporality": "AGGREGATION_TEMPORALITY_DELTA", "isMonotonic": True, "dataPoints": [point]}
    return {"name": name, "unit": unit, "sum": delta}


def _record(attributes: dict[str, str], time_ns: int) -> dict[str, Any]:
    body = {"stringValue": f"claude_code.{attributes['event.name']}"}
    return {**_timed(attributes, time_ns), "body": body}


def _timed(attributes: dict[str, str], time_ns: int) -> dict[str, Any]:
    return {"timeUnixNano": str(time_ns), "attributes": _attributes(attributes)}


def _request(signal: str, records: str, scope: str, found: list[dict[str, Any]]) -> dict[str, Any]:
    scoped = {"scope": {"name": f"com.anthropic.claude_code{scope}"}, records: found}
    resource = {"attributes": _attributes(RESOURCE)}
    return {f"resource{signal}": [{"resource": resource, f"scope{signal}": [scoped]}]}


def _attributes(values: dict[str, str]) -> list[dict[str, Any]]:
    return [{"key": SENT.get(key, key), "value": {"stringValue": value}} for key, value in values.items()]


if __name__ == "__main__":
    sys.exit(main())
