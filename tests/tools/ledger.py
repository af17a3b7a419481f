# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks Prometheus and Loki for totals per session, exactly as the product's panels define them, and compares ledgers.

A ledger is a plain dict from a row name to an integer. Rows are named after what both stores must agree on:

    tokens input|output|cacheRead|cacheCreation     tokens
    cost                                            nano-dollars: one token costs a fraction of a micro-dollar
    sessions                                        distinct session ids
    starts                                          process starts: session_count, managed_settings_resolved
    event <name>                                    number of events            (Loki)
    metric <name> [type]                            sum of a metric, in thousandths where it is seconds (Prometheus)
"""

from __future__ import annotations

import json
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from dashboards.queries import ACTIVE_TIME, COMMITS, COST, EDIT_DECISIONS, EVENTS, LINES, SESSIONS, TOKENS

Ledger = dict[str, int]

TOKEN_FIELDS = {
    "input": "input_tokens",
    "output": "output_tokens",
    "cacheRead": "cache_read_tokens",
    "cacheCreation": "cache_creation_tokens",
}
NANO = 1_000_000_000
# Series of the exact path by the client's name of the metric, and the factor that makes an integer of their sum.
METRICS = {
    "claude_code.active_time.total": (ACTIVE_TIME, 1000),
    "claude_code.lines_of_code.count": (LINES, 1),
    "claude_code.commit.count": (COMMITS, 1),
    "claude_code.code_edit_tool.decision": (EDIT_DECISIONS, 1),
}
# The counters that are scraped from the collector: where cumulative input belongs.
COUNTERS = {
    "claude_code.token.usage": ("claude_code_token_usage_tokens_total", 1),
    "claude_code.cost.usage": ("claude_code_cost_usage_USD_total", NANO),
    "claude_code.session.count": ("claude_code_session_count_total", 1),
}

# Equal to the micro-dollar: known totals are rounded to it, so half of one is the most an equal sum can be off.
COST_SLACK = 500


class StoreError(Exception):
    """A store answered with an error or not at all."""


@dataclass(frozen=True)
class Store:
    """Where a store answers, and what it asks for: a certificate of the stack's, a tenant."""

    url: str
    tls: ssl.SSLContext | None = None
    headers: tuple[tuple[str, str], ...] = ()


def ask(base: str | Store, path: str, **parameters: str) -> list[dict[str, Any]]:
    """The result vector of an instant query. Raises StoreError."""
    store = Store(base) if isinstance(base, str) else base
    url = f"{store.url.rstrip('/')}{path}"
    body = urllib.parse.urlencode(parameters).encode()
    handlers = (urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=store.tls))
    opener = urllib.request.build_opener(*handlers)
    try:
        with opener.open(urllib.request.Request(url, body, dict(store.headers)), timeout=30) as answer:
            result: list[dict[str, Any]] = json.load(answer)["data"]["result"]
            return result
    except urllib.error.HTTPError as error:
        reason = error.read(500).decode(errors="replace")
        raise StoreError(f"{url}: {error.code} {reason}: {parameters['query']}") from error
    except OSError as error:
        raise StoreError(f"{url}: {error}") from error


def seconds(first: float, now: float) -> str:
    """A range that reaches from `now` back past `first`."""
    return f"{int(now - first) + 60}s"


def nanoseconds(at: float) -> str:
    """That moment as Loki reads it. Exact for whole microseconds, which a float in nanoseconds is not."""
    return str(round(at * 1e6) * 1000)


def alternatives(sessions: Iterable[str]) -> str:
    return "|".join(sorted(sessions))


class Prometheus:
    """Totals of the exact path: sum_over_time over delta samples."""

    def __init__(self, store: str | Store) -> None:
        self._store = store

    def query(self, expression: str, at: float | None = None) -> list[dict[str, Any]]:
        return ask(self._store, "/api/v1/query", query=expression, time=str(time.time() if at is None else at))

    def ledgers(self, sessions: Iterable[str], first: float) -> dict[str, Ledger]:
        """One ledger per session that has samples since `first` (unix seconds)."""
        now = time.time()
        wanted = alternatives(sessions)
        ledgers: dict[str, Ledger] = {}

        def add(row: str, metric: str, by: str = "session_id", factor: int = 1) -> None:
            selector = f'{metric}{{session_id=~"{wanted}"}}[{seconds(first, now)}]'
            for item in self.query(f"sum by ({by}) (sum_over_time({selector}))", now):
                labels = item["metric"]
                name = f"{row} {labels.get('type', '')}".rstrip()
                ledgers.setdefault(labels["session_id"], {})[name] = round(float(item["value"][1]) * factor)

        add("tokens", TOKENS, "session_id, type")
        add("cost", COST, factor=NANO)
        add("starts", SESSIONS)
        for name, (metric, factor) in METRICS.items():
            add(f"metric {name}", metric, "session_id, type", factor)
        for ledger in ledgers.values():
            ledger["sessions"] = 1
        return ledgers

    def counters(self, session: str, first: float) -> Ledger:
        """The newest values of the scraped counters of a session."""
        now = time.time()
        ledger: Ledger = {}
        for name, (metric, factor) in COUNTERS.items():
            selector = f'{metric}{{session_id="{session}"}}[{seconds(first, now)}]'
            for item in self.query(f"sum by (type) (last_over_time({selector}))", now):
                row = f"counter {name} {item['metric'].get('type', '')}".rstrip()
                ledger[row] = round(float(item["value"][1]) * factor)
        return ledger


class Loki:
    """Totals of the events."""

    def __init__(self, store: str | Store) -> None:
        self._store = store

    def query(self, expression: str, at: float | None = None) -> list[dict[str, Any]]:
        moment = nanoseconds(time.time() if at is None else at)
        return ask(self._store, "/loki/api/v1/query", query=expression, time=moment)

    def ledgers(self, sessions: Iterable[str], first: float) -> dict[str, Ledger]:
        """One ledger per session that has events since `first` (unix seconds)."""
        now = time.time()
        wanted = alternatives(sessions)
        span = seconds(first, now)
        ledgers: dict[str, Ledger] = {}
        mine = f'{EVENTS} | session_id=~"{wanted}"'
        for item in self.query(f"sum by (session_id, event_name) (count_over_time({mine} [{span}]))", now):
            labels = item["metric"]
            ledger = ledgers.setdefault(labels["session_id"], {"sessions": 1})
            ledger[f"event {labels['event_name']}"] = int(item["value"][1])
        rows = {"cost": ("cost_usd", NANO)} | {f"tokens {kind}": (field, 1) for kind, field in TOKEN_FIELDS.items()}
        for row, (field, factor) in rows.items():
            unwrapped = f'{mine} | event_name="api_request" | unwrap {field} [{span}]'
            for item in self.query(f"sum by (session_id) (sum_over_time({unwrapped}))", now):
                ledgers[item["metric"]["session_id"]][row] = round(float(item["value"][1]) * factor)
        for ledger in ledgers.values():
            if "event managed_settings_resolved" in ledger:
                ledger["starts"] = ledger["event managed_settings_resolved"]
        return ledgers


def owners(row: str) -> tuple[str, ...]:
    """The ledgers that must agree on a row: events live in Loki only, other metrics in Prometheus only."""
    if row.startswith("event "):
        return ("expected", "loki")
    if row.startswith(("metric ", "counter ")):
        return ("expected", "prometheus")
    return ("expected", "prometheus", "loki")


def held(ledgers: Mapping[str, Ledger], row: str) -> dict[str, int]:
    """The values of a row in the ledgers that must hold it; absent counts as 0."""
    return {owner: ledgers[owner].get(row, 0) for owner in owners(row) if owner in ledgers}


def rows(ledgers: Mapping[str, Ledger]) -> list[str]:
    """The rows of all ledgers."""
    return sorted({row for ledger in ledgers.values() for row in ledger})


def agree(row: str, values: Iterable[int]) -> bool:
    """Integers are equal; cost is equal to the micro-dollar."""
    found = list(values)
    return max(found, default=0) - min(found, default=0) <= (COST_SLACK if "cost" in row else 0)


def differences(ledgers: Mapping[str, Ledger]) -> list[str]:
    """One line for each row on which the ledgers disagree."""
    wrong = []
    for row in rows(ledgers):
        values = held(ledgers, row)
        if not agree(row, values.values()):
            wrong.append(f"{row}: " + ", ".join(f"{owner} {shown(row, value)}" for owner, value in values.items()))
    return wrong


def shown(row: str, value: int) -> str:
    return f"${value / NANO:.8f}" if "cost" in row else str(value)


def side_by_side(title: str, ledgers: Mapping[str, Ledger]) -> str:
    """The ledgers as a table; a row whose owners disagree is marked."""
    width = max([len(title), *(len(row) for row in rows(ledgers))])
    lines = [f"{title:<{width}} " + " ".join(f"{name:>12}" for name in ledgers)]
    for row in rows(ledgers):
        values = held(ledgers, row)
        cells = " ".join(f"{shown(row, values[name]) if name in values else '':>12}" for name in ledgers)
        lines.append(f"{row:<{width}} {cells}" + ("" if agree(row, values.values()) else "   <-- differs"))
    return "\n".join(lines)


def total(all_ledgers: Iterable[Mapping[str, Ledger]]) -> dict[str, Ledger]:
    """The sums of all rows, ledger by ledger."""
    totals: dict[str, Ledger] = {}
    for ledgers in all_ledgers:
        for name, ledger in ledgers.items():
            sums = totals.setdefault(name, {})
            for row, value in ledger.items():
                sums[row] = sums.get(row, 0) + value
    return totals
