# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was done with Claude Code: lines, commits, pull requests, time, and how often its edits were accepted."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard, stat, table

from dashboards import panels as p
from dashboards import queries as q

UID = "claude-code-productivity"
NOT_BY_MODEL = "Not filtered by model."
NOR_REPOSITORY = "Not filtered by model or repository."
LINES = {kind: q.Metric(q.LINES, f'type="{kind}"') for kind in p.LINE_COLORS}
CLAUDE = q.Metric(q.ACTIVE_TIME, 'type="cli"')
PEOPLE = q.Metric(q.ACTIVE_TIME, 'type="user"')
SESSIONS = q.Metric(q.SESSIONS, q.STARTED)
COMMITS = q.Metric(q.COMMITS)
PULL_REQUESTS = q.Metric(q.PULL_REQUESTS)
DECISIONS = q.Metric(q.EDIT_DECISIONS)
ACCEPTED = q.Metric(q.EDIT_DECISIONS, 'decision="accept"')
PROMPTS = q.event_count("user_prompt", where='command_name=""')


def build() -> dashboard.Dashboard:
    result = p.base(
        "Claude Code productivity",
        UID,
        "What was done with Claude Code. It counts what Claude did, not what that was worth.",
        q.TEAMS,
        time="now-7d",
    )
    return p.in_rows(
        result,
        ("In all", [*_work(), *_time()]),
        ("Over time", _over_time()),
        ("By team and model", [_by_team(), _by_model()]),
        ("Edits: accepted or not", _edits()),
    )


def _work() -> list[stat.Panel]:
    prompts = p.number(
        "Prompts",
        f"Prompts people sent in the range, without slash commands, counted from events. {NOT_BY_MODEL}",
        p.event(PROMPTS),
        "locale",
        width=4,
        decimals=0,
    )
    totals = [
        p.compared(title, description, metric.total(), metric.before(), "locale", width=4, color=color)
        for title, description, metric, color in (
            ("Lines added", "By Claude's edits.", LINES["added"], p.LINE_COLORS["added"]),
            ("Lines removed", "By Claude's edits.", LINES["removed"], p.LINE_COLORS["removed"]),
            ("Commits", f"Made by Claude. {NOT_BY_MODEL}", COMMITS, "text"),
            ("Pull requests", f"Opened by Claude. {NOT_BY_MODEL}", PULL_REQUESTS, "text"),
            ("Sessions", f"Starts: fresh, resumed and continued. {NOT_BY_MODEL}", SESSIONS, "text"),
        )
    ]
    return [*totals, prompts]


def _time() -> list[stat.Panel]:
    return [
        p.compared(
            "Claude at work",
            f"Time Claude worked on a prompt. {NOT_BY_MODEL}",
            CLAUDE.total(),
            CLAUDE.before(),
            "s",
            width=4,
            color=p.TIME_COLORS["cli"],
            decimals=1,
        ),
        p.compared(
            "People at work",
            f"Time people typed or read in a session at a terminal. {NOT_BY_MODEL}",
            PEOPLE.total(),
            PEOPLE.before(),
            "s",
            width=4,
            color=p.TIME_COLORS["user"],
            decimals=1,
        ),
        p.number(
            "Claude's share of time",
            "Share of the active time in which Claude worked; in the rest people typed or read. Sessions without a "
            f"terminal have only the first. {NOT_BY_MODEL}",
            p.metric(q.ratio(CLAUDE.total(), q.Metric(q.ACTIVE_TIME).total())),
            "percentunit",
            width=4,
            decimals=1,
        ),
        p.number(
            "Edits accepted",
            f"Share of Claude's file edits that a person or a rule accepted. {NOR_REPOSITORY}",
            p.metric(q.ratio(ACCEPTED.total(), DECISIONS.total())),
            "percentunit",
            width=4,
            decimals=1,
        ),
        p.number(
            "Lines per session",
            "Lines added by starts of Claude Code. Only the lines are filtered by model.",
            p.metric(q.ratio(LINES["added"].total(), SESSIONS.total())),
            "locale",
            width=4,
            decimals=1,
        ),
        p.number(
            "Time per session",
            f"Claude's and people's time together, by starts of Claude Code. {NOT_BY_MODEL}",
            p.metric(q.ratio(q.Metric(q.ACTIVE_TIME).total(), SESSIONS.total())),
            "s",
            width=4,
            decimals=1,
        ),
    ]


def _over_time() -> list[p.Panel]:
    return [
        p.colored(
            p.bar_chart(
                "Lines by type",
                "Lines added and removed by Claude's edits.",
                p.metric_bars(q.Metric(q.LINES).bars("type"), legend="{{type}}"),
                "short",
                width=12,
                height=9,
            ),
            p.LINE_COLORS,
        ),
        p.colored(
            p.bar_chart(
                "Active time",
                f"cli: Claude at work. user: people typing or reading at a terminal. {NOT_BY_MODEL}",
                p.metric_bars(q.Metric(q.ACTIVE_TIME).bars("type"), legend="{{type}}"),
                "s",
                width=12,
                height=9,
            ),
            p.TIME_COLORS,
        ),
        p.bar_chart(
            "Commits and pull requests",
            f"Made and opened by Claude. {NOT_BY_MODEL}",
            [
                *p.metric_bars(COMMITS.bars(), legend="commits"),
                *p.metric_bars(PULL_REQUESTS.bars(), legend="pull requests", ref_ids="CD"),
            ],
            "short",
            width=12,
            height=9,
        ),
        p.bar_chart(
            "Sessions by start",
            f"fresh: new. resume: an old one taken up again. continue: the last one taken up again. {NOT_BY_MODEL}",
            p.metric_bars(SESSIONS.bars("start_type"), legend="{{start_type}}"),
            "short",
            width=12,
            height=9,
        ),
    ]


def _by_team() -> table.Panel:
    by = "team"
    return p.breakdown(
        "Teams",
        f"{p.CLAIMED} In the order of their names. Accepted: share of Claude's file edits. Only lines are filtered by "
        "model, and accepted edits not by repository.",
        {by: "Team"},
        [
            *(p.Column(kind.capitalize(), p.of_metric(metric.total(by)), decimals=0) for kind, metric in LINES.items()),
            p.Column("Commits", p.of_metric(COMMITS.total(by)), decimals=0),
            p.Column("Pull requests", p.of_metric(PULL_REQUESTS.total(by)), decimals=0, width=115),
            p.Column("Sessions", p.of_metric(SESSIONS.total(by)), decimals=0),
            p.Column("Claude", p.of_metric(CLAUDE.total(by)), "s", 1),
            p.Column("People", p.of_metric(PEOPLE.total(by)), "s", 1),
            p.Column("Accepted", p.of_metric(q.ratio(ACCEPTED.total(by), DECISIONS.total(by))), "percentunit", 1),
        ],
        width=16,
        height=8,
        sort="Team",
        ascending=True,
    )


def _by_model() -> table.Panel:
    by = "model"
    return p.breakdown(
        "Models",
        "Lines by the model that was asked for.",
        {by: "Model"},
        [p.Column(kind.capitalize(), p.of_metric(metric.total(by)), decimals=0) for kind, metric in LINES.items()],
        width=8,
        height=8,
    )


def _edits() -> list[table.Panel]:
    sources = (
        "config: settings or a mode allow or deny it. hook: a hook did. user_temporary and user_permanent: a person "
        "said yes, once or for good. user_reject and user_abort: a person said no."
    )
    return [
        _accepted("Edits by tool", "Edit changes a file, Write makes one, NotebookEdit a cell.", "tool_name", "Tool"),
        _accepted("Edits by language", "By the file's name.", "language", "Language"),
        p.breakdown(
            "Edits by who decided",
            f"{sources} {NOR_REPOSITORY}",
            {"source": "Decided by"},
            [
                p.Column("Accepted", p.of_metric(ACCEPTED.total("source")), decimals=0),
                p.Column(
                    "Rejected", p.of_metric(q.Metric(q.EDIT_DECISIONS, 'decision="reject"').total("source")), decimals=0
                ),
            ],
            width=8,
        ),
    ]


def _accepted(title: str, description: str, by: str, heading: str) -> table.Panel:
    return p.breakdown(
        title,
        f"{description} Accepted: by a person or by a rule. {NOR_REPOSITORY}",
        {by: heading},
        [
            p.Column("Edits", p.of_metric(DECISIONS.total(by)), decimals=0, width=90),
            p.Column(
                "Accepted",
                p.of_metric(q.ratio(ACCEPTED.total(by), DECISIONS.total(by))),
                "percentunit",
                1,
                200,
                (),
                True,
            ),
        ],
        width=8,
    )
