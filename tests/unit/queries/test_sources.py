# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Queries are found wherever they may stand, and filled in as Grafana does."""

from __future__ import annotations

import json
import urllib.parse

import pytest

from plugins.module_utils._rollups import Calendar
from tests.tools.queries.check import check
from tests.tools.queries.fill import filled, grafana
from tests.tools.queries.pages import OTHERS, of_page
from tests.tools.queries.sources import Query, of_dashboard, of_rule

PROMETHEUS = {"type": "prometheus", "uid": "${metrics}"}
LOKI = {"type": "loki", "uid": "${logs}"}


def test_queries_of_a_dashboard() -> None:
    explore = {"a": {"datasource": "x", "queries": [{"datasource": LOKI, "expr": "{link}"}]}}
    link = {"title": "Explore", "url": "/explore?" + urllib.parse.urlencode({"panes": json.dumps(explore)})}
    inner = {
        "type": "stat",
        "title": "Inner",
        "description": "In a collapsed row.",
        "datasource": PROMETHEUS,
        "targets": [{"expr": "inner", "datasource": PROMETHEUS}, {"expr": "{inner}", "datasource": LOKI}],
        "fieldConfig": {"overrides": [{"properties": [{"id": "links", "value": [link]}]}]},
    }
    dashboard = {
        "panels": [{"type": "row", "title": "Row", "panels": [inner]}],
        "annotations": {"list": [{"name": "Deploys", "datasource": LOKI, "expr": "{deploys}"}]},
        "templating": {
            "list": [
                {"name": "team", "type": "query", "datasource": PROMETHEUS, "query": "label_values(up, team)"},
                {"name": "all", "type": "query", "datasource": PROMETHEUS, "query": {"query": "label_values(job)"}},
                {"name": "result", "type": "query", "datasource": PROMETHEUS, "query": "query_result(sum(up))"},
                {"name": "event", "type": "query", "datasource": LOKI, "query": {"label": "x", "stream": "{s}"}},
                {"name": "by", "type": "custom", "query": "team, Model : model"},
            ]
        },
    }
    found = [(query.kind, query.place, query.language, query.text) for query in of_dashboard("d.json", dashboard)]
    assert found == [
        ("variable", "variable team", "promql", "group by (team) (present_over_time(up[$__range]))"),
        ("variable", "variable all", "promql", 'group by (job) (present_over_time({__name__=~".+"}[$__range]))'),
        ("variable", "variable result", "promql", "sum(up)"),
        ("variable", "variable event", "logql", "sum by (x) (count_over_time({s} [1h]))"),
        ("annotation", "annotation Deploys", "logql", "{deploys}"),
        ("panel", "panel Inner", "promql", "inner"),
        ("panel", "panel Inner", "logql", "{inner}"),
        ("link", "panel Inner", "logql", "{link}"),
    ]
    last = list(of_dashboard("d.json", dashboard))[-1]
    assert last.says == "Inner\nIn a collapsed row."
    assert last.variables["by"] == ["team", "model"]


def test_queries_of_a_rule() -> None:
    rule = {
        "alert": "Down",
        "expr": "up == 0",
        "labels": {"severity": "critical"},
        "annotations": {"summary": "Is down"},
    }
    query = of_rule("file", "group", rule, "promql")
    assert (query.kind, query.place, query.says) == ("alert", "group: Down", "Is down")


PAGE = f"""\
# Costs

The series `claude_code_cost_usage_USD` and the total `sum(sum_over_time(claude_code_cost_usage_USD[1d]))`, not `up`.

    sum(sum_over_time({{service_name=~".+"}} | event_name="api_request" | unwrap cost_usd [1d]))

## Approximate

```promql
increase(claude_code_cost_usage_USD_total[1h])
```

```sh
curl -sG http://localhost:9090/api/v1/query --data-urlencode 'query=sum(
  up)'
```

```yaml
- expr: claude_code_cost_usage_USD > 1
```

{OTHERS}

    rate(claude_code_cost_usage_USD[5m])

    group: claude_code_observability
"""


def test_queries_of_a_page() -> None:
    found = list(of_page("page.md", PAGE))
    assert [(query.place, query.language, query.text.strip()) for query in found] == [
        ("line 3", "names", "claude_code_cost_usage_USD"),
        ("line 3", "promql", "sum(sum_over_time(claude_code_cost_usage_USD[1d]))"),
        (
            "line 5",
            "logql",
            'sum(sum_over_time({service_name=~".+"} | event_name="api_request" | unwrap cost_usd [1d]))',
        ),
        ("line 9", "promql", "increase(claude_code_cost_usage_USD_total[1h])"),
        ("line 13", "promql", "sum(\n  up)"),
        ("line 18", "promql", "claude_code_cost_usage_USD > 1"),
    ]
    assert "# Costs" in found[0].says
    assert "Approximate" not in found[0].says
    assert "## Approximate" in found[3].says


def test_a_name_in_a_sentence_must_be_known(vocabulary) -> None:
    found = list(of_page("page.md", "`claude_code_cost` and `otelcol_exporter_queue_size`"))
    assert [fault.text for fault in check(found, vocabulary)] == [
        "unknown metric claude_code_cost; the nearest known name is team:claude_code_cost:day"
    ]


def test_what_a_rule_records_is_known_to_the_next(vocabulary) -> None:
    cost = "sum by (team) (sum_over_time(claude_code_cost_usage_USD[1h]))"
    queries = [
        of_rule("file", "group", {"record": "team:cost:hour", "expr": cost, "labels": {"of": "us"}}, "promql"),
        Query("file", "panel", "promql", 'sum by (team, of, model) (team:cost:hour{team="a"})', "panel"),
        Query("file", "panel", "promql", "increase(team:cost:hour[1h])", "panel"),
    ]
    assert [fault.text for fault in check(queries, vocabulary)] == [
        "sum by model, which is not there",
        "increase over team:cost:hour, whose samples are sums and no counter",
    ]


def test_what_a_legend_or_an_annotation_shows_must_be_there(vocabulary) -> None:
    rule = {"alert": "Down", "expr": "max by (job) (up) == 0", "annotations": {"summary": "{{ $labels.instance }}"}}
    panel = {
        "type": "timeseries",
        "title": "Up",
        "targets": [{"expr": "max by (job) (up)", "legendFormat": "{{instance}} {{job}}", "datasource": PROMETHEUS}],
    }
    queries = [of_rule("file", "group", rule, "promql"), *of_dashboard("d.json", {"panels": [panel]})]
    assert [fault.text for fault in check(queries, vocabulary)] == [
        "instance is shown beside the result, which does not have it"
    ] * 2


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x[$__range] offset -$__interval", ["x[2h] offset -1m"]),
        ('x{a=~"$team", b="${team:regex}"} > $__range_s', ['x{a=~".*", b=".*"} > 7200']),
        ("sum by ($by) (x)", ["sum by (team) (x)", "sum by (model) (x)"]),
        ('label_replace(x, "a", "$1", "b", "(.*)")', ['label_replace(x, "a", "$1", "b", "(.*)")']),
    ],
)
def test_variables_are_filled_in(text: str, expected: list[str]) -> None:
    assert filled(text, {**grafana("2h", "1m"), "team": [".*"], "by": ["team", "model"]}) == expected


def test_macros_are_written_out_for_a_calendar() -> None:
    assert filled("<<zone>>", {}, Calendar(utc_offset=9 * 3600)) == ["UTC+09:00"]


def test_an_unknown_variable_is_named() -> None:
    with pytest.raises(KeyError, match="tema"):
        filled('x{a="$tema"}', {"team": [".*"]})
