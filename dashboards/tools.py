# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Claude Code works with: tools, MCP servers, sub-agents, skills, commands, hooks, plugins."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard, stat, table
from grafana_foundation_sdk.builders.common import ScaleDistributionConfig
from grafana_foundation_sdk.models.common import ScaleDistribution

from dashboards import panels as p
from dashboards import queries as q

UID = "claude-code-tools"
SCOPE = q.ALL_MODELS
NAMED = "Tools of MCP servers are all called mcp_tool unless clients set OTEL_LOG_TOOL_DETAILS."
FOLDED = "Names people chose themselves read custom or third-party unless clients set OTEL_LOG_TOOL_DETAILS."
# Without tool details an MCP tool is called mcp_tool, with them mcp__SERVER__TOOL.
MCP = 'tool_name=~"mcp_.+"'
HOOK = "hook_execution_complete"
FAILURES = ((None, "text"), (0.05, "orange"), (0.2, "red"))


def build() -> dashboard.Dashboard:
    result = p.base(
        "Claude Code tools and agents",
        UID,
        "Which tools, MCP servers, sub-agents, skills, commands, hooks and plugins are used, and how well they work.",
        SCOPE,
    )
    return p.in_rows(
        result,
        ("At a glance", _glance()),
        ("Tools", [_by_tool(), *_over_time()]),
        ("MCP servers", _mcp()),
        ("Sub-agents and skills", _agents()),
        ("Commands, hooks, plugins", _extensions()),
    )


def _count(*names: str, where: str = "", by: str = "", window: str = q.RANGE) -> str:
    return q.event_count(*names, where=where, by=by, window=window, scope=SCOPE)


def _sum(field: str, name: str, by: str = "", where: str = "") -> str:
    return q.event_total(field, name, where=where, by=by, scope=SCOPE)


def _mean(field: str, name: str, by: str, where: str = "") -> str:
    return q.event_mean(field, name, where=where, by=by, scope=SCOPE)


def _times(name: str, by: str, title: str = "Times", where: str = "") -> p.Column:
    return p.Column(title, p.of_events(_count(name, where=where, by=by)), width=95)


def _number(title: str, description: str, expr: str, unit: str = "locale", decimals: int = 0) -> stat.Panel:
    return p.number(title, description, p.event(expr), unit, width=4, decimals=decimals)


def _glance() -> list[p.Panel]:
    return [
        _number("Prompts", "Prompts in the range, slash commands included.", _count("user_prompt")),
        _number("Tool calls", "Calls that ran, in the range. Those not permitted never ran.", _count("tool_result")),
        p.watched(
            _number(
                "Failed",
                "Share of the tool calls in the range that ended in an error.",
                q.ratio(_count("tool_result", where='success="false"'), _count("tool_result")),
                "percentunit",
                1,
            ),
            (0.1, "orange"),
            (0.25, "red"),
        ),
        _number("MCP calls", "Calls of tools of MCP servers, in the range.", _count("tool_result", where=MCP)),
        _number("Sub-agents", "Sub-agents that finished, in the range.", _count("subagent_completed")),
        _number("Skills used", "How often a skill was activated, in the range.", _count("skill_activated")),
    ]


def _by_tool() -> table.Panel:
    by = "tool_name"
    calls = _count("tool_result", by=by)
    return p.breakdown(
        "Tools by use",
        "Calls that ran in the range. Time, and the size of what a tool gave back, as mean and p95 over single calls. "
        f"{NAMED}",
        {"tool_name": "Tool"},
        [
            p.Column("Calls", p.of_events(calls), width=90),
            p.Column(
                "Failed",
                p.of_events(q.ratio(_count("tool_result", where='success="false"', by=by), calls)),
                "percentunit",
                1,
                90,
                FAILURES,
            ),
            p.Column("Mean time", p.of_events(_mean("duration_ms", "tool_result", by)), "ms", 1, 105),
            p.Column("p95 time", p.of_events(_p95("duration_ms", by)), "ms", 1, 105),
            p.Column("Mean size", p.of_events(_mean("tool_result_size_bytes", "tool_result", by)), "bytes", 1, 105),
            p.Column("p95 size", p.of_events(_p95("tool_result_size_bytes", by)), "bytes", 1, 105),
            p.Column("Total size", p.of_events(_sum("tool_result_size_bytes", "tool_result", by)), "bytes", 1, 105),
        ],
        width=24,
        height=12,
    )


def _p95(field: str, by: str) -> str:
    return q.event_quantile(0.95, field, "tool_result", by=by, scope=SCOPE)


def _over_time() -> list[p.Panel]:
    return [
        p.bar_chart(
            "Tool calls over time",
            f"Calls that ran. {NAMED}",
            p.event_range(_count("tool_result", by="tool_name", window=q.EVENT_BAR), legend="{{tool_name}}"),
            "short",
            width=12,
        ),
        # A search takes milliseconds, a sub-agent minutes.
        p.line_chart(
            "Tool time over time",
            "p95 of the time of a call, by tool, over the calls of each step. Mind the scale: it grows tenfold.",
            p.event_range(
                q.event_quantile(0.95, "duration_ms", "tool_result", by="tool_name", window=q.EVENT_BAR, scope=SCOPE),
                legend="{{tool_name}}",
            ),
            "ms",
            width=12,
            height=10,
        )
        .max_data_points(p.MOST_BARS)
        .min(1)
        .scale_distribution(ScaleDistributionConfig().type(ScaleDistribution.LOG).log(10)),
    ]


def _mcp() -> list[p.Panel]:
    by = "tool_name, mcp_server_scope"
    calls = _count("tool_result", where=MCP, by=by)
    connections = "server_name, transport_type, server_scope, status"
    return [
        p.breakdown(
            "MCP tools by use",
            f"Calls of tools of MCP servers that ran in the range. {NAMED}",
            {"tool_name": "Tool", "mcp_server_scope": "Scope"},
            [
                p.Column("Calls", p.of_events(calls), width=90),
                p.Column(
                    "Failed",
                    p.of_events(q.ratio(_count("tool_result", where=f'{MCP} | success="false"', by=by), calls)),
                    "percentunit",
                    1,
                    90,
                    FAILURES,
                ),
                p.Column("Mean time", p.of_events(_mean("duration_ms", "tool_result", by, MCP)), "ms", 1, 105),
            ],
            width=10,
        ),
        p.breakdown(
            "MCP connections",
            "Connection events in the range, with the mean time to connect. The server's name is empty unless clients "
            "set OTEL_LOG_TOOL_DETAILS.",
            {
                "server_name": "Server",
                "transport_type": "Transport",
                "server_scope": "Scope",
                "status": "Status",
            },
            [
                _times("mcp_server_connection", connections),
                p.Column(
                    "Mean time", p.of_events(_mean("duration_ms", "mcp_server_connection", connections)), "ms", 1, 105
                ),
            ],
            width=14,
        ),
    ]


def _agents() -> list[p.Panel]:
    agent, skill = "agent_type, agent_source", "skill_name, skill_source, invocation_trigger"
    return [
        p.breakdown(
            "Sub-agents by type",
            "Sub-agents that finished in the range. Tools: calls they made, on average. Last request: tokens of the "
            "last request of each, on average; what they used altogether is in the cost beside. " + FOLDED,
            {"agent_type": "Type", "agent_source": "Source"},
            [
                _times("subagent_completed", agent),
                p.Column("Mean time", p.of_events(_mean("duration_ms", "subagent_completed", agent)), "ms", 1, 105),
                p.Column("Tools", p.of_events(_mean("total_tool_uses", "subagent_completed", agent)), "none", 1, 80),
                p.Column(
                    "Last request", p.of_events(_mean("total_tokens", "subagent_completed", agent)), "short", 1, 115
                ),
            ],
            width=14,
            height=7,
        ),
        p.breakdown(
            "Cost of sub-agents",
            f"Requests of sub-agents, by the agent. {FOLDED}",
            {"agent_name": "Agent"},
            [
                p.Column(
                    "Cost",
                    p.of_metric(q.Metric(q.COST, 'query_source="subagent"', scope=SCOPE).total(by="agent_name")),
                    "currencyUSD",
                    2,
                    100,
                )
            ],
            width=10,
            height=7,
        ),
        p.breakdown(
            "Skills by use",
            f"How often in the range. user-slash: a person asked for it. claude-proactive: Claude chose it. {FOLDED}",
            {"skill_name": "Skill", "skill_source": "Source", "invocation_trigger": "Trigger"},
            [_times("skill_activated", skill)],
            width=14,
            height=7,
        ),
        p.breakdown(
            "Cost of skills",
            f"Requests made while a skill was at work. {FOLDED}",
            {"skill_name": "Skill"},
            [
                p.Column(
                    "Cost",
                    p.of_metric(q.Metric(q.COST, 'skill_name!=""', scope=SCOPE).total(by="skill_name")),
                    "currencyUSD",
                    2,
                    100,
                )
            ],
            width=10,
            height=7,
        ),
    ]


def _extensions() -> list[p.Panel]:
    hook = "hook_event, hook_source"
    return [
        p.breakdown(
            "Slash commands",
            f"Prompts in the range that were commands. {FOLDED}",
            {"command_name": "Command", "command_source": "Source"},
            [_times("user_prompt", "command_name, command_source", where='command_name!=""')],
            width=8,
        ),
        p.breakdown(
            "Hooks",
            "Runs of hooks in the range, several hooks of one event together. Blocked: how many hooks stopped what "
            "Claude was about to do. Errors: hooks that failed without stopping it.",
            {"hook_event": "Event", "hook_source": "Source"},
            [
                _times(HOOK, hook, "Runs"),
                p.Column("Blocked", p.of_events(_sum("num_blocking", HOOK, hook)), width=95),
                p.Column("Errors", p.of_events(_sum("num_non_blocking_error", HOOK, hook)), width=85),
                p.Column("Mean time", p.of_events(_mean("total_duration_ms", HOOK, hook)), "ms", 1, 105),
                p.Column("All time", p.of_events(_sum("total_duration_ms", HOOK, hook)), "ms", 1, 95),
            ],
            width=16,
        ),
        p.breakdown(
            "Plugins loaded",
            f"How often a start of Claude Code loaded each plugin in the range, the built-in ones included. {FOLDED}",
            {
                "plugin_name": "Plugin",
                "plugin_version": "Version",
                "marketplace_name": "Marketplace",
                "plugin_scope": "Scope",
                "enabled_via": "Enabled by",
            },
            [
                _times(
                    "plugin_loaded",
                    "plugin_name, plugin_version, marketplace_name, plugin_scope, enabled_via",
                    "Starts",
                )
            ],
            width=24,
        ),
    ]
