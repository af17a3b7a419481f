# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a manager opens first: what Claude Code cost and did, against the time before, and whether all is well."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard, dashboardlist, stat, table, timeseries

from dashboards import accounting, cost, productivity, stack_health
from dashboards import panels as p
from dashboards import queries as q

UID = "claude-code-overview"
FIRING = 'ALERTS{alertstate="firing"}'
NOT_BY_MODEL = "Not filtered by model."

COST = q.Metric(q.COST)
TOKENS = q.Metric(q.TOKENS)
SESSIONS = q.Metric(q.SESSIONS, q.STARTED)
ADDED = q.Metric(q.LINES, 'type="added"')

MORE_COST = ("Cost and tokens", cost.UID)
MORE_CHECKS = ("Accounting", accounting.UID)
MORE_HEALTH = ("Stack health", stack_health.UID)
MORE_WORK = ("Productivity", productivity.UID)


def build() -> dashboard.Dashboard:
    result = p.base(
        "Claude Code overview",
        UID,
        "Cost, tokens and work of Claude Code in the chosen range, as exact sums of what the clients sent.",
        q.TEAMS,
    )
    return p.in_rows(
        result,
        ("At a glance", [*_totals(), *_work()]),
        ("Over time", [p.leads(chart, *MORE_COST) for chart in _over_time()]),
        ("Teams and alerts", [p.leads(_by_team(), *MORE_COST), p.leads(_alerts(), *MORE_HEALTH)]),
        (
            "Models, cross-check, more",
            [p.leads(_by_model(), *MORE_COST), p.leads(_cross_check(), *MORE_CHECKS), _more()],
        ),
    )


def _totals() -> list[stat.Panel]:
    return [
        p.compared(
            "Cost",
            "What the client says its API requests cost, at list prices. An estimate of the bill, and for model names "
            "of gateways and clouds only a guess by the client.",
            COST.total(),
            COST.before(),
            "currencyUSD",
            width=4,
            color="green",
            decimals=2,
        ),
        p.compared(
            "Tokens",
            "Tokens of all four kinds together, cache reads included.",
            TOKENS.total(),
            TOKENS.before(),
            "short",
            width=4,
            color="blue",
            decimals=1,
        ),
        p.compared(
            "Sessions",
            f"Starts of Claude Code: fresh, resumed and continued ones, each counted once. {NOT_BY_MODEL}",
            SESSIONS.total(),
            SESSIONS.before(),
            "locale",
            width=4,
        ),
        p.compared(
            "Active developers",
            f"Developers who started a session. All those without a developer name count as one. {NOT_BY_MODEL}",
            SESSIONS.count("developer"),
            SESSIONS.count_before("developer"),
            "locale",
            width=4,
        ),
        p.compared(
            "Active time",
            f"Time Claude was at work, and time people typed or read in a session, together. {NOT_BY_MODEL}",
            q.Metric(q.ACTIVE_TIME).total(),
            q.Metric(q.ACTIVE_TIME).before(),
            "s",
            width=4,
            decimals=1,
        ),
        p.leads(
            p.compared(
                "Lines added",
                "Lines added by Claude's edits. Lines a person wrote are not in here.",
                ADDED.total(),
                ADDED.before(),
                "locale",
                width=4,
            ),
            *MORE_WORK,
        ),
    ]


def _work() -> list[stat.Panel]:
    firing = p.number(
        "Alerts firing",
        "Alerts that fire now, whatever the range and the variables say. They are named below.",
        p.metric(f"count({FIRING}) or vector(0)"),
        "locale",
        width=4,
        decimals=0,
    )
    return [
        p.number(
            "Read from cache",
            "Share of the tokens sent to the model that came from the prompt cache, where they cost about a tenth.",
            p.metric(q.ratio(cost.KINDS["cacheRead"].total(), cost.SENT.total())),
            "percentunit",
            width=4,
            decimals=1,
        ),
        p.number(
            "Cost per session",
            "Cost by the number of session starts. Only the cost is filtered by model.",
            p.metric(q.ratio(COST.total(), SESSIONS.total())),
            "currencyUSD",
            width=4,
            decimals=2,
        ),
        p.number(
            "Commits",
            f"Commits made by Claude. {NOT_BY_MODEL}",
            p.metric(q.Metric(q.COMMITS).total()),
            "locale",
            width=4,
            decimals=0,
        ),
        p.number(
            "Pull requests",
            f"Pull requests opened by Claude. {NOT_BY_MODEL}",
            p.metric(q.Metric(q.PULL_REQUESTS).total()),
            "locale",
            width=4,
            decimals=0,
        ),
        p.leads(
            p.number(
                "Edits accepted",
                "Share of Claude's file edits that were accepted, by a person or by a rule. Not filtered by model or "
                "repository.",
                p.metric(q.ratio(productivity.ACCEPTED.total(), productivity.DECISIONS.total())),
                "percentunit",
                width=4,
                decimals=1,
            ),
            *MORE_WORK,
        ),
        p.watched(firing, (1, "red")),
    ]


def _over_time() -> list[timeseries.Panel]:
    return [
        p.bar_chart(
            "Cost by model",
            "By the model that was asked for. The bars add up to the total, but for the edges of the first and last.",
            p.metric_bars(COST.bars(by="model"), legend="{{model}}"),
            "currencyUSD",
            width=12,
        ),
        p.bar_chart(
            "Cost by team",
            f"{p.CLAIMED} The bars add up to the total, but for the edges of the first and last.",
            p.metric_bars(COST.bars(by="team"), legend="{{team}}"),
            "currencyUSD",
            width=12,
        ),
    ]


def _by_team() -> table.Panel:
    by = "team"
    return p.breakdown(
        "Teams",
        f"{p.CLAIMED} Before: the range of the same length just before. Lines: added ones. {p.UNFILTERED}",
        {"team": "Team"},
        [
            p.Column("Cost", p.of_metric(COST.total(by)), "currencyUSD", 2),
            p.Column("Before", p.of_metric(COST.before(by)), "currencyUSD", 2),
            p.Column("Change", p.of_metric(q.change(COST.total(by), COST.before(by))), "percentunit", 0),
            p.Column("Tokens", p.of_metric(TOKENS.total(by)), "short", 1),
            p.Column("Developers", p.of_metric(SESSIONS.count("developer", by)), decimals=0),
            p.Column("Sessions", p.of_metric(SESSIONS.total(by)), decimals=0),
            p.Column("Lines", p.of_metric(ADDED.total(by)), decimals=0),
            p.Column("Commits", p.of_metric(q.Metric(q.COMMITS).total(by)), decimals=0),
        ],
        width=15,
    )


def _by_model() -> table.Panel:
    by = "model"
    return p.breakdown(
        "Models",
        "By the model that was asked for.",
        {"model": "Model"},
        [
            p.Column("Cost", p.of_metric(COST.total(by)), "currencyUSD", 2, width=165, gauge=True),
            p.Column("Before", p.of_metric(COST.before(by)), "currencyUSD", 2, width=85),
            p.Column("Tokens", p.of_metric(TOKENS.total(by)), "short", 1, width=85),
        ],
        width=9,
        height=13,
    )


def _alerts() -> table.Panel:
    return p.breakdown(
        "Alerts that fire",
        "Now, by name, and how many of each. Whom one is about stays in Alertmanager and in Prometheus. Not filtered.",
        {"alertname": "Alert", "severity": "Severity"},
        [p.Column("Firing", p.of_metric(f"count by (alertname, severity) ({FIRING})"), decimals=0, width=80)],
        width=9,
    ).no_value("No alert fires.")


def _cross_check() -> table.Panel:
    in_metrics = q.Metric(q.COST, scope=q.ALL_MODELS, per=q.SAMPLES).exact("team")
    return p.breakdown(
        "Cost, counted twice",
        "The requests of the 24 hours up to the end of the range by metrics and by events, which reach the stores on "
        "separate paths, in each team. Equal where nobody worked at the edges: a metric comes up to a minute after the "
        "event. More in the dashboard Claude Code accounting. Not filtered by model.",
        {"team": "Team"},
        [
            p.Column("Metrics", p.of_metric(in_metrics), "currencyUSD", 4),
            p.Column("Events", p.of_events(q.event_total("cost_usd", by="team")), "currencyUSD", 4),
            p.Difference("Difference", "Metrics", "Events", "currencyUSD", 4, within=0.0001),
        ],
        width=9,
        height=13,
    ).time_from("24h")


def _more() -> dashboardlist.Panel:
    return (
        dashboardlist.Panel()
        .title("Dashboards")
        .description("Those of this collection that you may open, with the chosen range and variables.")
        .tags(["claude-code"])
        .show_search(True)
        .show_starred(False)
        .show_headings(False)
        .show_folder_names(False)
        .include_vars(True)
        .keep_time(True)
        .max_items(20)
        .height(13)
        .span(6)
    )
