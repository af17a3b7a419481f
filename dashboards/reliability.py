# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether Claude Code works for people: errors, retries, latency, failed tools, compactions, sign-in."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard, stat

from dashboards import panels as p
from dashboards import queries as q

UID = "claude-code-reliability"
SCOPE = q.ALL_MODELS
FAILED_TOOL = 'success="false"'
FAILED_LOGIN = 'action="login" | success="false"'


def build() -> dashboard.Dashboard:
    result = p.base(
        "Claude Code reliability",
        UID,
        "Errors, retries and latency of the model API, failed tools, compactions and sign-in, counted from events.",
        SCOPE,
    )
    return p.in_rows(
        result,
        ("At a glance", [*_api(), *_client()]),
        ("Latency", _latency()),
        ("API errors", _errors()),
        ("Tools", _tools()),
        ("Context, sign-in, the client itself", _others()),
    )


def _count(*names: str, where: str = "", by: str = "", window: str = q.RANGE) -> str:
    return q.event_count(*names, where=where, by=by, window=window, scope=SCOPE)


def _number(title: str, description: str, expr: str, unit: str = "locale", decimals: int | None = 0) -> stat.Panel:
    return p.number(title, description, p.event(expr), unit, width=4, decimals=decimals)


def _api() -> list[p.Panel]:
    return [
        _number("API requests", "Requests the model answered, in the range.", _count("api_request")),
        p.watched(
            _number(
                "Requests given up",
                "Share of the requests in the range that failed for good. One that a retry saved is an answered one.",
                q.ratio(_count("api_error"), _count("api_request", "api_error")),
                "percentunit",
                2,
            ),
            (0.01, "orange"),
            (0.05, "red"),
        ),
        p.watched(
            _number(
                "Retries exhausted",
                "Requests in the range that were given up after the last retry, and those whose error allows no retry.",
                _count("api_retries_exhausted"),
            ),
            (1, "orange"),
        ),
        _number(
            "Latency, p95",
            "Time from request to the end of the answer: 95 % of the requests in the range were faster. Exact.",
            _quantile(0.95, "duration_ms"),
            "ms",
            None,
        ),
        _number(
            "First token, p95",
            "Time from request to the first piece of the answer: 95 % of the requests in the range were faster. Exact.",
            _quantile(0.95, "ttft_ms"),
            "ms",
            None,
        ),
        _number(
            "Refusals",
            "Answers in which the model declined, in the range.",
            _count("api_refusal"),
        ),
    ]


def _client() -> list[p.Panel]:
    return [
        p.watched(
            _number(
                "Tool calls that failed",
                "Share of the tool calls in the range. A call that was not permitted never ran and is not in here.",
                q.ratio(_count("tool_result", where=FAILED_TOOL), _count("tool_result")),
                "percentunit",
                1,
            ),
            (0.1, "orange"),
            (0.25, "red"),
        ),
        _number(
            "Compactions", "How often a conversation was summarised to make room, in the range.", _count("compaction")
        ),
        p.watched(
            _number(
                "Compactions failed",
                "Conversations that could not be summarised, in the range. They usually end there.",
                _count("compaction", where='success="false"'),
            ),
            (1, "orange"),
        ),
        p.watched(
            _number("Failed sign-ins", "Logins that failed, in the range.", _count("auth", where=FAILED_LOGIN)),
            (1, "orange"),
        ),
        p.watched(
            _number(
                "Internal errors",
                "Errors inside Claude Code that it reported itself, in the range.",
                _count("internal_error"),
            ),
            (1, "orange"),
        ),
        p.watched(
            _number(
                "MCP failures",
                "Connections to MCP servers that failed, in the range.",
                _count("mcp_server_connection", where='status="failed"'),
            ),
            (1, "orange"),
        ),
    ]


def _quantile(which: float, field: str, by: str = "", window: str = q.RANGE) -> str:
    return q.event_quantile(which, field, "api_request", by=by, window=window, scope=SCOPE)


def _latency() -> list[p.Panel]:
    return [
        p.breakdown(
            "Latency by model",
            "By the model that answered, in the range. p50: half of the requests were faster. All exact, over single "
            "requests. First: time to the first token.",
            {"model": "Model"},
            [
                p.Column("Requests", p.of_events(_count("api_request", by="model")), width=105),
                p.Column("p50", p.of_events(_quantile(0.5, "duration_ms", "model")), "ms", width=85),
                p.Column("p95", p.of_events(_quantile(0.95, "duration_ms", "model")), "ms", width=85),
                p.Column("First, p50", p.of_events(_quantile(0.5, "ttft_ms", "model")), "ms", width=95),
                p.Column("First, p95", p.of_events(_quantile(0.95, "ttft_ms", "model")), "ms", width=95),
            ],
            width=12,
        ),
        p.bar_chart(
            "Requests over time",
            "Requests answered, by the model that answered.",
            p.event_range(_count("api_request", by="model", window=q.EVENT_BAR), legend="{{model}}"),
            "short",
            width=12,
            height=9,
        ),
        _quantiles("Latency over time", "Time from request to the end of the answer", "duration_ms"),
        _quantiles("Time to first token over time", "Time from request to the first piece of the answer", "ttft_ms"),
    ]


def _quantiles(title: str, what: str, field: str) -> p.Panel:
    return p.line_chart(
        title,
        f"{what}, by the model that answered: p50 and p95 of the requests of each step. Exact within a step; the mean "
        "of the steps is not the quantile of the range.",
        [
            p.event_range(_quantile(0.5, field, "model", q.EVENT_BAR), "A", "{{model}} p50"),
            p.event_range(_quantile(0.95, field, "model", q.EVENT_BAR), "B", "{{model}} p95"),
        ],
        "ms",
        width=12,
        height=9,
    ).max_data_points(p.MOST_BARS)


def _errors() -> list[p.Panel]:
    by = "status_code, model"
    return [
        p.breakdown(
            "Errors by status and model",
            "Requests given up in the range, by HTTP status and the model asked for. Attempts: tries on average, the "
            "first included. No status: no answer came at all.",
            {"status_code": "Status", "model": "Model"},
            [
                p.Column("Errors", p.of_events(_count("api_error", by=by)), width=85),
                p.Column(
                    "Attempts", p.of_events(q.event_mean("attempt", "api_error", by=by, scope=SCOPE)), "none", 1, 90
                ),
            ],
            width=8,
        ).override_by_name("Status", [p.setting("custom.width", 75)]),
        p.breakdown(
            "Given up after retries",
            "Requests given up in the range, for all that was tried. Waited: mean time from the first try to the last.",
            {"status_code": "Status", "model": "Model"},
            [
                p.Column("Times", p.of_events(_count("api_retries_exhausted", by=by)), width=85),
                p.Column(
                    "Attempts",
                    p.of_events(q.event_mean("total_attempts", "api_retries_exhausted", by=by, scope=SCOPE)),
                    "none",
                    1,
                    90,
                ),
                p.Column(
                    "Waited",
                    p.of_events(q.event_mean("total_retry_duration_ms", "api_retries_exhausted", by=by, scope=SCOPE)),
                    "ms",
                    None,
                    80,
                ),
            ],
            width=8,
        ).override_by_name("Status", [p.setting("custom.width", 75)]),
        p.bar_chart(
            "Errors over time",
            "Requests given up, by HTTP status.",
            p.event_range(_count("api_error", by="status_code", window=q.EVENT_BAR), legend="{{status_code}}"),
            "short",
            width=8,
            height=9,
        ),
    ]


def _tools() -> list[p.Panel]:
    by = "tool_name, error_type"
    return [
        p.breakdown(
            "Tool errors by type",
            "Failed tool calls in the range. Tools of MCP servers are all called mcp_tool unless clients set "
            "OTEL_LOG_TOOL_DETAILS.",
            {"tool_name": "Tool", "error_type": "Error"},
            [p.Column("Failed", p.of_events(_count("tool_result", where=FAILED_TOOL, by=by)), width=90)],
            width=12,
        ),
        p.bar_chart(
            "Tool errors over time",
            "Failed tool calls, by tool.",
            p.event_range(
                _count("tool_result", where=FAILED_TOOL, by="tool_name", window=q.EVENT_BAR), legend="{{tool_name}}"
            ),
            "short",
            width=12,
            height=9,
        ),
    ]


def _others() -> list[p.Panel]:
    by = "trigger, success"
    return [
        p.breakdown(
            "Compactions by trigger",
            "In the range. auto: the context was full. manual: a person asked. Mean time and mean tokens of the "
            "conversation, before and after.",
            {"trigger": "Trigger", "success": "Success"},
            [
                p.Column("Times", p.of_events(_count("compaction", by=by)), width=85),
                p.Column("Time", p.of_events(_mean_compaction("duration_ms", by)), "ms", None, 80),
                p.Column("Before", p.of_events(_mean_compaction("pre_tokens", by)), "short", None, 85),
                p.Column("After", p.of_events(_mean_compaction("post_tokens", by)), "short", None, 85),
            ],
            width=12,
            height=7,
        ),
        p.breakdown(
            "Sign-in",
            "Logins and logouts in the range.",
            {
                "action": "Action",
                "auth_method": "Method",
                "success": "Success",
                "error_category": "Error",
                "status_code": "Status",
            },
            [
                p.Column(
                    "Times",
                    p.of_events(_count("auth", by="action, auth_method, success, error_category, status_code")),
                    width=80,
                )
            ],
            width=12,
            height=7,
        ),
        p.breakdown(
            "Internal errors by name",
            "Errors inside Claude Code in the range.",
            {"error_name": "Error", "error_code": "Code"},
            [p.Column("Times", p.of_events(_count("internal_error", by="error_name, error_code")), width=80)],
            width=12,
            height=7,
        ),
        p.breakdown(
            "Refusals by model",
            "Answers in the range in which the model declined. The category is empty unless clients set "
            "OTEL_LOG_TOOL_DETAILS.",
            {"model": "Model", "category": "Category"},
            [p.Column("Times", p.of_events(_count("api_refusal", by="model, category")), width=80)],
            width=12,
            height=7,
        ),
    ]


def _mean_compaction(field: str, by: str) -> str:
    return q.event_mean(field, "compaction", by=by, scope=SCOPE)
