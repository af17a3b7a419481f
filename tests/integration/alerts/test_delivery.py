# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From an event to an Alertmanager, through the real programs; and that these export what the alerts ask for."""

from __future__ import annotations

import base64
import json
import re
import time
import urllib.error
import urllib.request
from collections import Counter

import pytest

from plugins.module_utils import _budgets, _event_rules
from plugins.module_utils._rollups import BY_SERIES, DAY, TABLE
from tests.integration.alerts.conftest import QUEUE, TIMEOUT, Stack
from tests.integration.alerts.written import alerts
from tests.tools.check_totals import expected
from tests.tools.ledger import NANO
from tests.tools.replay import RECORDINGS, SUFFIX, Request, load, moved, replay, sendable

PLAYED = ("tools", "err-500")
OURS = re.compile(r"\b(?:\w+:)?claude_code_\w+(?::\w+)?")
EXPORTED = re.compile(r'\b(\w+)\{job="([\w-]+)"\}')


def test_events_are_recorded_in_prometheus_and_an_alert_reaches_the_alertmanager(stack: Stack) -> None:
    for name in PLAYED:
        replay(RECORDINGS / f"{name}{SUFFIX}", stack.collector, age=30)
        replay(RECORDINGS / f"{name}{SUFFIX}", stack.collector, age=time.time() % DAY + DAY / 2)

    truth = Counter[str]()
    for name in PLAYED:
        truth.update(expected(f"{name}{SUFFIX}"))
    tokens = sum(value for row, value in truth.items() if row.startswith("tokens "))
    for name in _event_rules.COUNTED:
        becomes(stack, f'sum({_event_rules.COUNT}{{event_name="{name}"}})', truth[f"event {name}"])
    becomes(stack, f"sum({_event_rules.TOKENS_BY_MODEL})", 2 * tokens)
    # The known totals are rounded to a millionth of a dollar.
    becomes(stack, f"abs(sum({_event_rules.COST_BY_MODEL}) - {2 * truth['cost'] / NANO}) < bool 2e-6", 1)
    # Both sides of the comparison of metrics and events.
    for record in (_event_rules.TOKENS_BY_DEVELOPER, BY_SERIES["claude_code_token_usage_tokens"].by_developer):
        becomes(stack, f'sum({record}{{age="1", zone="UTC"}})', tokens)

    alert = stack.wait("the alert", lambda: stack.alertmanager.alerts.get("ClaudeCodeRetriesExhausted"))
    assert alert["labels"]["severity"] == "warning"
    assert alert["labels"]["status_code"] == "500"
    assert "were given up after the last retry, with status 500." in alert["annotations"]["description"]
    assert alert["annotations"]["runbook_url"] == "https://example.com/runbooks#claudecoderetriesexhausted"
    login = base64.b64encode(b"prometheus:secret").decode()
    assert stack.alertmanager.requests == {("/below/api/v2/alerts", f"Basic {login}")}


def becomes(stack: Stack, expression: str, value: int) -> None:
    """The sums of today and yesterday: at midnight UTC what was played as today's is yesterday's."""

    def found() -> bool:
        rows = stack.query(expression)
        return [round(float(row["value"][1])) for row in rows] == [value]

    stack.wait(f"{expression} == {value}", found)


def test_every_name_in_an_alert_is_exported_by_the_real_programs_or_recorded_here(stack: Stack) -> None:
    expressions = [rule["expr"] for rule in alerts().values()]
    recorded = {name for rollup in TABLE for name in (rollup.series, rollup.by_developer, rollup.by_team)}
    recorded |= {_event_rules.COUNT, _event_rules.SESSION_COUNT, _event_rules.TOKENS_BY_DEVELOPER}
    recorded |= {_budgets.SPEND, _budgets.BUDGET}
    assert {name for expr in expressions for name in OURS.findall(expr)} <= recorded

    provoke_failures(stack)
    asked = {pair for expr in expressions for pair in EXPORTED.findall(expr)}
    named = {name for expr in expressions for name in re.findall(r"\b(?:otelcol|prometheus|loki|disk)_\w+", expr)}
    assert {name for name, _job in asked} == named

    def missing() -> set[tuple[str, str]]:
        return {(name, job) for name, job in asked if not stack.query(f'{name}{{job="{job}"}}')}

    end = time.monotonic() + TIMEOUT
    while (absent := missing()) and time.monotonic() < end:
        time.sleep(0.5)
    assert absent == set()


def provoke_failures(stack: Stack) -> None:
    """Some counters are exported from the first failure on only."""
    old = {"streams": [{"stream": {"service_name": "old"}, "values": [["1700000000000000000", "old"]]}]}
    push = urllib.request.Request(
        f"{stack.loki}/loki/api/v1/push", json.dumps(old).encode(), {"Content-Type": "application/json"}
    )
    try:
        urllib.request.urlopen(push, timeout=10)
    except urllib.error.HTTPError as error:
        assert error.code == 400

    requests = sendable(load(RECORDINGS / f"tools{SUFFIX}"))
    now = {request.signal: int(time.time_ns() - request_time(request.body)) for request in requests}
    for signal in ("metrics", "logs"):
        request = next(request for request in requests if request.signal == signal)
        fresh = moved(request, now[signal] // 1_000_000 * 1_000_000, lambda session: session).body
        stack.collector.send(signal, fresh)
        text = json.dumps(fresh)
        # The same time with another value, and an event whose name is too long.
        wrong = re.sub(r'"asDouble": [\d.e-]+', '"asDouble": 123456', text)
        wrong = re.sub(r'(?<="event.name", "value": \{"stringValue": ")[^"]*', "x" * 300000, wrong)
        stack.collector.send(signal, json.loads(wrong))
    failed = [f"otelcol_exporter_send_failed_{kind}_total" for kind in ("metric_points", "log_records")]
    for name in (*failed, "loki_discarded_samples_total"):
        stack.wait(name, lambda name=name: stack.query(name))

    # In this order: a Prometheus that sees Loki gone takes what it said for gone too.
    stack.running["prometheus"].stop()
    stack.running["loki"].kill()
    fill_the_queue(stack, requests)
    stack.running["prometheus"].start()
    stack.running["loki"].start()


def fill_the_queue(stack: Stack, requests: list[Request]) -> None:
    """Send until the collector turns both signals away; some requests are on their way, beside those in the queue."""
    for signal in ("metrics", "logs"):
        body = next(json.dumps(request.body).encode() for request in requests if request.signal == signal)
        push = urllib.request.Request(
            f"{stack.collector_url}/v1/{signal}", body, {"Content-Type": "application/json"}, method="POST"
        )
        with pytest.raises(urllib.error.HTTPError, match="503"):
            for _ in range(2 * QUEUE):
                urllib.request.urlopen(push, timeout=10)


def request_time(body: dict[str, object]) -> int:
    return max(int(found) for found in re.findall(r'"timeUnixNano": "(\d+)"', json.dumps(body)))
