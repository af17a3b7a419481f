# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One wrong PromQL query for each rule, and those that are right in spite of their looks."""

from __future__ import annotations

import pytest

COST, TOKENS, COMMITS = "claude_code_cost_usage_USD", "claude_code_token_usage_tokens", "claude_code_commit_count"
REPOSITORY = "by repository: needs OTEL_METRICS_INCLUDE_REPOSITORY"


@pytest.mark.parametrize(
    ("query", "fault"),
    [
        pytest.param(
            "sum(sum_over_time(claude_code_cost_usage[1h]))",
            f"unknown metric claude_code_cost_usage; the nearest known name is {COST}",
            id="metric",
        ),
        pytest.param(
            'sum(sum_over_time({__name__=~"claude_cost.*"}[1h]))', "no known metric matches claude_cost.*", id="metrics"
        ),
        pytest.param(
            f'sum(sum_over_time({COST}{{project="a"}}[1h]))', f"{COST} never carries the label project", id="label"
        ),
        pytest.param(
            f'sum(sum_over_time({COMMITS}{{model=~".*"}}[1h]))',
            f"{COMMITS} never carries the label model",
            id="label-of-another-series",
        ),
        pytest.param(
            f'sum(sum_over_time({TOKENS}{{type=~"input|cache_read"}}[1h]))',
            f"type of {TOKENS} is never cache_read; the nearest known name is cacheRead",
            id="value",
        ),
        pytest.param(
            f'sum(sum_over_time({TOKENS}{{type=~"cached.*"}}[1h]))',
            f"no value of type of {TOKENS} matches cached.*",
            id="values",
        ),
        pytest.param(
            f'sum(sum_over_time({COST}{{job="claude-code"}}[1h]))',
            "only claude-code: the service names are claude-code, claude-code-desktop",
            id="service",
        ),
        pytest.param(
            f"sum by (modle) (sum_over_time({COST}[1h]))",
            "sum by modle, which is not there; the nearest known name is model",
            id="by",
        ),
        pytest.param(
            f"sum by (model) (sum by (team) (sum_over_time({COST}[1h])))",
            "sum by model, which is not there",
            id="by-gone",
        ),
        pytest.param(
            f"sum by (developer) (sum_over_time({COST}[1h]) or sum by (model) (sum_over_time({TOKENS}[1h])))",
            "sum by developer, which is not there",
            id="by-on-one-side",
        ),
        pytest.param(
            f"sum by (team) (sum_over_time({COST}[1h])) / on (model) sum by (team) (sum_over_time({TOKENS}[1h]))",
            "on model, which is not there",
            id="on",
        ),
        pytest.param(
            f"sum(increase({COST}[1h]))", f"increase over {COST}, whose samples are sums and no counter", id="increase"
        ),
        pytest.param(
            f"rate(sum_over_time({COST}[1h])[1d:1h])",
            f"rate over {COST}, whose samples are sums and no counter",
            id="rate-of-totals",
        ),
        pytest.param(f"sum({COST})", f"{COST} read at an instant: only sum_over_time gives a total", id="instant"),
        pytest.param(
            f"max(max_over_time({COST}[1h]))", f"max_over_time over {COST}, whose samples are parts of a sum", id="max"
        ),
        pytest.param(
            f"sum(sum_over_time({COST}[1h:1m]))",
            f"{COST} read at an instant: only sum_over_time gives a total",
            id="subquery",
        ),
        pytest.param(
            "sum(max_over_time(team:claude_code_cost:day[1d]))",
            "team:claude_code_cost:day read outside of the chain that <<days SELECTOR>> writes",
            id="days-by-hand",
        ),
        pytest.param(
            'sum(last_over_time(team:claude_code_cost:day{age="1"}[2h]))',
            "team:claude_code_cost:day read outside of the chain that <<days SELECTOR>> writes",
            id="one-day-in-a-panel",
        ),
        pytest.param(
            'sum_over_time((sum(max without (age) (max_over_time(team:claude_code_cost:day{age="0"}[1d]))))[1w:1d])',
            "days merged in another way than <<days SELECTOR>> writes",
            id="days-chain",
        ),
        pytest.param(
            "sum(<<days team:claude_code_cost:day>>)",
            "days read without a subquery of steps of one day, which takes each of them once",
            id="days-instant",
        ),
        pytest.param(
            "sum_over_time((sum by (session_id) (<<days team:claude_code_cost:day>>))[1w:1d])",
            "sum by session_id, which is not there",
            id="days-label",
        ),
        pytest.param(
            f"sum(increase({COST}_total[1h]))",
            f"{COST}_total is approximate, and the text beside it does not say so",
            id="counter",
        ),
        pytest.param(
            f"sum by (vcs_repository_name) (sum_over_time({COST}[1h]))",
            "vcs_repository_name is only there with OTEL_METRICS_INCLUDE_REPOSITORY, and the text beside it does not",
            id="withheld",
        ),
        pytest.param("otelcol_exporter_sent_spam_total", "unknown metric otelcol_exporter_sent_spam_total", id="stack"),
        pytest.param('up{program="loki"}', "up never carries the label program", id="stack-label"),
        pytest.param(
            "rate(otelcol_exporter_queue_size[5m])",
            "rate over otelcol_exporter_queue_size, which is a gauge",
            id="rate-of-gauge",
        ),
        pytest.param(
            "delta(prometheus_tsdb_head_samples_appended_total[5m])",
            "delta over prometheus_tsdb_head_samples_appended_total, which is a counter",
            id="delta-of-counter",
        ),
        pytest.param(f"sum(sum_over_time({COST}[1h])", "not PromQL", id="syntax"),
        pytest.param(
            f"sum(sum_over_time({COST}[$__rang]))",
            "unknown variable $__rang; the nearest known name is __range",
            id="variable",
        ),
        pytest.param("sum(<<week team:claude_code_cost:day>>)", "a macro that nothing writes out", id="macro"),
    ],
)
def test_a_fault_is_found(faults, query: str, fault: str) -> None:
    found = faults("promql", query)
    assert any(each.startswith(fault) for each in found), found


@pytest.mark.parametrize(
    ("query", "says"),
    [
        (f'sum by (team) (sum_over_time({COST}{{per=~"$__range"}}[$__range] offset -$__interval))', ""),
        ("sum_over_time((sum by (team) (<<days team:claude_code_cost:day>>))[$__range:1d] <<midnight>>)", ""),
        (f"count by (session_id) (present_over_time({COST}[1h]))", ""),
        (f"time() - max(max_over_time(timestamp({COST})[1d:1m]))", ""),
        (f"sum(increase({COST}_total[1h]))", "Approximate."),
        (f"sum by (vcs_repository_name) (sum_over_time({COST}[1h]))", REPOSITORY),
        (f"sum(sum_over_time({COST}[1h])) or vector(0)", ""),
        (f'sum by (type) (label_replace(sum_over_time({COST}[1h]), "type", "cost", "", ""))', ""),
        ("sum(rate(otelcol_exporter_sent_log_records_total[5m])) / on () count(up)", ""),
        ("histogram_quantile(0.9, sum by (le) (rate(loki_request_duration_seconds_bucket[5m])))", ""),
        (f'sum by (type) (label_replace(sum(sum_over_time({COST}[1h])), "type", "cost", "", ""))', ""),
        (
            f"sum by (team, month) (sum_over_time({COST}[1d]) * on () group_left (month) "
            'count_values("month", month(vector(time()))))',
            "",
        ),
        (
            "sum by (job, reason) (prometheus_tsdb_too_old_samples_total or loki_discarded_samples_total)",
            "",
        ),
        ('ALERTS{alertstate="firing", severity="critical"}', ""),
        ('sum without (session_id) (sum_over_time({__name__=~"claude_code_cost_usage_USD"}[1h] @ end()))', ""),
    ],
)
def test_what_is_right_has_no_fault(faults, query: str, says: str) -> None:
    assert faults("promql", query, says) == []


@pytest.mark.parametrize(("age", "faults_found"), [('age="1"', 0), ('age=~".*"', 1), ('team="a"', 1)])
def test_a_rule_may_read_the_newest_sum_of_one_day(faults, age: str, faults_found: int) -> None:
    query = f"sum(last_over_time(team:claude_code_cost:day{{{age}}}[2h])) > 100"
    assert len(faults("promql", query, kind="alert")) == faults_found
