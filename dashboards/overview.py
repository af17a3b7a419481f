# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The first dashboard: what Claude Code cost and did, and whether the numbers can be trusted."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard, table
from grafana_foundation_sdk.builders.common import TableSortByFieldState
from grafana_foundation_sdk.models.dashboard import (
    DashboardRangeMapOptions,
    RangeMap,
    ValueMappingResult,
)

from dashboards import panels as p
from dashboards import queries as q

# What the metrics call a kind of token, and what the events call it.
TOKEN_FIELDS = {
    "input": "input_tokens",
    "output": "output_tokens",
    "cacheRead": "cache_read_tokens",
    "cacheCreation": "cache_creation_tokens",
}
COST_ROW = "cost, micro-USD"
DIFFERENCE = "Difference"
# Sums of decimal fractions, added in another order, differ in the last digit.
NO_DIFFERENCE = RangeMap(options=DashboardRangeMapOptions(from_val=-0.5, to=0.5, result=ValueMappingResult(text="0")))
UID = "claude-code-overview"
# The events name the model that answered, the metrics the one asked for.
ALL_MODELS = q.Scope(("team", "vcs_repository_name"))

# An attribute that an event does not carry is empty.
LINE = (
    '{{printf "%-22s" .event_name}} {{.developer}} {{.model}}{{.tool_name}}'
    "{{if .decision}} {{.decision}} by {{.source}}{{end}}"
    '{{if eq .success "false"}} failed: {{.error_type}}{{end}}'
    "{{if .cost_usd}} {{.cost_usd}} USD{{end}}"
    "{{if .status_code}} status {{.status_code}}{{end}}"
    "{{if .duration_ms}} {{.duration_ms}} ms{{end}}"
)


def build() -> dashboard.Dashboard:
    result = p.base(
        "Claude Code overview",
        UID,
        "Cost, tokens and work of Claude Code in the chosen range, as exact sums of what the clients sent.",
        q.TEAMS,
    )
    for row, panels in (
        ("Totals", [*_totals(), *_work()]),
        ("Over time", _over_time()),
        ("By team, and the cross-check", [_who(), _reconciliation()]),
        ("API and events", _events()),
    ):
        result.with_row(dashboard.Row(row))
        for panel in panels:
            result.with_panel(panel)
    return result


def _totals() -> list[p.Panel]:
    return [
        p.number(
            "Cost",
            "What the client says its API requests cost, at list prices. An estimate of the bill, and for model names "
            "of gateways and clouds only a guess by the client. The sum over the range is exact.",
            p.metric(q.Metric(q.COST).total()),
            "currencyUSD",
            width=4,
            color="green",
            decimals=2,
        ),
        p.number(
            "Tokens",
            "Tokens of all four kinds together, cache reads included.",
            p.metric(q.Metric(q.TOKENS).total()),
            "short",
            width=4,
            color="blue",
        ),
        p.number(
            "Sessions",
            "Starts of Claude Code: fresh, resumed and continued ones, each counted once. Not filtered by model.",
            p.metric(q.Metric(q.SESSIONS, q.STARTED).total()),
            "short",
            width=4,
            decimals=0,
        ),
        p.number(
            "Active developers",
            "Developers with at least one answered API request. All those without a developer name count as one.",
            p.metric(q.Metric(q.TOKENS).count("developer")),
            "short",
            width=4,
            decimals=0,
        ),
        p.number(
            "Active time",
            "cli: Claude at work. user: a person typing or reading in an interactive session. Not filtered by model.",
            p.metric(q.Metric(q.ACTIVE_TIME).total(by="type"), legend="{{type}}"),
            "s",
            width=4,
            decimals=1,
        ),
        p.number(
            "Read from cache",
            "Share of the tokens sent to the model that came from the prompt cache, where they cost about a tenth.",
            p.metric(
                q.ratio(q.Metric(q.TOKENS, 'type="cacheRead"').total(), q.Metric(q.TOKENS, 'type!="output"').total())
            ),
            "percentunit",
            width=4,
            decimals=1,
        ),
    ]


def _work() -> list[p.Panel]:
    return [
        p.number(
            "Tokens by kind",
            "input: sent anew. output: written by the model. cacheCreation: sent and kept. cacheRead: reused.",
            p.metric(q.Metric(q.TOKENS).total(by="type"), legend="{{type}}"),
            "short",
            width=8,
            color="blue",
        ),
        p.number(
            "Lines of code",
            "Lines added and removed by Claude's edits. Lines a person wrote are not in here.",
            p.metric(q.Metric(q.LINES).total(by="type"), legend="{{type}}"),
            "short",
            width=4,
        ),
        p.number(
            "Commits",
            "Commits made by Claude. Not filtered by model.",
            p.metric(q.Metric(q.COMMITS).total()),
            "short",
            width=4,
            decimals=0,
        ),
        p.number(
            "Pull requests",
            "Pull requests opened by Claude. Not filtered by model.",
            p.metric(q.Metric(q.PULL_REQUESTS).total()),
            "short",
            width=4,
            decimals=0,
        ),
        p.number(
            "Edits accepted",
            "Share of Claude's file edits that were accepted, by a person or by a rule. Not filtered by model.",
            p.metric(
                q.ratio(q.Metric(q.EDIT_DECISIONS, 'decision="accept"').total(), q.Metric(q.EDIT_DECISIONS).total())
            ),
            "percentunit",
            width=4,
            decimals=0,
        ),
    ]


def _over_time() -> list[p.Panel]:
    note = "A bar starts at its time stamp. The bars add up to the total, but for the edges of the first and last one."
    return [
        p.bar_chart(
            "Cost by model",
            f"By the model that was asked for. {note}",
            p.metric_bars(q.Metric(q.COST).bars(by="model"), legend="{{model}}"),
            "currencyUSD",
            width=12,
        ),
        p.bar_chart(
            "Tokens by kind over time",
            note,
            p.metric_bars(q.Metric(q.TOKENS).bars(by="type"), legend="{{type}}"),
            "short",
            width=12,
        ),
    ]


def _who() -> table.Panel:
    by = "team, model"
    return (
        p.grid(
            "Cost by team and model",
            "team is what the client's settings claim, unless the collector authenticates its clients.",
            p.METRICS,
            width=14,
        )
        .with_target(p.metric_table(q.Metric(q.COST).total(by=by), "A"))
        .with_target(p.metric_table(q.Metric(q.TOKENS).total(by=by), "B"))
        .with_transformation(p.transformation("merge"))
        .with_transformation(
            p.transformation(
                "organize",
                excludeByName={"Time": True},
                indexByName={"team": 0, "model": 1, "Value #A": 2, "Value #B": 3},
                renameByName={
                    "team": "Team",
                    "model": "Model",
                    "Value #A": "Cost",
                    "Value #B": "Tokens",
                },
            )
        )
        .override_by_name("Cost", [p.setting("unit", "currencyUSD")])
        .override_by_name("Tokens", [p.setting("unit", "short")])
        .sort_by([TableSortByFieldState().display_name("Cost").desc(True)])
    )


def _reconciliation() -> table.Panel:
    """Everything is sent twice, as metrics and as events, on separate paths into separate stores."""
    kinds = q.Metric(q.TOKENS, scope=ALL_MODELS).total(by="type")
    cost = q.Metric(q.COST, scope=ALL_MODELS).total()
    in_events = {kind: q.event_total(field) for kind, field in TOKEN_FIELDS.items()}
    in_events[COST_ROW] = f"1e6 * {q.event_total('cost_usd')}"
    return (
        p.grid(
            "Metrics against events",
            "The same requests counted twice, on separate paths. Equal where nobody worked at the edges of the range: "
            "a metric carries the time of its export, up to a minute after the event. A lasting difference means that "
            "one path lost or doubled data, or that a client sends running totals. Not filtered by model.",
            p.MIXED,
            width=10,
        )
        .with_target(p.metric_table(f"{kinds} or {_row(f'1e6 * {cost}', COST_ROW)}", "A"))
        .with_target(p.event(" or ".join(_row(vector, kind) for kind, vector in in_events.items()), "B"))
        .with_transformation(p.transformation("joinByField", byField="type", mode="outer"))
        .with_transformation(
            p.transformation(
                "organize",
                excludeByName={"Time": True, "Time 1": True, "Time 2": True},
                renameByName={"type": "What", "Value": "Metrics", "Value #A": "Metrics", "Value #B": "Events"},
            )
        )
        .with_transformation(
            p.transformation(
                "calculateField",
                mode="binary",
                alias=DIFFERENCE,
                binary={"left": "Metrics", "operator": "-", "right": "Events"},
            )
        )
        .unit("locale")
        .override_by_name(
            DIFFERENCE,
            [
                p.setting("custom.cellOptions", {"type": "color-text"}),
                p.setting("thresholds", p.bounds((None, "orange"), (-0.5, "green"), (0.5, "orange")).build()),
                p.setting("mappings", [NO_DIFFERENCE]),
            ],
        )
    )


def _row(vector: str, kind: str) -> str:
    """The same function in PromQL and LogQL."""
    return f'label_replace({vector}, "type", "{kind}", "", "")'


def _events() -> list[p.Panel]:
    return [
        p.number(
            "API requests",
            "Answered requests to the model, counted from the events. Not filtered by model.",
            p.event(q.event_count("api_request")),
            "short",
            width=4,
            height=10,
            decimals=0,
        ),
        p.grid(
            "API errors",
            "Requests that failed for good, by HTTP status. Retries that helped do not count. Not filtered by model.",
            p.LOGS,
            width=7,
            height=10,
        )
        .with_target(p.event(q.event_count("api_error", by="status_code, model")))
        .with_transformation(
            p.transformation(
                "organize",
                excludeByName={"Time": True},
                indexByName={"status_code": 0, "model": 1, "Value #A": 2},
                renameByName={"status_code": "Status", "model": "Model", "Value #A": "Errors"},
            )
        )
        .override_by_name("Status", [p.setting("custom.width", 70)])
        .override_by_name("Errors", [p.setting("custom.width", 70)]),
        p.bar_chart(
            "API requests and errors",
            "api_request: answered. api_error: given up. api_retries_exhausted: given up after the last retry. "
            "Not filtered by model.",
            p.event_range(
                q.event_count("api_request", "api_error", "api_retries_exhausted", by="event_name", window=q.EVENT_BAR),
                legend="{{event_name}}",
            ),
            "short",
            width=13,
        ),
        p.log_lines(
            "Recent events",
            "The newest events. A click on one shows all its attributes. Prompts and answers are hidden unless the "
            "client was told to send them.",
            p.event_range(f"{q.events('.+')} | line_format `{LINE}`"),
            height=12,
        ),
    ]
