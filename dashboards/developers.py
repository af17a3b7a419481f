# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One developer, or several: what they used and did. In the order of names, for this is no contest."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard, stat, table

from dashboards import panels as p
from dashboards import queries as q

UID = "claude-code-developers"
NAMES = "The developer is whom the client's settings name, unless the collector authenticates its clients."
NOT_BY_MODEL = "Not filtered by model."
TO_SESSION = "/d/claude-code-session?${__url_time_range}&var-session=${__value.raw}"
TO_DEVELOPER = f"/d/{UID}?${{__url_time_range}}&var-developer=${{__value.raw}}"


def _metric(series: str, *where: str) -> q.Metric:
    return q.Metric(series, *where, scope=q.PEOPLE)


COST = _metric(q.COST)
TOKENS = _metric(q.TOKENS)
SESSIONS = _metric(q.SESSIONS, q.STARTED)
ACTIVE = _metric(q.ACTIVE_TIME)
LINES = {kind: _metric(q.LINES, f'type="{kind}"') for kind in p.LINE_COLORS}


def build() -> dashboard.Dashboard:
    result = p.base(
        "Claude Code developers",
        UID,
        "What developers used and did with Claude Code. Choose one or several above.",
        q.PEOPLE,
        time="now-7d",
    )
    return p.in_rows(
        result,
        ("In all", _totals()),
        ("By developer", [_developers()]),
        ("Day by day", _days()),
        ("Sessions", [_sessions()]),
    )


def _totals() -> list[stat.Panel]:
    return [
        p.compared(title, f"{description} Of the chosen developers.", now, before, unit, width=4, decimals=decimals)
        for title, description, now, before, unit, decimals in (
            ("Cost", "As the client computes it, at list prices.", COST.total(), COST.before(), "currencyUSD", 2),
            ("Tokens", "Of all four kinds, cache reads included.", TOKENS.total(), TOKENS.before(), "short", 1),
            ("Sessions", f"Starts. {NOT_BY_MODEL}", SESSIONS.total(), SESSIONS.before(), "locale", 0),
            (
                "Active developers",
                "Who started a session.",
                SESSIONS.count("developer"),
                SESSIONS.count_before("developer"),
                "locale",
                0,
            ),
            ("Active time", f"Claude's and people's. {NOT_BY_MODEL}", ACTIVE.total(), ACTIVE.before(), "s", 1),
            ("Lines added", "By Claude's edits.", LINES["added"].total(), LINES["added"].before(), "locale", 0),
        )
    ]


def _developers() -> table.Panel:
    by = "developer"
    claude, person = (_metric(q.ACTIVE_TIME, f'type="{kind}"') for kind in p.TIME_COLORS)
    return p.breakdown(
        "Developers",
        f"In the order of their names. {NAMES} Claude: time it worked. At the terminal: time the developer typed or "
        "read. Only cost, tokens and lines are filtered by model.",
        {by: "Developer"},
        [
            p.Column("Cost", p.of_metric(COST.total(by)), "currencyUSD", 2),
            p.Column("Before", p.of_metric(COST.before(by)), "currencyUSD", 2),
            p.Column("Tokens", p.of_metric(TOKENS.total(by)), "short", 1),
            p.Column("Sessions", p.of_metric(SESSIONS.total(by)), decimals=0),
            *(
                p.Column(f"Lines {kind}", p.of_metric(metric.total(by)), decimals=0, width=120)
                for kind, metric in LINES.items()
            ),
            p.Column("Commits", p.of_metric(_metric(q.COMMITS).total(by)), decimals=0),
            p.Column("Pull requests", p.of_metric(_metric(q.PULL_REQUESTS).total(by)), decimals=0, width=120),
            p.Column("Claude", p.of_metric(claude.total(by)), "s", 1),
            p.Column("At the terminal", p.of_metric(person.total(by)), "s", 1, width=130),
        ],
        width=24,
        height=12,
        sort="Developer",
        ascending=True,
        links={"Developer": TO_DEVELOPER},
    )


def _days() -> list[p.Panel]:
    by = "developer"
    days = "A bar is a day: the viewer's, where the range is 7 days or less."
    return [
        p.bar_chart(
            title,
            f"{description} {days}",
            p.metric_bars(metric.bars(by), legend="{{developer}}", daily=True),
            unit,
            width=12,
            height=12,
            sort="Name",
        )
        for title, description, metric, unit in (
            ("Cost by day", "As the client computes it, at list prices.", COST, "currencyUSD"),
            ("Tokens by day", "Of all four kinds, cache reads included.", TOKENS, "short"),
            ("Active time by day", f"Claude's and people's. {NOT_BY_MODEL}", ACTIVE, "s"),
            ("Lines added by day", "By Claude's edits.", LINES["added"], "short"),
        )
    ]


def _sessions() -> table.Panel:
    by = "session_id, developer"
    return p.breakdown(
        "Sessions of these developers",
        "In the range, to the minute. A click on one opens it event by event. Whole days know of no single session: "
        "empty where the range is longer than 7 days.",
        {"session_id": "Session", "developer": "Developer"},
        [
            p.Column("Cost", p.of_metric(COST.exact(by)), "currencyUSD", 4),
            p.Column("Tokens", p.of_metric(TOKENS.exact(by)), "short", 1),
        ],
        width=24,
        height=12,
        sort="Developer",
        ascending=True,
        links={"Session": TO_SESSION, "Developer": TO_DEVELOPER},
    ).no_value("Choose a range of 7 days or less.")
