# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Claude Code was allowed to do, and what clients disclose. By team: no developer is named here."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard, stat

from dashboards import panels as p
from dashboards import queries as q

UID = "claude-code-governance"
SCOPE = q.ALL_MODELS
BYPASS = "bypassPermissions"
REJECTED = 'decision="reject"'
# The events that carry what people and models wrote. The collector marks those that did, whether it keeps that or not.
CONTENT = (
    "user_prompt",
    "assistant_response",
    "tool_decision",
    "tool_result",
    "api_request_body",
    "api_response_body",
    "managed_settings_resolved",
)
DECISION_COLORS = {
    "accept by config": "green",
    "accept by hook": "dark-green",
    "accept by user_temporary": "blue",
    "accept by user_permanent": "purple",
    "reject by config": "dark-red",
    "reject by hook": "red",
    "reject by user_reject": "orange",
    "reject by user_abort": "yellow",
}
UNEXPECTED = 'model!~"$expected"'


def build() -> dashboard.Dashboard:
    result = p.base(
        "Claude Code governance",
        UID,
        "What Claude Code was allowed to do, by whom, and what clients disclose. By team, without names.",
        SCOPE,
    ).with_variable(dashboard.TextBoxVariable("expected").label("Expected models").default_value("(.*[./])?claude-.*"))
    return p.in_rows(
        result,
        ("At a glance", _glance()),
        ("Decisions about tools", _decisions()),
        ("Permission modes", _modes()),
        ("What clients disclose, and which models they ask", _disclosed()),
        ("Managed settings, plugins, MCP servers", _installed()),
    )


def _count(*names: str, where: str = "", by: str = "", window: str = q.RANGE) -> str:
    return q.event_count(*names, where=where, by=by, window=window, scope=SCOPE)


def _times(*names: str, by: str, title: str = "Times", where: str = "") -> p.Column:
    return p.Column(title, p.of_events(_count(*names, where=where, by=by)), width=115)


def _number(title: str, description: str, expr: str, unit: str = "locale", decimals: int = 0) -> stat.Panel:
    return p.number(title, description, p.event(expr), unit, width=4, decimals=decimals)


def _glance() -> list[p.Panel]:
    return [
        _number("Decisions", "Tool calls in the range that were permitted or turned down.", _count("tool_decision")),
        _number(
            "Turned down",
            "Share of the decisions in the range that turned a tool call down, by a person, a rule or a hook.",
            q.ratio(_count("tool_decision", where=REJECTED), _count("tool_decision")),
            "percentunit",
            1,
        ),
        _number(
            "Permitted for good",
            "Decisions in the range that rest on a permission somebody gave once and for all (user_permanent).",
            _count("tool_decision", where='decision="accept" | source="user_permanent"'),
        ),
        p.watched(
            _number(
                "Calls without asking",
                f"Tool calls in the range in the mode {BYPASS}, where nobody is asked.",
                _count("tool_decision", where=f'permission_mode="{BYPASS}"'),
            ),
            (1, "orange"),
        ),
        p.watched(
            _number(
                "Settings refused",
                "Starts in the range at which Claude Code refused its managed settings.",
                _count("managed_settings_resolved", where='managed_settings_trigger="refused"'),
            ),
            (1, "red"),
        ),
        p.watched(
            p.number(
                "Unexpected models",
                "Models asked for that the variable Expected models, a regular expression, does not match.",
                p.metric(q.Metric(q.TOKENS, UNEXPECTED, scope=SCOPE).count("model")),
                "locale",
                width=4,
                decimals=0,
            ),
            (1, "orange"),
        ),
    ]


def _decisions() -> list[p.Panel]:
    return [
        p.breakdown(
            "Decisions by tool",
            "In the range. Source: config, a rule or setting; hook; user_temporary, a person for this time; "
            "user_permanent, a person for good; user_reject and user_abort, a person who said no. Tools of MCP servers "
            "are all called mcp_tool unless clients set OTEL_LOG_TOOL_DETAILS.",
            {"tool_name": "Tool", "source": "Source", "decision": "Decision"},
            [_times("tool_decision", by="tool_name, source, decision")],
            width=12,
            height=11,
        ),
        p.colored(
            p.bar_chart(
                "Decisions over time",
                "Permitted and turned down tool calls, by what decided.",
                p.event_range(
                    _count("tool_decision", by="decision, source", window=q.EVENT_BAR),
                    legend="{{decision}} by {{source}}",
                ),
                "short",
                width=12,
                height=11,
            ),
            DECISION_COLORS,
        ),
        p.breakdown(
            "Turned down by team",
            "Decisions in the range, and the share of them that turned a tool call down.",
            {"team": "Team"},
            [
                _times("tool_decision", by="team", title="Decisions"),
                _times("tool_decision", by="team", title="Turned down", where=REJECTED),
                p.Column(
                    "Share",
                    p.of_events(
                        q.ratio(_count("tool_decision", where=REJECTED, by="team"), _count("tool_decision", by="team"))
                    ),
                    "percentunit",
                    1,
                    90,
                ),
            ],
            width=12,
            height=7,
        ),
        p.breakdown(
            "Permitted for good by team",
            "Decisions in the range that rest on a permission somebody gave once and for all, by tool.",
            {"team": "Team", "tool_name": "Tool"},
            [
                _times(
                    "tool_decision",
                    by="team, tool_name",
                    where='decision="accept" | source="user_permanent"',
                )
            ],
            width=12,
            height=7,
        ),
    ]


def _modes() -> list[p.Panel]:
    return [
        p.watched(
            p.number(
                "Escalations",
                f"Changes in the range to the mode {BYPASS}. A session that starts in it does not change to it.",
                p.event(_count("permission_mode_changed", where=f'to_mode="{BYPASS}"')),
                "locale",
                width=4,
                height=8,
                decimals=0,
            ),
            (1, "red"),
        ),
        p.breakdown(
            "Tool calls by permission mode",
            f"Decisions in the range, by the mode Claude Code was in. In {BYPASS} nobody is asked.",
            {"team": "Team", "permission_mode": "Mode"},
            [_times("tool_decision", by="team, permission_mode", title="Decisions")],
            width=8,
            height=8,
        ),
        p.breakdown(
            "Changes of the permission mode",
            "In the range. A session that starts in a mode does not change it, so it is not in here. No trigger: the "
            "client did not say.",
            {"team": "Team", "from_mode": "From", "to_mode": "To", "trigger": "Trigger"},
            [_times("permission_mode_changed", by="team, from_mode, to_mode, trigger")],
            width=12,
            height=8,
        ),
    ]


def _disclosed() -> list[p.Panel]:
    sessions = _count(*CONTENT, where='disclosed!=""', by="team, disclosed, session_id")
    return [
        p.breakdown(
            "Clients that disclose content",
            "Sessions in the range whose clients sent prompts, answers, the arguments of tools, whole requests or "
            "managed settings, whether the collector keeps them or not. Key: the client's variable that lets them "
            "out. In strict all are off in the settings that this collection writes.",
            {"team": "Team", "disclosed": "Key"},
            [p.Column("Sessions", p.of_events(f"count by (team, disclosed) ({sessions})"), width=100)],
            width=12,
            height=8,
        ),
        p.breakdown(
            "Unexpected models by team",
            "Their tokens in the range. Expected models, above, is a regular expression; these do not match. What the "
            "client says they cost is only a guess.",
            {"team": "Team", "model": "Model"},
            [
                p.Column(
                    "Tokens",
                    p.of_metric(q.Metric(q.TOKENS, UNEXPECTED, scope=SCOPE).total(by="team, model")),
                    "short",
                    None,
                    100,
                )
            ],
            width=12,
            height=8,
        ),
    ]


def _installed() -> list[p.Panel]:
    return [
        p.breakdown(
            "Managed settings",
            "Starts of Claude Code in the range, by where its managed settings came from. No source: it has none. "
            "refused: it would not start with them.",
            {
                "team": "Team",
                "managed_settings_trigger": "Trigger",
                "managed_settings_sources": "Sources",
                "error_type": "Error",
            },
            [
                _times(
                    "managed_settings_resolved",
                    by="team, managed_settings_trigger, managed_settings_sources, error_type",
                    title="Starts",
                )
            ],
            width=12,
        ),
        p.breakdown(
            "MCP servers connected",
            "Connections in the range, by team. The server's name is empty unless clients set OTEL_LOG_TOOL_DETAILS.",
            {"team": "Team", "server_name": "Server", "transport_type": "Transport", "server_scope": "Scope"},
            [
                _times(
                    "mcp_server_connection",
                    by="team, server_name, transport_type, server_scope",
                    where='status="connected"',
                )
            ],
            width=12,
        ),
        p.breakdown(
            "Plugins installed",
            "In the range. Names of plugins from elsewhere read third-party unless clients set OTEL_LOG_TOOL_DETAILS.",
            {
                "team": "Team",
                "plugin_name": "Plugin",
                "plugin_version": "Version",
                "marketplace_name": "Marketplace",
                "marketplace_is_official": "Official",
                "install_trigger": "Trigger",
            },
            [
                _times(
                    "plugin_installed",
                    by="team, plugin_name, plugin_version, marketplace_name, marketplace_is_official, install_trigger",
                )
            ],
            width=24,
            height=7,
        ),
    ]
