# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from tests.tools import ledger
from tests.tools.late import Mark


@pytest.fixture
def answers(monkeypatch):
    """What the stores answer, by a part of the query; everything asked is kept."""
    known, asked = {}, []

    def ask(base, path, **parameters):
        asked.append(parameters["query"])
        return next((result for part, result in known.items() if part in parameters["query"]), [])

    monkeypatch.setattr(ledger, "ask", ask)
    known["asked"] = asked
    return known


def sample(value, **labels):
    return {"metric": labels, "value": [0, value]}


def test_prometheus_sums_delta_samples_per_session(answers):
    asked = answers.pop("asked")
    answers["claude_code_token_usage_tokens{"] = [
        sample("101", session_id="a", type="input"),
        sample("7", session_id="b", type="output"),
    ]
    answers["claude_code_cost_usage_USD{"] = [sample("0.0023730000000000001", session_id="a")]
    found = ledger.Prometheus("http://prometheus").ledgers(["b", "a"], 0)
    assert found == {
        "a": {"sessions": 1, "tokens input": 101, "cost": 2373000},
        "b": {"sessions": 1, "tokens output": 7},
    }
    assert all("sum_over_time(" in query and 'session_id=~"a|b"' in query for query in asked)


def test_loki_counts_events_and_unwraps_requests(answers):
    answers.pop("asked")
    answers["count_over_time"] = [
        sample("2", session_id="a", event_name="managed_settings_resolved"),
        sample("3", session_id="a", event_name="api_request"),
    ]
    answers["unwrap cost_usd"] = [sample("0.0003", session_id="a")]
    answers["unwrap cache_read_tokens"] = [sample("300", session_id="a")]
    assert ledger.Loki("http://loki").ledgers(["a"], 0) == {
        "a": {
            "sessions": 1,
            "starts": 2,
            "event managed_settings_resolved": 2,
            "event api_request": 3,
            "cost": 300000,
            "tokens cacheRead": 300,
        }
    }


def test_equal_ledgers_have_no_differences():
    rows = {"tokens input": 5, "cost": 100}
    assert ledger.differences({"expected": rows, "prometheus": dict(rows), "loki": dict(rows)}) == []


@pytest.mark.parametrize("store", ["expected", "prometheus", "loki"])
def test_one_micro_dollar_is_a_difference(store):
    ledgers = {name: {"cost": 100_000} for name in ("expected", "prometheus", "loki")}
    ledgers[store] = {"cost": 101_000}
    (line,) = ledger.differences(ledgers)
    assert line.startswith("cost: ") and f"{store} $0.00010100" in line


def test_a_known_cost_may_be_rounded_to_the_micro_dollar():
    ledgers = {"expected": {"cost": 4_367_000}, "prometheus": {"cost": 4_367_500}, "loki": {"cost": 4_367_500}}
    assert ledger.differences(ledgers) == []


def test_a_missing_row_is_a_difference():
    assert ledger.differences({"expected": {"tokens input": 5}, "prometheus": {"tokens input": 5}, "loki": {}}) == [
        "tokens input: expected 5, prometheus 5, loki 0"
    ]


def test_events_are_not_asked_of_prometheus_nor_metrics_of_loki():
    expected = {"event api_request": 1, "metric claude_code.commit.count": 1}
    ledgers = {
        "expected": expected,
        "prometheus": {"metric claude_code.commit.count": 1},
        "loki": {"event api_request": 1},
    }
    assert ledger.differences(ledgers) == []


def test_an_unexpected_event_is_a_difference():
    ledgers = {"expected": {}, "prometheus": {}, "loki": {"event api_error": 1}}
    assert ledger.differences(ledgers) == ["event api_error: expected 0, loki 1"]


def test_the_table_marks_what_differs():
    ledgers = {"expected": {"starts": 1, "sessions": 1}, "prometheus": {"starts": 2, "sessions": 1}}
    lines = ledger.side_by_side("run", ledgers).splitlines()
    assert [line.split()[0] for line in lines] == ["run", "sessions", "starts"]
    assert lines[2].endswith("<-- differs")
    assert not lines[1].endswith("<-- differs")


def test_a_mark_survives_its_text():
    mark = Mark("0f-1", 1_800_000_000)
    assert Mark.parse(str(mark)) == mark


def test_loki_is_asked_at_the_very_millisecond():
    """Beside it an event at the bound of two spans would count in both, or in neither."""
    first = 1_764_400_000_000
    assert [ledger.nanoseconds((first + n) / 1000) for n in range(1000)] == [f"{first + n}000000" for n in range(1000)]
