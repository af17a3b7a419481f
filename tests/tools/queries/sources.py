# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every query of the project: of dashboards, of rules, and of the code in the docs."""

from __future__ import annotations

import json
import re
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import yaml

from tests.tools.certificate import certificate
from tests.tools.queries import roles
from tests.tools.queries.vocabulary import ROOT

DASHBOARDS = ROOT / "roles" / "grafana" / "files" / "dashboards"
LANGUAGES = {"prometheus": "promql", "loki": "logql"}
# What brings in the rules that the defaults leave out.
A_BUDGET = {"daily": 100, "monthly": 2000}
ALL_RULES: dict[str, Any] = {
    "prometheus_alertmanagers": ["http://alertmanager.example.com:9093"],
    "prometheus_budgets": {
        **dict.fromkeys(("total", "team", "developer"), A_BUDGET),
        "teams": {"web": A_BUDGET},
        "developers": {"ada": A_BUDGET},
    },
    "prometheus_alert_thresholds": {"minimum_client_version": "2.1.300", "allowed_models": ["claude-*"]},
    "stack_tls": "provided",
    "stack_tls_certificate": certificate(datetime(2027, 1, 1)),
}
VARIABLE_QUERY = re.compile(r"(?s)\s*(label_values|query_result|metrics|label_names)\((.*)\)\s*")


@dataclass(frozen=True)
class Query:
    """A query where it stands.

    place: its panel, variable, rule or section. language: promql or logql. says: what its reader is told there.
    variables: what may be filled in for $name. kind: panel, variable, annotation, link, record, alert or docs.
    name: of a recording rule, what it records. labels: those that the rule adds. shows: the labels of the result that
    a legend or an annotation puts into words.
    """

    file: str
    place: str
    language: str
    text: str
    kind: str
    says: str = ""
    variables: Mapping[str, Sequence[str]] = field(default_factory=dict, compare=False)
    name: str = ""
    labels: tuple[str, ...] = ()
    shows: tuple[str, ...] = ()


def dashboards() -> Iterator[Query]:
    """Of panels, variables, annotations and links."""
    for file in sorted(DASHBOARDS.rglob("*.json")):
        dashboard = json.loads(file.read_text(encoding="utf-8"))
        yield from of_dashboard(str(file.relative_to(ROOT)), dashboard)


def of_dashboard(file: str, dashboard: Mapping[str, Any]) -> Iterator[Query]:
    """The queries of one dashboard, wherever in it they stand."""
    variables = {each["name"]: _values(each) for each in dashboard.get("templating", {}).get("list", [])}
    # Filled in by Grafana inside of a link.
    variables.update({"__all_variables": [""], "__url_time_range": [""], "__value": [".*"], "__data": [".*"]})
    for variable in dashboard.get("templating", {}).get("list", []):
        if variable["type"] == "query":
            yield from _of_variable(file, variable, variables)
    for annotation in dashboard.get("annotations", {}).get("list", []):
        yield from _expressions(file, f"annotation {annotation['name']}", "annotation", "", annotation, "", variables)
    for panel in panels(dashboard):
        says = f"{panel.get('title', '')}\n{panel.get('description', '')}"
        source = (panel.get("datasource") or {}).get("type", "")
        yield from _expressions(file, f"panel {panel.get('title')}", "panel", says, panel, source, variables)


def panels(dashboard: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """All but the rows, those inside of collapsed rows too."""
    for panel in dashboard["panels"]:
        yield from panel.get("panels", [])
        if panel["type"] != "row":
            yield panel


def _values(variable: Mapping[str, Any]) -> list[str]:
    """What may be filled in for a variable."""
    if variable["type"] in ("custom", "interval") and variable.get("options"):
        return [option["value"] for option in variable["options"] if option["value"] != "$__all"]
    if variable["type"] in ("custom", "interval") and isinstance(variable.get("query"), str):
        return [each.split(" : ")[-1].strip() for each in variable["query"].split(",")]
    if variable["type"] in ("constant", "textbox"):
        return [variable.get("query") or ""]
    return [".*"]


def _of_variable(file: str, variable: Mapping[str, Any], variables: Mapping[str, Sequence[str]]) -> Iterator[Query]:
    language = LANGUAGES[variable["datasource"]["type"]]
    query = variable["query"]
    place = f"variable {variable['name']}"
    if language == "logql":
        label, stream = query["label"], query.get("stream") or '{service_name=~".+"}'
        text = f"sum by ({label}) (count_over_time({stream} [1h]))"
        yield Query(file, place, language, text, "variable", variables=variables)
        return
    text = query if isinstance(query, str) else query["query"]
    found = VARIABLE_QUERY.fullmatch(text)
    if found and found[1] == "label_values":
        selector, _, label = found[2].rpartition(",")
        # What Grafana asks: which values of the label have the series that exist in the range.
        selector = selector.strip() or '{__name__=~".+"}'
        text = f"group by ({label.strip()}) (present_over_time({selector}[$__range]))"
    elif found and found[1] == "query_result":
        text = found[2]
    elif found:
        return
    yield Query(file, place, language, text, "variable", variables=variables)


def _expressions(
    file: str, place: str, kind: str, says: str, value: Any, source: str, variables: Mapping[str, Sequence[str]]
) -> Iterator[Query]:
    """Whatever has an `expr` in here, and the URLs that carry one."""
    if isinstance(value, list):
        for each in value:
            yield from _expressions(file, place, kind, says, each, source, variables)
    if not isinstance(value, dict):
        return
    inner = value.get("datasource")
    if isinstance(inner, dict) and inner.get("type") in LANGUAGES:
        source = inner["type"]
    if isinstance(value.get("expr"), str):
        language = LANGUAGES.get(source) or ("logql" if re.match(r"\W*\{", value["expr"]) else "promql")
        shows = tuple(re.findall(r"\{\{\s*(\w+)\s*\}\}", value.get("legendFormat") or ""))
        yield Query(file, place, language, value["expr"], kind, says, variables, shows=shows)
    if isinstance(value.get("url"), str):
        for carried in _in_url(value["url"]):
            yield from _expressions(file, place, "link", says, carried, source, variables)
    for name, each in value.items():
        if name != "datasource":
            yield from _expressions(file, place, kind, says, each, source, variables)


def _in_url(url: str) -> Iterator[Any]:
    for values in urllib.parse.parse_qs(urllib.parse.urlsplit(url).query).values():
        for value in values:
            if "expr" in value:
                yield json.loads(value)


def rules() -> Iterator[Query]:
    """Of the recording and alert rules that the roles install."""
    for role, language in (("loki", "logql"), ("prometheus", "promql")):
        for name, text in roles.files(role, **ALL_RULES).items():
            content = yaml.safe_load(text) if name.endswith((".yml", ".yaml")) else None
            for group in content.get("groups", []) if isinstance(content, dict) else []:
                for rule in group["rules"]:
                    yield of_rule(f"roles/{role}: {name}", group["name"], rule, language)


def of_rule(file: str, group: str, rule: Mapping[str, Any], language: str) -> Query:
    """The query of one rule."""
    kind = "record" if "record" in rule else "alert"
    says = "\n".join(map(str, rule.get("annotations", {}).values()))
    return Query(
        file,
        f"{group}: {rule[kind]}",
        language,
        str(rule["expr"]),
        kind,
        says,
        name=rule[kind],
        labels=tuple(rule.get("labels", {})),
        shows=tuple(re.findall(r"\$labels\.(\w+)", says)),
    )
