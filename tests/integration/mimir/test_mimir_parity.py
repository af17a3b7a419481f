# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mimir counts what was sent as exactly as Prometheus does, under the same names, and evaluates the same rules."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.integration.mimir.beside_prometheus import BesidePrometheus
from tests.tools import late
from tests.tools.check_totals import compare
from tests.tools.ledger import Loki, Prometheus, ask
from tests.tools.otlp import GrpcSender
from tests.tools.replay import Replayed, replay_all

TIMEOUT = 90
LATE = 50 * 3600.0


def series(stack: BesidePrometheus, store: str, sent: list[Replayed]) -> set[tuple[tuple[str, str], ...]]:
    """Every series of path (a), with all its labels."""
    sessions = "|".join(session for each in sent for session in each.sessions)
    selector = f'{{__name__!~".*_total|target_info", session_id=~"{sessions}"}}'
    span = urlencode({"match[]": selector, "start": int(time.time() - LATE - 7200), "end": int(time.time()) + 60})
    return {tuple(sorted(labels.items())) for labels in stack.get(store, f"/api/v1/series?{span}")}


@pytest.mark.parametrize(("age", "copies"), [(30.0, 1), (30.0, 2), (LATE, 1)], ids=["fresh", "sent-twice", "50h-old"])
def test_recordings_are_counted_exactly_and_named_alike(stack: BesidePrometheus, age: float, copies: int) -> None:
    sent = replay_all(stack.grpc, stack.http, age=age, copies=copies)
    checks = compare(sent, Prometheus(stack.stores["mimir"]), Loki(stack.loki), TIMEOUT)
    print("\n\n".join(check.table() for check in checks))
    assert {check.table(): check.wrong() for check in checks if check.wrong()} == {}
    named = series(stack, "mimir", sent)
    assert named == series(stack, "prometheus", sent)
    assert any(("__name__", "claude_code_token_usage_tokens") in labels for labels in named)


def test_late_data_is_counted_after_kill_9(stack: BesidePrometheus) -> None:
    marks = [late.push(GrpcSender(stack.grpc), age) for age in (LATE, 71.9 * 3600)]

    def found() -> list[dict[str, int]]:
        return [late.find(mark, Prometheus(stack.stores["mimir"]), Loki(stack.loki)) for mark in marks]

    expected = 2 * [{"prometheus": late.TOKENS, "loki": late.TOKENS}]
    assert found() == expected, "at once"
    stack.components["mimir"].kill()
    marks.append(late.push(GrpcSender(stack.grpc), LATE))
    stack.components["mimir"].start()
    expected.append(expected[0])
    assert found() == expected, "after kill -9, and while it was away"


def test_rules_of_prometheus_are_evaluated(stack: BesidePrometheus) -> None:
    def rules(store: str) -> list[dict[str, Any]]:
        groups = stack.get(store, "/api/v1/rules")["groups"]
        return [{**rule, "group": group["name"]} for group in groups for rule in group["rules"]]

    def names(store: str) -> list[tuple[str, ...]]:
        # Alerts on the stack itself ask for other programs.
        asked = ((rule["group"], rule["name"], rule["query"]) for rule in rules(store))
        return sorted(each[:2] if each[0] == "claude-code-stack" else each for each in asked)

    late.push(GrpcSender(stack.grpc), age=30)
    assert names("mimir") == names("prometheus")
    end = time.monotonic() + TIMEOUT
    while unwell := [rule for rule in rules("mimir") if rule["health"] == "err" or not evaluated(rule)]:
        # Some take their turn once an hour.
        if time.monotonic() > end or all(rule["health"] == "unknown" for rule in unwell):
            break
        time.sleep(1)
    assert [rule for rule in unwell if rule["health"] == "err"] == []
    total = "claude_code_input_tokens_total"
    while (shown := ask(stack.stores["mimir"], "/api/v1/query", query=total)) == [] and time.monotonic() < end:
        time.sleep(1)
    assert shown, f"no rule has recorded {total}"


def evaluated(rule: dict[str, Any]) -> bool:
    return datetime.fromisoformat(rule["lastEvaluation"]).year > 1970


def test_what_is_scraped_arrives(stack: BesidePrometheus) -> None:
    """By remote write, and so from the Prometheus that evaluates no rule itself."""
    end = time.monotonic() + TIMEOUT
    wanted = {"prometheus", "otel-collector", "claude-code", "mimir", "loki"}

    def jobs() -> set[str]:
        return {each["metric"]["job"] for each in ask(stack.stores["mimir"], "/api/v1/query", query="up == 1")}

    while not wanted <= (found := jobs()) and time.monotonic() < end:
        time.sleep(1)
    assert wanted <= found
