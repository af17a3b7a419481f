# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One session from its first event to its last."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard, stat, table
from grafana_foundation_sdk.models.common import LogsSortOrder
from grafana_foundation_sdk.models.loki import LokiQueryDirection

from dashboards import panels as p
from dashboards import queries as q
from dashboards.developers import TO_DEVELOPER

UID = "claude-code-session"
# Whom the table of sessions lists. The session itself is not filtered: its id says all.
LISTED = q.Scope(("team", "developer"))
CHOSEN = q.Scope(())
SESSION = 'session_id="$session"'
FAILED_TOOL = 'success="false"'
TO_SESSION = (
    f"/d/{UID}?${{__url_time_range}}&${{team:queryparam}}&${{developer:queryparam}}&var-session=${{__value.raw}}"
)

# An attribute that an event does not carry is empty.
LINE = (
    '{{printf "%-26s" .event_name}}'
    "{{if .tool_name}} {{.tool_name}}{{end}}"
    "{{if .agent_type}} {{.agent_type}}{{end}}"
    "{{if .skill_name}} {{.skill_name}}{{end}}"
    "{{if .command_name}} /{{.command_name}}{{end}}"
    "{{if .model}} {{.model}}{{end}}"
    "{{if .decision}} {{.decision}} by {{.source}}{{end}}"
    '{{if eq .success "false"}} failed {{.error_type}}{{end}}'
    "{{if .prompt_length}} {{.prompt_length}} characters{{end}}"
    "{{if .cost_usd}} {{.input_tokens}} in, {{.output_tokens}} out, {{.cache_read_tokens}} from cache,"
    " {{.cost_usd}} USD{{end}}"
    "{{if .status_code}} status {{.status_code}}{{end}}"
    "{{if .attempt}} after {{.attempt}} attempts{{end}}"
    "{{if .to_mode}} from {{.from_mode}} to {{.to_mode}}{{end}}"
    "{{if .pre_tokens}} from {{.pre_tokens}} to {{.post_tokens}} tokens{{end}}"
    "{{if .hook_name}} {{.hook_name}}{{end}}"
    "{{if .plugin_name}} {{.plugin_name}}{{end}}"
    "{{if .transport_type}} {{.transport_type}} {{.status}}{{end}}"
    "{{if .duration_ms}} {{.duration_ms}} ms{{end}}"
)


def build() -> dashboard.Dashboard:
    result = p.base(
        "Claude Code session explorer",
        UID,
        "Choose a session from the table, then read it event by event. Give a range that covers the whole session.",
        LISTED,
        time="now-6h",
    ).with_variable(dashboard.TextBoxVariable("session").label("Session"))
    return p.in_rows(
        result,
        ("Sessions in the range", [_sessions()]),
        ("The session", [_who(), *_numbers(), *_spent(), *_worked()]),
        ("Its events", [_timeline()]),
    )


def _sessions() -> table.Panel:
    by = "session_id, developer, team"

    def total(series: str) -> str:
        return q.Metric(series, scope=LISTED, per=q.SAMPLES).exact(by)

    def count(*names: str, where: str = "") -> str:
        return q.event_count(*names, where=where, by=by, scope=LISTED)

    return p.breakdown(
        "Sessions",
        "Every session with an event in the range; all numbers are those of the range. Errors: requests given up and "
        "tool calls that failed. A click on the session shows it below, one on the developer leads to their page. "
        "Choose a developer if there are too many.",
        {"session_id": "Session", "developer": "Developer", "team": "Team"},
        [
            p.Column("First event", p.of_events(q.event_first(".+", by=by, scope=LISTED)), "dateTimeAsIso", None, 165),
            p.Column("Cost", p.of_metric(total(q.COST)), "currencyUSD", 2, 85),
            p.Column("Tokens", p.of_metric(total(q.TOKENS)), "short", None, 90),
            p.Column("Requests", p.of_events(count("api_request")), width=95),
            p.Column("Tool calls", p.of_events(count("tool_result")), width=95),
            p.Column(
                "Errors",
                p.of_events(f"sum by ({by}) ({count('api_error')} or {count('tool_result', where=FAILED_TOOL)})"),
                colors=((None, "text"), (1, "orange")),
                width=80,
            ),
        ],
        width=24,
        height=10,
        links={"Session": TO_SESSION, "Developer": TO_DEVELOPER},
    ).override_by_name("Session", [p.setting("custom.width", 310)])


def _count(*names: str, where: str = "", by: str = "", window: str = q.RANGE) -> str:
    chosen = f"{SESSION} | {where}" if where else SESSION
    return q.event_count(*names, where=chosen, by=by, window=window, scope=CHOSEN)


def _metric(series: str, by: str = "", *where: str) -> str:
    return q.Metric(series, SESSION, *where, scope=CHOSEN, per=q.SAMPLES).exact(by)


def _who() -> table.Panel:
    by = "developer, team, service_name, service_version, os_type, terminal_type"
    return p.breakdown(
        "Who and where",
        "Of the chosen session, within the range. More than one line: it was resumed elsewhere, or after an update.",
        {
            "developer": "Developer",
            "team": "Team",
            "service_name": "Service",
            "service_version": "Version",
            "os_type": "System",
            "terminal_type": "Terminal",
        },
        [
            p.Column(
                "First event",
                p.of_events(q.event_first(".+", where=SESSION, by=by, scope=CHOSEN)),
                "dateTimeAsIso",
                None,
                165,
            ),
            p.Column(
                "Last event",
                p.of_events(q.event_last(".+", where=SESSION, by=by, scope=CHOSEN)),
                "dateTimeAsIso",
                None,
                165,
            ),
            p.Column("Events", p.of_events(_count(".+", by=by)), width=85),
        ],
        width=24,
        height=4,
        links={"Developer": TO_DEVELOPER},
    )


def _numbers() -> list[stat.Panel]:
    return [
        p.number(
            "Cost",
            "What the client says the session's requests cost, within the range. Exact.",
            p.metric(_metric(q.COST)),
            "currencyUSD",
            width=4,
            color="green",
            decimals=2,
        ),
        p.number(
            "Tokens",
            "Of all four kinds, cache reads included, within the range.",
            p.metric(_metric(q.TOKENS)),
            "short",
            width=4,
            color="blue",
        ),
        p.number(
            "Requests",
            "Requests the model answered, within the range.",
            p.event(_count("api_request")),
            "locale",
            width=4,
            decimals=0,
        ),
        p.number(
            "Prompts",
            "What was asked, slash commands included, within the range.",
            p.event(_count("user_prompt")),
            "locale",
            width=4,
            decimals=0,
        ),
        p.number(
            "Active time",
            "cli: Claude at work. user: a person typing or reading. Within the range.",
            p.metric(_metric(q.ACTIVE_TIME, "type"), legend="{{type}}"),
            "s",
            width=4,
            decimals=1,
        ),
        p.number(
            "Lines of code",
            "Lines added and removed by Claude's edits, within the range.",
            p.metric(_metric(q.LINES, "type"), legend="{{type}}"),
            "short",
            width=4,
            decimals=0,
        ),
    ]


def _spent() -> list[p.Panel]:
    by = "model, query_source"
    return [
        p.breakdown(
            "Cost by model and source",
            "Within the range. By the model asked for; main: the conversation, subagent: an agent it started.",
            {"model": "Model", "query_source": "Source"},
            [
                p.Column("Cost", p.of_metric(_metric(q.COST, by)), "currencyUSD", 4, 95),
                p.Column("Tokens", p.of_metric(_metric(q.TOKENS, by)), "short", None, 95),
            ],
            width=12,
            height=8,
        ),
        p.bar_chart(
            "Cost over time",
            "Of the requests in each step, from the events, by the model that answered.",
            p.event_range(
                q.event_total("cost_usd", where=SESSION, by="model", window=q.EVENT_BAR, scope=CHOSEN),
                legend="{{model}}",
            ),
            "currencyUSD",
            width=12,
            height=8,
        ),
    ]


def _worked() -> list[table.Panel]:
    tool, decision = "tool_name", "tool_name, decision, source"
    return [
        p.breakdown(
            "Tools used",
            "Calls that ran, within the range. Tools of MCP servers are all called mcp_tool unless clients set "
            "OTEL_LOG_TOOL_DETAILS.",
            {"tool_name": "Tool"},
            [
                p.Column("Calls", p.of_events(_count("tool_result", by=tool)), width=85),
                p.Column("Failed", p.of_events(_count("tool_result", where=FAILED_TOOL, by=tool)), width=85),
                p.Column(
                    "Time",
                    p.of_events(q.event_total("duration_ms", "tool_result", where=SESSION, by=tool, scope=CHOSEN)),
                    "ms",
                    1,
                    95,
                ),
            ],
            width=12,
            height=8,
        ),
        p.breakdown(
            "Decisions",
            "Tool calls permitted or turned down, within the range, and what decided.",
            {"tool_name": "Tool", "decision": "Decision", "source": "Source"},
            [p.Column("Times", p.of_events(_count("tool_decision", by=decision)), width=85)],
            width=12,
            height=8,
        ),
    ]


def _timeline() -> p.Panel:
    lines = f"{q.events('.+', where=SESSION, scope=CHOSEN)} | line_format `{LINE}`"
    return p.log_lines(
        "Timeline",
        "The first 5000 events of the chosen session in the range, oldest first. A click on one shows all its "
        "attributes. What was said is in none of them: with stack_privacy=full it is in the stream of content.",
        p.event_range(lines).max_lines(5000).direction(LokiQueryDirection.FORWARD),
        height=18,
    ).sort_order(LogsSortOrder.ASCENDING)
