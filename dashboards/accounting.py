# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the numbers can be trusted: everything counted twice, as metrics and as events, and the two compared.

Clients send both, on separate paths into separate stores, so an error of one path shows as a difference.
"""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard, stat, table
from grafana_foundation_sdk.builders.common import TableSortByFieldState

from dashboards import panels as p
from dashboards import queries as q
from dashboards import stack_health

UID = "claude-code-accounting"
SCOPE = q.ALL_MODELS
# What the metrics call a kind of token, and what the events call it.
TOKEN_FIELDS = {
    "input": "input_tokens",
    "output": "output_tokens",
    "cacheRead": "cache_read_tokens",
    "cacheCreation": "cache_creation_tokens",
}
EDITS = 'tool_name=~"^(?:Edit|Write|NotebookEdit)$"'
EDGES = (
    "A metric comes up to a minute after the event, so a range that ends while somebody works may differ by that "
    "minute: try one that ended some minutes ago."
)
WITHIN = 0.0001
EXPLAINING = {
    "running totals, only in the events": stack_health.COLLECTOR["running totals, not in the exact path"],
    "lost on the way, by the collector": stack_health.COLLECTOR["lost: a store refused it for good"],
    "metrics Prometheus refused, too old": stack_health.PROMETHEUS["samples too old or in the future"],
    "metrics Prometheus refused, out of order": stack_health.PROMETHEUS["samples out of order"],
    "events Loki refused": stack_health.LOKI["lost: events refused"],
}


def build() -> dashboard.Dashboard:
    result = p.base(
        "Claude Code accounting",
        UID,
        "The same requests by metrics and by events, which reach the stores on separate paths. Compare 7 days or "
        "less: longer ranges add up whole days of metrics, but events to the minute, and are slow.",
        SCOPE,
        time="now-3d/d",
    )
    return p.in_rows(
        result,
        ("In all", [*_totals(), _by_kind(), _explained()]),
        ("By day", [_by_day()]),
        ("By team and model", [_by_team(), _by_model()]),
    )


def _metric(series: str, *where: str) -> q.Metric:
    return q.Metric(series, *where, scope=SCOPE)


COST = _metric(q.COST)
TOKENS = _metric(q.TOKENS)


def _event_cost(by: str = "", window: str = q.RANGE) -> str:
    return q.event_total("cost_usd", by=by, window=window, scope=SCOPE)


def _event_tokens(by: str = "", window: str = q.RANGE) -> str:
    fields = TOKEN_FIELDS.values()
    return " + ".join(q.event_total(field, by=by, window=window, scope=SCOPE) for field in fields)


def _requests(by: str = "") -> str:
    return q.event_count("api_request", by=by, scope=SCOPE)


def _totals() -> list[stat.Panel]:
    return [
        p.number(
            "Cost by metrics",
            "The sum of the exact series.",
            p.metric(COST.total()),
            "currencyUSD",
            width=6,
            color="green",
            decimals=4,
        ),
        p.number(
            "Cost by events",
            "The sum of all api_request events in the range.",
            p.event(_event_cost()),
            "currencyUSD",
            width=6,
            color="green",
            decimals=4,
        ),
        p.number(
            "API requests",
            "Answered requests in the range. Only events count requests; a metric adds up many.",
            p.event(_requests()),
            "locale",
            width=6,
            decimals=0,
        ),
        p.number(
            "Sessions with requests",
            "Sessions with an answered request in the range, by events. The metric of sessions counts starts instead: "
            "one that was resumed counts again there, and one in which nobody asked anything counts too.",
            p.event(f"count({q.event_count('api_request', by='session_id', scope=SCOPE)})"),
            "locale",
            width=6,
            decimals=0,
        ),
    ]


def _by_kind() -> table.Panel:
    """What both paths know: tokens by kind, cost, and how edits were decided."""
    decisions = "edit decisions"
    in_metrics = f"{TOKENS.total('type')} or {_row(_metric(q.EDIT_DECISIONS).total(), decisions)}"
    in_events = {kind: q.event_total(field, scope=SCOPE) for kind, field in TOKEN_FIELDS.items()}
    in_events[decisions] = q.event_count("tool_decision", where=EDITS, scope=SCOPE)
    return p.breakdown(
        "Counts by metrics and events",
        f"Tokens by kind, and decisions about edits: equal to the last one where both paths are whole. {EDGES} "
        "Decisions by metrics are not filtered by repository.",
        {"type": "What"},
        [
            p.Column("Metrics", p.of_metric(in_metrics), decimals=0),
            p.Column(
                "Events", p.of_events(" or ".join(_row(expr, kind) for kind, expr in in_events.items())), decimals=0
            ),
            p.Difference("Difference", "Metrics", "Events"),
        ],
        width=12,
        height=8,
    )


def _row(expr: str, kind: str) -> str:
    """The same function in PromQL and LogQL."""
    return f'label_replace({expr}, "type", "{kind}", "", "")'


def _explained() -> table.Panel:
    return stack_health.counted(
        "What may explain a difference",
        "How many points and events in the range, by the counters of the collector and the stores. Clients that send "
        "running totals (cumulative temporality; the fleet dashboard names them) are in the events only; all else in "
        "this list was lost on one path. Not in it: the edges of the range, and clients that export one signal only. "
        "Not filtered.",
        EXPLAINING,
        width=12,
        height=8,
    )


def _by_day() -> table.Panel:
    """Day by day on both sides: the panel's interval is the step and the window of both."""
    raw, days = COST.bars()
    sides = {"Metrics": "Metrics", "Events": "Events"}
    difference = p.Difference("Difference", "Metrics", "Events", "currencyUSD", 4, WITHIN)
    return (
        p.grid(
            "Days by metrics and events",
            "Cost of each day, the first one from its midnight, in the viewer's time zone. Where the range is longer "
            f"than 7 days, the metrics' days are those of <<zone>>: if that is another, the two cannot agree. {EDGES}",
            p.MIXED,
            width=24,
            height=10,
        )
        .interval("1d")
        .with_target(p.metric_range(f"({raw}) or ({days})", "A", sides["Metrics"]))
        .with_target(p.event_range(_event_cost(window=q.EVENT_BAR), "B", sides["Events"]))
        # The stores' steps are the same days, but not the same millisecond.
        .with_transformation(p.transformation("formatTime", timeField="Time", outputFormat="YYYY-MM-DD, dddd"))
        .with_transformation(p.transformation("joinByField", byField="Time", mode="outer"))
        .with_transformation(difference.calculated(sides))
        .with_transformation(p.transformation("organize", renameByName={"Time": "Day"}))
        .unit("currencyUSD")
        .decimals(4)
        .override_by_name(difference.title, difference.settings())
        .sort_by([TableSortByFieldState().display_name("Day").desc(True)])
    )


def _by_team() -> table.Panel:
    by = "team"
    return p.breakdown(
        "Teams by metrics and events",
        f"{p.CLAIMED} {EDGES}",
        {by: "Team"},
        _sides(by),
        width=24,
        height=8,
    )


def _by_model() -> table.Panel:
    by = "model"
    return p.breakdown(
        "Models by metrics and events",
        "Metrics name the model that was asked for, events the one that answered. A row with a difference that another "
        "one makes up was asked for by one name and answered by another: an alias, a gateway or a fallback. Only the "
        f"sum of all rows must agree. {EDGES}",
        {by: "Model"},
        _sides(by),
        width=24,
        height=8,
    )


def _sides(by: str) -> list[p.Column | p.Difference]:
    return [
        p.Column("Cost, metrics", p.of_metric(COST.total(by)), "currencyUSD", 4, width=130),
        p.Column("Cost, events", p.of_events(_event_cost(by)), "currencyUSD", 4, width=130),
        p.Difference("Cost, difference", "Cost, metrics", "Cost, events", "currencyUSD", 4, WITHIN),
        p.Column("Tokens, metrics", p.of_metric(TOKENS.total(by)), decimals=0),
        p.Column("Tokens, events", p.of_events(_event_tokens(by)), decimals=0),
        p.Difference("Tokens, difference", "Tokens, metrics", "Tokens, events"),
        p.Column("Requests", p.of_events(_requests(by)), decimals=0, width=100),
    ]
