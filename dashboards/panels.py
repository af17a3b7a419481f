# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Panels of one look, and the variables every dashboard shares."""

from __future__ import annotations

from grafana_foundation_sdk.builders import common, dashboard, logs, loki, prometheus, stat, table, timeseries
from grafana_foundation_sdk.models.common import (
    BigValueColorMode,
    BigValueGraphMode,
    GraphDrawStyle,
    LegendDisplayMode,
    LegendPlacement,
    LogsSortOrder,
    SortOrder,
    StackingMode,
    TooltipDisplayMode,
    VizOrientation,
)
from grafana_foundation_sdk.models.dashboard import (
    DashboardLinkType,
    DataSourceRef,
    DataTransformerConfig,
    DynamicConfigValue,
    FieldColorModeId,
    Threshold,
    ThresholdsMode,
    VariableOption,
    VariableRefresh,
    VariableSort,
)
from grafana_foundation_sdk.models.loki import LokiQueryType
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from dashboards.queries import TOKENS

Panel = stat.Panel | timeseries.Panel | table.Panel | logs.Panel
Query = prometheus.Dataquery | loki.Dataquery

METRICS = DataSourceRef(type_val="prometheus", uid="${metrics}")
LOGS = DataSourceRef(type_val="loki", uid="${logs}")
MIXED = DataSourceRef(type_val="datasource", uid="-- Mixed --")

# No bar is narrower: the client exports its metrics once a minute unless it is told otherwise. Set on the panel, never
# on the query: Loki would take it for the step itself, and windows longer than the step count everything many times.
MIN_STEP = "1m"
MOST_BARS = 100


def metric(expr: str, ref_id: str = "A", legend: str = "") -> prometheus.Dataquery:
    """An instant query at the end of the range."""
    return _metric(expr, ref_id, legend).instant()


def metric_bars(expr: str, legend: str) -> prometheus.Dataquery:
    return _metric(expr, "A", legend).range()


def metric_table(expr: str, ref_id: str = "A") -> prometheus.Dataquery:
    return _metric(expr, ref_id, "").instant().format(PromQueryFormat.TABLE)


def _metric(expr: str, ref_id: str, legend: str) -> prometheus.Dataquery:
    return prometheus.Dataquery().datasource(METRICS).expr(expr).ref_id(ref_id).legend_format(legend)


def event(expr: str, ref_id: str = "A", legend: str = "") -> loki.Dataquery:
    return _event(expr, ref_id, legend).query_type(LokiQueryType.INSTANT)


def event_range(expr: str, legend: str = "") -> loki.Dataquery:
    return _event(expr, "A", legend).query_type(LokiQueryType.RANGE)


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
        .description(description)
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
    return panel if decimals is None else panel.decimals(decimals)


def bar_chart(title: str, description: str, query: Query, unit: str, *, width: int) -> timeseries.Panel:
    return (
        timeseries.Panel()
        .title(title)
        .description(description)
        .datasource(METRICS if isinstance(query, prometheus.Dataquery) else LOGS)
        .with_target(query)
        .unit(unit)
        .min(0)
        .interval(MIN_STEP)
        .max_data_points(MOST_BARS)
        .color_scheme(dashboard.FieldColor().mode(FieldColorModeId.PALETTE_CLASSIC))
        .draw_style(GraphDrawStyle.BARS)
        .stacking(common.StackingConfig().mode(StackingMode.NORMAL))
        .fill_opacity(70)
        .line_width(0)
        .legend(
            common.VizLegendOptions()
            .display_mode(LegendDisplayMode.TABLE)
            .placement(LegendPlacement.BOTTOM)
            .show_legend(True)
            .calcs(["sum"])
            .sort_by("Total")
            .sort_desc(True)
        )
        .tooltip(common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI).sort(SortOrder.DESCENDING))
        .height(10)
        .span(width)
    )


def grid(title: str, description: str, source: DataSourceRef, *, width: int, height: int = 9) -> table.Panel:
    return (
        table.Panel().title(title).description(description).datasource(source).min_width(80).height(height).span(width)
    )


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


def base(title: str, uid: str, description: str) -> dashboard.Dashboard:
    """An empty dashboard with the links and variables all of them share."""
    return (
        dashboard.Dashboard(title)
        .uid(uid)
        .description(description)
        .tags(["claude-code"])
        .time("now-24h", "now")
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
        .with_variable(_label("team", "Team", ""))
        .with_variable(_label("developer", "Developer", '{team=~"$team"}'))
        .with_variable(_label("model", "Model", '{team=~"$team", developer=~"$developer"}'))
        .with_variable(_source("metrics", "Metrics", "prometheus", "claude-prometheus"))
        .with_variable(_source("logs", "Events", "loki", "claude-loki"))
    )


def _source(name: str, label: str, kind: str, uid: str) -> dashboard.DatasourceVariable:
    return dashboard.DatasourceVariable(name).label(label).type(kind).current(VariableOption(text=uid, value=uid))


def _label(name: str, label: str, where: str) -> dashboard.QueryVariable:
    # Tokens, because every developer who did anything in the range has some.
    return (
        dashboard.QueryVariable(name)
        .label(label)
        .datasource(METRICS)
        .query({"qryType": 1, "query": f"label_values({TOKENS}{where}, {name})", "refId": name})
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_CASE_INSENSITIVE_ASC)
        .multi(True)
        .include_all(True)
        .all_value(".*")
        .current(VariableOption(text="All", value="$__all"))
    )
