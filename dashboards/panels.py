# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Panels of one look, and the variables every dashboard shares."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from grafana_foundation_sdk.builders import (
    common,
    dashboard,
    dashboardlist,
    logs,
    loki,
    prometheus,
    stat,
    table,
    timeseries,
)
from grafana_foundation_sdk.models.common import (
    BigValueColorMode,
    BigValueGraphMode,
    GraphDrawStyle,
    LegendDisplayMode,
    LegendPlacement,
    LogsSortOrder,
    PercentChangeColorMode,
    SortOrder,
    StackingMode,
    TooltipDisplayMode,
    VisibilityMode,
    VizOrientation,
)
from grafana_foundation_sdk.models.dashboard import (
    DashboardLinkType,
    DashboardRangeMapOptions,
    DataSourceRef,
    DataTransformerConfig,
    DynamicConfigValue,
    FieldColorModeId,
    RangeMap,
    Threshold,
    ThresholdsMode,
    ValueMappingResult,
    VariableHide,
    VariableModel,
    VariableOption,
    VariableRefresh,
    VariableSort,
)
from grafana_foundation_sdk.models.loki import LokiQueryType
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from dashboards.queries import BY_RANGE, TOKENS, Scope, named

Panel = stat.Panel | timeseries.Panel | table.Panel | logs.Panel | dashboardlist.Panel
Linked = TypeVar("Linked", stat.Panel, timeseries.Panel, table.Panel)
Query = prometheus.Dataquery | loki.Dataquery

METRICS = DataSourceRef(type_val="prometheus", uid="${metrics}")
LOGS = DataSourceRef(type_val="loki", uid="${logs}")
MIXED = DataSourceRef(type_val="datasource", uid="-- Mixed --")

# What the numbers from metrics add up; those from events always add up the range itself.
OVER = "Over the range to the minute; where it is longer than 7 days, over the days that begin in it (<<zone>>)."

CLAIMED = "By what the client's settings claim as its team, unless the collector authenticates its clients."
UNFILTERED = "Only cost, tokens and lines are filtered by model."
BEFORE = "Below it the change against the range of the same length just before; ∞: there was nothing."
BARS = "A bar starts at its time stamp."

# The kinds of a metric in their order, each in one colour wherever it is shown.
TOKEN_COLORS = {"input": "blue", "output": "orange", "cacheRead": "green", "cacheCreation": "purple"}
LINE_COLORS = {"added": "green", "removed": "red"}
TIME_COLORS = {"cli": "blue", "user": "orange"}
KINDS = "input: sent anew. output: written by the model. cacheRead: reused. cacheCreation: sent and kept."

# So that numbers side by side look alike, however long they are.
SIZE = 36

# No bar is narrower: the client exports its metrics once a minute unless it is told otherwise. Set on the panel, never
# on the query: Loki would take it for the step itself, and windows longer than the step count everything many times.
MIN_STEP = "1m"
MOST_BARS = 100


def metric(expr: str, ref_id: str = "A", legend: str = "") -> prometheus.Dataquery:
    """An instant query at the end of the range."""
    return _metric(expr, ref_id, legend).instant()


def metric_bars(
    exprs: tuple[str, str], legend: str, ref_ids: str = "AB", *, daily: bool = False
) -> list[prometheus.Dataquery]:
    """The two sides of `Metric.bars`: one finds something, whichever the range asks for."""
    raw, days = (_metric(expr, ref_id, legend).range() for expr, ref_id in zip(exprs, ref_ids))
    return [raw.interval("1d") if daily else raw, days.interval("1d")]


def metric_range(expr: str, ref_id: str = "A", legend: str = "") -> prometheus.Dataquery:
    """One point for each step."""
    return _metric(expr, ref_id, legend).range()


def metric_table(expr: str, ref_id: str = "A") -> prometheus.Dataquery:
    return _metric(expr, ref_id, "").instant().format(PromQueryFormat.TABLE)


def _metric(expr: str, ref_id: str, legend: str) -> prometheus.Dataquery:
    return prometheus.Dataquery().datasource(METRICS).expr(expr).ref_id(ref_id).legend_format(legend)


def event(expr: str, ref_id: str = "A", legend: str = "") -> loki.Dataquery:
    return _event(expr, ref_id, legend).query_type(LokiQueryType.INSTANT)


def event_range(expr: str, ref_id: str = "A", legend: str = "") -> loki.Dataquery:
    return _event(expr, ref_id, legend).query_type(LokiQueryType.RANGE)


def _event(expr: str, ref_id: str, legend: str) -> loki.Dataquery:
    return loki.Dataquery().datasource(LOGS).expr(expr).ref_id(ref_id).legend_format(legend)


def number(
    title: str,
    description: str,
    query: Query,
    unit: str,
    *,
    width: int,
    height: int = 4,
    color: str = "text",
    decimals: int | None = None,
) -> stat.Panel:
    """One number, or one for each series the query returns."""
    panel = (
        stat.Panel()
        .title(title)
        .description(_says(description, [query]))
        .datasource(METRICS if isinstance(query, prometheus.Dataquery) else LOGS)
        .with_target(query)
        .unit(unit)
        .no_value("none")
        .color_scheme(dashboard.FieldColor().mode(FieldColorModeId.FIXED).fixed_color(color))
        .graph_mode(BigValueGraphMode.NONE)
        .color_mode(BigValueColorMode.VALUE)
        .orientation(VizOrientation.VERTICAL)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .height(height)
        .span(width)
    )
    if not query.build().legend_format:
        panel.text(common.VizTextDisplayOptions().value_size(SIZE))
    return panel if decimals is None else panel.decimals(decimals)


def compared(
    title: str,
    description: str,
    now: str,
    before: str,
    unit: str,
    *,
    width: int,
    height: int = 4,
    color: str = "text",
    decimals: int = 0,
) -> stat.Panel:
    """A total from metrics, and by how much it differs from that of the range before."""
    return (
        number(
            title,
            f"{description} {BEFORE}",
            metric(f"{before} or vector(0)"),
            unit,
            width=width,
            height=height,
            color=color,
            decimals=decimals,
        )
        .with_target(metric(now, "B"))
        # One field of two values, for Grafana compares the last with the first.
        .with_transformation(transformation("reduce", mode="seriesToRows", reducers=["lastNotNull"]))
        .show_percent_change(True)
        .wide_layout(False)
        .percent_change_color_mode(PercentChangeColorMode.SAME_AS_VALUE)
    )


def watched(panel: stat.Panel, *steps: tuple[float, str]) -> stat.Panel:
    """Green, and from each of these values on another colour."""
    return panel.thresholds(bounds((None, "green"), *steps)).color_scheme(
        dashboard.FieldColor().mode(FieldColorModeId.THRESHOLDS)
    )


def bar_chart(
    title: str,
    description: str,
    queries: Query | Sequence[Query],
    unit: str,
    *,
    width: int,
    height: int = 10,
    sort: str = "Total",
) -> timeseries.Panel:
    """Stacked bars over time that add up to the total."""
    return (
        _chart(title, f"{description} {BARS}", queries, unit, width, height, calcs=("sum",), sort_by=sort)
        .interval(MIN_STEP)
        .max_data_points(MOST_BARS)
        .draw_style(GraphDrawStyle.BARS)
        .show_points(VisibilityMode.NEVER)
        .stacking(common.StackingConfig().mode(StackingMode.NORMAL))
        .fill_opacity(70)
        .line_width(0)
    )


def line_chart(
    title: str,
    description: str,
    queries: Query | Sequence[Query],
    unit: str,
    *,
    width: int,
    height: int = 8,
) -> timeseries.Panel:
    """One line for each series, of what cannot be added up over time."""
    return (
        _chart(title, description, queries, unit, width, height, calcs=("mean", "max", "lastNotNull"), sort_by="Max")
        .interval(MIN_STEP)
        .fill_opacity(0)
        .line_width(1)
    )


def _chart(
    title: str,
    description: str,
    queries: Query | Sequence[Query],
    unit: str,
    width: int,
    height: int,
    *,
    calcs: Sequence[str],
    sort_by: str,
) -> timeseries.Panel:
    targets = [queries] if isinstance(queries, Query) else queries
    panel = (
        timeseries.Panel()
        .title(title)
        .description(_says(description, targets))
        .datasource(METRICS if isinstance(targets[0], prometheus.Dataquery) else LOGS)
        .unit(unit)
        .min(0)
        .color_scheme(dashboard.FieldColor().mode(FieldColorModeId.PALETTE_CLASSIC))
        .legend(
            common.VizLegendOptions()
            .display_mode(LegendDisplayMode.TABLE)
            .placement(LegendPlacement.BOTTOM)
            .show_legend(True)
            .calcs(list(calcs))
            .sort_by(sort_by)
            .sort_desc(sort_by != "Name")
        )
        .tooltip(common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI).sort(SortOrder.DESCENDING))
        .height(height)
        .span(width)
    )
    for target in targets:
        panel.with_target(target)
    return panel.decimals(2) if unit == "currencyUSD" else panel


def _says(description: str, queries: Sequence[Query]) -> str:
    """With a word on what the numbers from metrics add up, where that depends on the range."""
    depends = any(BY_RANGE in query.build().expr for query in queries)
    return f"{description} {OVER}" if depends and OVER not in description else description


def colored(panel: stat.Panel | timeseries.Panel, colors: Mapping[str, str]) -> Panel:
    """A kind has the same colour wherever it is shown."""
    for name, color in colors.items():
        panel.override_by_name(name, [setting("color", {"mode": "fixed", "fixedColor": color})])
    return panel


def leads(panel: Linked, title: str, uid: str) -> Linked:
    """With a link in its corner to the dashboard that says more, with the same range and variables."""
    url = f"/d/{uid}?${{__url_time_range}}&${{__all_variables}}"
    return panel.links([dashboard.DashboardLink(title).type(DashboardLinkType.LINK).url(url)])


def grid(title: str, description: str, source: DataSourceRef, *, width: int, height: int = 9) -> table.Panel:
    return (
        table.Panel().title(title).description(description).datasource(source).min_width(80).height(height).span(width)
    )


@dataclass(frozen=True)
class Column:
    """One column of a breakdown: what a query gives for each row, coloured from these values on."""

    title: str
    query: Callable[[str], Query]
    unit: str = "locale"
    decimals: int | None = None
    width: int | None = None
    colors: Sequence[tuple[float | None, str]] = ()
    gauge: bool = False

    def settings(self) -> list[DynamicConfigValue]:
        chosen: dict[str, object] = {"unit": self.unit, "decimals": self.decimals, "custom.width": self.width}
        if self.colors:
            chosen["custom.cellOptions"] = {"type": "color-text"}
            chosen["thresholds"] = bounds(*self.colors).build()
        if self.gauge:
            chosen["fieldMinMax"] = True
            chosen["custom.cellOptions"] = {"type": "gauge", "mode": "basic", "valueDisplayMode": "text"}
            chosen["color"] = {"mode": "fixed", "fixedColor": "blue"}
            chosen["min"] = 0
            chosen["max"] = 1 if self.unit == "percentunit" else None
        return [setting(name, value) for name, value in chosen.items() if value is not None]


@dataclass(frozen=True)
class Difference:
    """A column that Grafana calculates from two others, green where they agree to within `within`."""

    title: str
    left: str
    right: str
    unit: str = "locale"
    decimals: int = 0
    within: float = 0.5

    def calculated(self, names: Mapping[str, str]) -> DataTransformerConfig:
        """From the fields of the two columns, by title."""
        operands = {"left": names[self.left], "operator": "-", "right": names[self.right]}
        return transformation("calculateField", mode="binary", alias=self.title, binary=operands)

    def settings(self) -> list[DynamicConfigValue]:
        # Sums of decimal fractions, added in another order, differ in the last digit.
        zero = RangeMap(
            options=DashboardRangeMapOptions(from_val=-self.within, to=self.within, result=ValueMappingResult(text="0"))
        )
        colors = bounds((None, "orange"), (-self.within, "green"), (self.within, "orange"))
        chosen = {
            "unit": self.unit,
            "decimals": self.decimals,
            "custom.cellOptions": {"type": "color-text"},
            "thresholds": colors.build(),
            "mappings": [zero],
        }
        return [setting(name, value) for name, value in chosen.items()]


def of_metric(expr: str) -> Callable[[str], Query]:
    """The query of a column, in Prometheus."""
    return lambda ref_id: metric_table(expr, ref_id)


def of_events(expr: str) -> Callable[[str], Query]:
    """The query of a column, in Loki."""
    return lambda ref_id: event(expr, ref_id)


def breakdown(
    title: str,
    description: str,
    rows: Mapping[str, str],
    columns: Sequence[Column | Difference],
    *,
    width: int,
    height: int = 9,
    sort: str = "",
    ascending: bool = False,
    links: Mapping[str, str] | None = None,
) -> table.Panel:
    """A row for each combination of the labels in `rows`, which are given with their headings.

    links: where the labels under a heading lead.
    """
    asked = [column for column in columns if isinstance(column, Column)]
    queries = [column.query(chr(ord("A") + number)) for number, column in enumerate(asked)]
    in_metrics = [isinstance(query, prometheus.Dataquery) for query in queries]
    source = METRICS if all(in_metrics) else MIXED if any(in_metrics) else LOGS
    # The only query to Prometheus, the value of which has no letter.
    alone = sum(in_metrics) == 1
    names = {
        column.title: "Value" if alone and metric else f"Value #{query.build().ref_id}"
        for column, query, metric in zip(asked, queries, in_metrics)
    }
    headings = {**rows, **{names.get(column.title, column.title): column.title for column in columns}}
    panel = grid(title, _says(description, queries), source, width=width, height=height)
    for query in queries:
        panel.with_target(query.expr(named(query.build().expr, ", ".join(rows))))
    # The stores do not give the very same time, so rows would not meet.
    panel.with_transformation(transformation("filterFieldsByName", exclude={"names": ["Time"]}))
    if len(asked) > 1 and len(rows) == 1:
        # Unlike a merge, it does not mind a query that finds nothing.
        panel.with_transformation(transformation("joinByField", byField=next(iter(rows)), mode="outer"))
    elif len(asked) > 1:
        panel.with_transformation(transformation("merge"))
    for column in columns:
        if isinstance(column, Difference):
            panel.with_transformation(column.calculated(names))
    panel.with_transformation(
        transformation(
            "organize",
            indexByName={name: number for number, name in enumerate(headings)},
            renameByName=headings,
        )
    )
    for column in columns:
        panel.override_by_name(column.title, column.settings())
    for heading, url in (links or {}).items():
        panel.override_by_name(heading, [setting("links", [{"title": "", "url": url}])])
    return panel.sort_by([common.TableSortByFieldState().display_name(sort or columns[0].title).desc(not ascending)])


def log_lines(title: str, description: str, query: loki.Dataquery, *, height: int) -> logs.Panel:
    return (
        logs.Panel()
        .title(title)
        .description(description)
        .datasource(LOGS)
        .with_target(query)
        .show_time(True)
        .wrap_log_message(False)
        .enable_log_details(True)
        .sort_order(LogsSortOrder.DESCENDING)
        .height(height)
        .span(24)
    )


def transformation(kind: str, **options: object) -> DataTransformerConfig:
    return DataTransformerConfig(id_val=kind, options=options)


def setting(name: str, value: object) -> DynamicConfigValue:
    return DynamicConfigValue(id_val=name, value=value)


def bounds(*steps: tuple[float | None, str]) -> dashboard.ThresholdsConfig:
    return (
        dashboard.ThresholdsConfig()
        .mode(ThresholdsMode.ABSOLUTE)
        .steps([Threshold(value=value, color=color) for value, color in steps])
    )


# Raw samples serve a week in time. Each value is what `per` of the series must match: raw ones have no such label.
# Not "minute|": Mimir looks such a list of words up in its blocks, and finds no series without the label there.
PER = (
    'query_result(label_replace(vector($__range_s) > 7 * 86400, "per", "day", "", "") '
    'or on () label_replace(vector(1), "per", "(minute)?", "", ""))'
)
NAMES = {
    "team": "Team",
    "developer": "Developer",
    "model": "Model",
    "vcs_repository_name": "Repository",
}


def base(title: str, uid: str, description: str, scope: Scope, *, time: str = "now-24h") -> dashboard.Dashboard:
    """An empty dashboard with the links and variables all of them share."""
    result = (
        dashboard.Dashboard(title)
        .uid(uid)
        .description(description)
        .tags(["claude-code"])
        .time(time, "now")
        .timezone("browser")
        .refresh("1m")
        .link(
            dashboard.DashboardLink("Claude Code")
            .type(DashboardLinkType.DASHBOARDS)
            .tags(["claude-code"])
            .as_dropdown(True)
            .include_vars(True)
            .keep_time(True)
        )
    )
    where: list[str] = []
    for name in scope.variables:
        result.with_variable(_label(name, NAMES[name], ", ".join(where)))
        where.append(f'{name}=~"${name}"')
    if where:
        result.with_variable(_per())
    return result.with_variable(_source("metrics", "Metrics", "prometheus", "claude-prometheus")).with_variable(
        _source("logs", "Events", "loki", "claude-loki")
    )


def in_rows(board: dashboard.Dashboard, *rows: tuple[str, Sequence[Panel]]) -> dashboard.Dashboard:
    """The dashboard with these panels below the titles of their rows."""
    for title, panels in rows:
        board.with_row(dashboard.Row(title))
        for panel in panels:
            board.with_panel(panel)
    return board


class _Computed(dashboard.QueryVariable):
    """A variable that a link neither carries nor sets, for which the SDK has no word."""

    def build(self) -> VariableModel:
        variable = super().build()
        variable.skip_url_sync = True
        return variable


def _per() -> dashboard.QueryVariable:
    return (
        _Computed("per")
        .datasource(METRICS)
        .hide(VariableHide.HIDE_VARIABLE)
        .query({"qryType": 3, "query": PER, "refId": "per"})
        .regex('/per="([^"]*)"/')
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
    )


def _source(name: str, label: str, kind: str, uid: str) -> dashboard.DatasourceVariable:
    return dashboard.DatasourceVariable(name).label(label).type(kind).current(VariableOption(text=uid, value=uid))


def _label(name: str, label: str, where: str) -> dashboard.QueryVariable:
    # Tokens, because every developer who did anything in the range has some.
    selector = f"{TOKENS}{{{where}}}" if where else TOKENS
    return (
        dashboard.QueryVariable(name)
        .label(label)
        .datasource(METRICS)
        .query({"qryType": 1, "query": f"label_values({selector}, {name})", "refId": name})
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_CASE_INSENSITIVE_ASC)
        .multi(True)
        .include_all(True)
        .all_value(".*")
        .current(VariableOption(text="All", value="$__all"))
    )
