# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One wrong LogQL query for each rule, and those that are right in spite of their looks."""

from __future__ import annotations

import pytest

EVENTS = '{service_name=~".+"}'
REQUESTS = f'{EVENTS} | event_name="api_request"'


@pytest.mark.parametrize(
    ("query", "fault"),
    [
        pytest.param(
            f'{EVENTS} | event_name="tool_use"',
            "unknown event tool_use; the nearest known name is tool_result",
            id="event",
        ),
        pytest.param(
            f'{EVENTS} | event_name=~"api_error|api_request"',
            'event_name=~"api_error|api_request" takes whatever contains one of them',
            id="alternatives",
        ),
        pytest.param(f'{EVENTS} | event_name=~"tools_.*"', "no event's name matches tools_.*", id="events"),
        pytest.param('{job="claude-code"}', "{job} is no label of a stream", id="stream-label"),
        pytest.param(
            '{service_name="claude-code"}',
            "only claude-code: the service names are claude-code, claude-code-desktop",
            id="service",
        ),
        pytest.param(
            '{service_name="claude"}',
            "service_name is never claude; the nearest known name is claude-code",
            id="service-name",
        ),
        pytest.param(
            f'{REQUESTS} | tool_name="Bash"', "a filter by tool_name, which these events never carry", id="attribute"
        ),
        pytest.param(
            f'{EVENTS} | event_name="tool_decision" | decision="accepted"',
            "decision is never accepted; the nearest known name is accept",
            id="value",
        ),
        pytest.param(
            f"sum(sum_over_time({REQUESTS} | unwrap cost [1h]))",
            "unwrap cost, which these events never carry; the nearest known name is cost_usd",
            id="unwrap",
        ),
        pytest.param(
            f"sum(sum_over_time({REQUESTS} | unwrap cost_usd_micros [1h]))",
            "cost_usd_micros is rounded for each request: sum cost_usd",
            id="rounded",
        ),
        pytest.param(
            f"sum by (modle) (count_over_time({REQUESTS} [1h]))",
            "sum by modle, which these events never carry; the nearest known name is model",
            id="by",
        ),
        pytest.param(
            f"sum by (model) (sum by (team) (count_over_time({REQUESTS} [1h])))",
            "sum by model, which these events never carry",
            id="by-gone",
        ),
        pytest.param(
            f"{REQUESTS} | line_format `{{{{.modle}}}}`",
            "line_format modle, which these events never carry",
            id="template",
        ),
        pytest.param(
            f"{REQUESTS} | label_format a=modle",
            "label_format modle, which these events never carry",
            id="label-format",
        ),
        pytest.param(f"{REQUESTS} | keep modle", "keep modle, which these events never carry", id="keep"),
        pytest.param(
            f'{REQUESTS} | keep team | model="x"', "a filter by model, which these events never carry", id="kept-away"
        ),
        pytest.param(
            f"sum(count_over_time({REQUESTS} | json [1h]))",
            "| json: a line holds only the event's name; all else is attributes",
            id="json",
        ),
        pytest.param(
            f"avg by (model) (avg_over_time({REQUESTS} | unwrap duration_ms [1h]))",
            "avg over avg_over_time that nothing groups: it takes each event for a series of its own",
            id="avg",
        ),
        pytest.param(
            f"count by (model) (count_over_time({REQUESTS} [1h]))",
            "count over count_over_time that nothing groups: it takes each event for a series of its own",
            id="count",
        ),
        pytest.param(
            f"max by (model) (count_over_time({REQUESTS} [1h]))",
            "max over count_over_time that nothing groups: it takes each event for a series of its own",
            id="max",
        ),
        pytest.param(
            f"count_over_time({REQUESTS} [1h])",
            "count_over_time that nothing groups: one series for each event",
            id="bare",
        ),
        pytest.param(
            f'{EVENTS} | event_name="tool_result" | line_format `{{{{.tool_input}}}}`',
            "tool_input is only there with OTEL_LOG_TOOL_DETAILS, and the text beside it does not name that key",
            id="withheld",
        ),
        pytest.param(
            f'{EVENTS} | event_name="api_request_body"',
            "api_request_body is only sent with OTEL_LOG_RAW_API_BODIES, and the text beside it does not name that key",
            id="withheld-event",
        ),
        pytest.param(f"sum(count_over_time({REQUESTS} [1h])", "not LogQL from here on", id="syntax"),
    ],
)
def test_a_fault_is_found(faults, query: str, fault: str) -> None:
    found = faults("logql", query)
    assert any(each.startswith(fault) for each in found), found


@pytest.mark.parametrize(
    ("query", "says"),
    [
        (f'{EVENTS} | scope_name="com.anthropic.claude_code.events" | model=~".*"', ""),
        (f"sum by (model) (count_over_time({REQUESTS} [$__auto] offset -$__auto))", ""),
        (f"quantile_over_time(0.95, {REQUESTS} | unwrap duration_ms [1h] offset -1h) by (model)", ""),
        (f"max by (model) (avg_over_time({REQUESTS} | unwrap duration_ms [1h]) by (model, team))", ""),
        (f"topk(5, sum by (model) (count_over_time({REQUESTS} [1h])))", ""),
        (f"count(count_over_time({REQUESTS} | keep session_id [1h]))", ""),
        (f'{EVENTS} | event_name=~"^(?:api_error|tool_result)$" | line_format `{{{{.error}}}}`', ""),
        (f'{EVENTS} | event_name="tool_result" | error=~".+"', "Needs OTEL_LOG_TOOL_DETAILS."),
        (f'{EVENTS} | (event_name="auth" and action="login") or event_name="at_mention"', ""),
        (f'label_replace(sum(sum_over_time({REQUESTS} | unwrap cost_usd [1h])), "type", "cost", "", "")', ""),
        (
            f'{EVENTS} | event_name="tool_decision" | line_format `{{{{.tool_parameters}}}}` | json',
            "OTEL_LOG_TOOL_DETAILS",
        ),
        ('sum(count_over_time({service_name=~"claude-code.*"} [1h])) / 2 or vector(0)', ""),
    ],
)
def test_what_is_right_has_no_fault(faults, query: str, says: str) -> None:
    assert faults("logql", query, says) == []
