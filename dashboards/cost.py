# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Claude Code costs: in all, by everything that cost can be told apart by, and for what it bought.

No price stands here: prices change, and what the data itself says of them is right.
"""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard, stat, table
from grafana_foundation_sdk.models.common import VisibilityMode

from dashboards import panels as p
from dashboards import queries as q

UID = "claude-code-cost"
COST = q.Metric(q.COST)
TOKENS = q.Metric(q.TOKENS)
KINDS = {kind: q.Metric(q.TOKENS, f'type="{kind}"') for kind in p.TOKEN_COLORS}
SENT = q.Metric(q.TOKENS, 'type!="output"')
SESSIONS = q.Metric(q.SESSIONS, q.STARTED)
ADDED = q.Metric(q.LINES, 'type="added"')
DAYS = q.Metric(q.COST, per=q.WHOLE_DAYS)
MONTH = "now/M"
SHARE = "Only the cost is filtered by model."
LIST_PRICES = "At list prices, as the client computes it: an estimate of the bill."
FOLDED = "Names people chose themselves read custom or third-party unless clients set OTEL_LOG_TOOL_DETAILS."
REPOSITORY = "Clients say the repository only with OTEL_METRICS_INCLUDE_REPOSITORY; the others are in the row none."


def build() -> dashboard.Dashboard:
    result = p.base(
        "Claude Code cost and tokens",
        UID,
        "Cost and tokens by model, team, repository, agent and skill, what the cache saves, and what the money bought.",
        q.TEAMS,
        time="now-7d",
    )
    return p.in_rows(
        result,
        ("In all", [*_totals(), *_month()]),
        ("What it bought", _bought()),
        ("Over time", _over_time()),
        ("By model and team", [_by_model(), _by_team(), _by_repository()]),
        ("By who asked", [_by_source(), _by_agent(), _by_skill()]),
        ("Cache", _cache()),
    )


def _totals() -> list[stat.Panel]:
    return [
        p.compared(
            "Cost",
            f"{LIST_PRICES} For model names of gateways and clouds only a guess by the client.",
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
        p.number(
            "Per million tokens",
            "Cost by tokens of all kinds: the price in effect. It falls when more is read from the cache or by a "
            "cheaper model.",
            p.metric(q.ratio(f"1e6 * ({COST.total()})", TOKENS.total())),
            "currencyUSD",
            width=4,
            decimals=3,
        ),
        p.number(
            "Cost a day",
            "Cost by the length of the range, nights and weekends included.",
            p.metric(f"({COST.total()}) * 86400 / $__range_s"),
            "currencyUSD",
            width=4,
            decimals=2,
        ),
    ]


def _month() -> list[stat.Panel]:
    days = "Whole days (<<zone>>) and today so far, whatever the range."
    return [
        p.number(
            "This month so far",
            f"Cost since the month began in the viewer's time zone. {days}",
            p.metric(DAYS.total()),
            "currencyUSD",
            width=4,
            decimals=2,
        )
        .time_from(MONTH)
        .hide_time_override(True),
        p.number(
            "Month at this pace",
            "What the month would cost if the rest of it went like its days so far. No forecast: it knows of no "
            f"weekend and no holiday, and in the first days of a month it says little. {days}",
            p.metric(f"({DAYS.total()}) * scalar(days_in_month()) * 86400 / $__range_s"),
            "currencyUSD",
            width=4,
            decimals=2,
        )
        .time_from(MONTH)
        .hide_time_override(True),
    ]


def _bought() -> list[stat.Panel]:
    return [
        p.number(
            title,
            f"{description} {SHARE}",
            p.metric(q.ratio(COST.total(), by)),
            "currencyUSD",
            width=4,
            decimals=2,
        )
        for title, description, by in (
            ("Per session", "Cost by starts of Claude Code.", SESSIONS.total()),
            ("Per active developer", "Cost by developers who started a session.", SESSIONS.count("developer")),
            ("Per active hour", "Cost by the hours that Claude or a person was active.", _hours()),
            ("Per 100 lines", "Cost by lines added by Claude's edits. Much of it goes elsewhere.", _hundred_lines()),
            ("Per commit", "Cost by commits made by Claude.", q.Metric(q.COMMITS).total()),
            ("Per pull request", "Cost by pull requests opened by Claude.", q.Metric(q.PULL_REQUESTS).total()),
        )
    ]


def _hours() -> str:
    return f"({q.Metric(q.ACTIVE_TIME).total()}) / 3600"


def _hundred_lines() -> str:
    return f"({ADDED.total()}) / 100"


def _over_time() -> list[p.Panel]:
    return [
        p.bar_chart(
            "Cost by model over time",
            "By the model that was asked for.",
            p.metric_bars(COST.bars("model"), legend="{{model}}"),
            "currencyUSD",
            width=12,
        ),
        p.bar_chart(
            "Cost by team over time",
            p.CLAIMED,
            p.metric_bars(COST.bars("team"), legend="{{team}}"),
            "currencyUSD",
            width=12,
        ),
        p.colored(
            p.bar_chart(
                "Tokens by kind over time",
                p.KINDS,
                p.metric_bars(TOKENS.bars("type"), legend="{{type}}"),
                "short",
                width=12,
            ),
            p.TOKEN_COLORS,
        ),
        p.bar_chart(
            "Cost by query source over time",
            "main: the conversation. subagent: agents it started. auxiliary: titles, summaries and the like.",
            p.metric_bars(COST.bars("query_source"), legend="{{query_source}}"),
            "currencyUSD",
            width=12,
        ),
    ]


def _cost(by: str, metric: q.Metric = COST) -> p.Column:
    return p.Column("Cost", p.of_metric(metric.total(by)), "currencyUSD", 2, width=200, gauge=True)


def _tokens(by: str, metric: q.Metric = TOKENS) -> p.Column:
    return p.Column("Tokens", p.of_metric(metric.total(by)), "short", 1, width=90)


def _price(by: str) -> p.Column:
    price = q.ratio(f"1e6 * ({COST.total(by)})", TOKENS.total(by))
    return p.Column("Per million", p.of_metric(price), "currencyUSD", 3, width=110)


def _hit(by: str) -> p.Column:
    return p.Column(
        "From cache", p.of_metric(q.ratio(KINDS["cacheRead"].total(by), SENT.total(by))), "percentunit", 1, width=110
    )


def _by_model() -> table.Panel:
    return p.breakdown(
        "Models",
        f"By the model that was asked for. {p.KINDS} Per million: cost of a million tokens of all kinds. From cache: "
        "share of the tokens sent to the model.",
        {"model": "Model"},
        [
            _cost("model"),
            p.Column("Before", p.of_metric(COST.before("model")), "currencyUSD", 2),
            _tokens("model"),
            *(p.Column(kind, p.of_metric(metric.total("model")), "short", 1) for kind, metric in KINDS.items()),
            _price("model"),
            _hit("model"),
        ],
        width=24,
        height=8,
    )


def _by_team() -> table.Panel:
    by = "team"
    return p.breakdown(
        "Teams",
        f"{p.CLAIMED} Before: the range of the same length just before. Per session and per developer: {SHARE}",
        {"team": "Team"},
        [
            _cost(by),
            p.Column("Before", p.of_metric(COST.before(by)), "currencyUSD", 2),
            _tokens(by),
            _hit(by),
            p.Column("Per session", p.of_metric(q.ratio(COST.total(by), SESSIONS.total(by))), "currencyUSD", 2),
            p.Column(
                "Per developer",
                p.of_metric(q.ratio(COST.total(by), SESSIONS.count("developer", by))),
                "currencyUSD",
                2,
                width=120,
            ),
        ],
        width=14,
    )


def _by_repository() -> table.Panel:
    by = "vcs_repository_name"
    return p.breakdown("Repositories", REPOSITORY, {by: "Repository"}, [_cost(by), _tokens(by)], width=10)


def _by_source() -> table.Panel:
    by = "query_source"
    return p.breakdown(
        "Query sources",
        "main: the conversation. subagent: agents it started. auxiliary: titles, summaries and the like.",
        {by: "Asked by"},
        [_cost(by), _tokens(by)],
        width=8,
        height=8,
    )


def _by_agent() -> table.Panel:
    by = "agent_name"
    return p.breakdown(
        "Agents",
        f"Requests of agents that the conversation started. {FOLDED}",
        {by: "Agent"},
        [_cost(by, q.Metric(q.COST, f'{by}!=""'))],
        width=8,
        height=8,
    )


def _by_skill() -> table.Panel:
    by = "skill_name"
    return p.breakdown(
        "Skills",
        f"Requests made while a skill was at work. {FOLDED}",
        {by: "Skill"},
        [_cost(by, q.Metric(q.COST, f'{by}!=""'))],
        width=8,
        height=8,
    )


def _cache() -> list[p.Panel]:
    read, kept = KINDS["cacheRead"], KINDS["cacheCreation"]
    shares = tuple(q.ratio(part, whole) for part, whole in zip(read.bars(), SENT.bars()))
    return [
        p.number(
            "Read from cache",
            "Share of the tokens sent to the model that came from the prompt cache.",
            p.metric(q.ratio(read.total(), SENT.total())),
            "percentunit",
            width=4,
            height=8,
            decimals=1,
        ),
        p.number(
            "Not sent anew",
            "Tokens read from the cache. Without it each would have been sent again, at the full input price "
            "instead of about a tenth.",
            p.metric(read.total()),
            "short",
            width=4,
            height=8,
            color=p.TOKEN_COLORS["cacheRead"],
            decimals=1,
        ),
        p.number(
            "Reads per token kept",
            "How often a token put into the cache was read again. To keep one costs a quarter of its price more, or as "
            "much again if it is kept for an hour, so about two reads always pay.",
            p.metric(q.ratio(read.total(), kept.total())),
            "none",
            width=4,
            height=8,
            decimals=1,
        ),
        p.line_chart(
            "Read from cache over time",
            "Share of the tokens sent to the model that came from the prompt cache, in each step. A fall for no reason "
            "you know means prompts that change near their beginning, or pauses longer than the cache keeps them.",
            p.metric_bars((shares[0], shares[1]), legend="from cache"),
            "percentunit",
            width=12,
        )
        .max_data_points(p.MOST_BARS)
        .show_points(VisibilityMode.ALWAYS)
        .max(1),
    ]
