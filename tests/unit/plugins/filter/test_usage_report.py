# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import csv
import io
import json
import random
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import pytest
from ansible_collections.claude_code.observability.plugins.filter.usage_report import usage_report
from ansible_collections.claude_code.observability.plugins.module_utils._report import shares

EVIL = '<script>alert("1")</script>'
TEAMS = ("compilers", EVIL, "")
MODELS = tuple(f"model-{number}" for number in range(8))
DAYS = 3
# The first of six days; the last one is still running.
FIRST = "2026-11-19T00:00:00+09:00"
UNTIL = "2026-11-24T18:15:00+09:00"


def day(number: int) -> str:
    return f"2026-11-{19 + number}T00:00:00+09:00"


def row(value: float, number: int, **labels: str) -> dict[str, Any]:
    return {"labels": {name: text for name, text in labels.items() if text}, "time": day(number), "value": value}


def rows(number: int) -> Iterator[tuple[str, dict[str, Any]]]:
    draw = random.Random(number)
    for team in TEAMS:
        for model in MODELS:
            yield "cost", row(draw.randrange(10**9) / 10**7, number, team=team, model=model)
            for kind in ("input", "output", "cacheRead", "cacheCreation"):
                yield "tokens", row(draw.randrange(10**6), number, team=team, model=model, type=kind)
        for metric in ("sessions", "commits", "pull_requests"):
            yield metric, row(draw.randrange(100), number, team=team)
        yield "active_time", row(draw.randrange(10**6) / 1000, number, team=team)
        for kind in ("added", "removed"):
            yield "lines", row(draw.randrange(1000), number, team=team, type=kind)


@pytest.fixture
def answers() -> dict[str, Any]:
    found: dict[str, list[dict[str, Any]]] = {"active": [row(1, 3, developer=name) for name in "abc"] + [row(1, 0)]}
    for number in range(2 * DAYS):
        for metric, each in rows(number):
            found.setdefault(metric, []).append(each)
    return {
        "title": f"At {EVIL}",
        "created": UNTIL,
        "days": DAYS,
        "summed": {"from": FIRST, "to": UNTIL, "over": "whole days, UTC+09:00"},
        "answers": found,
        "events": {"until": day(5), "days": 2, "problem": "", "sums": sums_of(found, 3, 5)},
    }


def sums_of(found: dict[str, list[dict[str, Any]]], first: int, after: int) -> dict[str, float]:
    days = {day(number) for number in range(first, after)}
    sums: dict[str, float] = {"cost_usd": sum(each["value"] for each in found["cost"] if each["time"] in days)}
    for each in found["tokens"]:
        if each["time"] in days:
            kind = each["labels"]["type"]
            sums[kind] = sums.get(kind, 0) + each["value"]
    return sums


def as_data(answers: dict[str, Any]) -> dict[str, Any]:
    report: dict[str, Any] = json.loads(usage_report(answers, "r")["r.json"])
    return report


class Page(HTMLParser):
    """The cells of each table, and all tags with their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tables: list[list[list[str]]] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.inside = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")
            self.inside = True

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th"):
            self.inside = False

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.tables[-1][-1][-1] += data


def column(table: list[list[str]], name: str) -> list[str]:
    return [line[table[0].index(name)] for line in table[1:]]


def cents(text: str) -> int:
    return int(re.sub(r"\D", "", text))


def test_sums_equal_their_parts(answers: dict[str, Any]) -> None:
    report = as_data(answers)
    for part in ("teams", "models", "days"):
        assert sum(round(each["cost_usd"] * 10**9) for each in report[part]) == round(
            report["totals"]["cost_usd"] * 10**9
        )
        assert sum(each["tokens"]["all"] for each in report[part]) == report["totals"]["tokens"]["all"]
    for name in ("sessions", "commits", "pull_requests", "lines_added", "lines_removed"):
        assert sum(each[name] for each in report["teams"]) == report["totals"][name]
        assert sum(each[name] for each in report["days"]) == report["totals"][name]


def test_columns_of_dollars_add_up_as_they_are_shown(answers: dict[str, Any]) -> None:
    page = Page(usage_report(answers, "r")["r.html"])
    for table in page.tables[:3]:
        *parts, whole = map(cents, column(table, "Cost"))
        assert sum(parts) == whole
    assert len({column(table, "Cost")[-1] for table in page.tables[:3]}) == 1


def test_the_csv_holds_every_sum_of_the_period(answers: dict[str, Any]) -> None:
    table = list(csv.DictReader(io.StringIO(usage_report(answers, "r")["r.csv"])))
    report = as_data(answers)
    assert {line["day"] for line in table} == {"2026-11-22", "2026-11-23", "2026-11-24"}
    cost = sum(round(float(line["value"]) * 10**9) for line in table if line["metric"] == "cost")
    assert cost == round(report["totals"]["cost_usd"] * 10**9)
    assert sum(int(line["value"]) for line in table if line["metric"] == "sessions") == report["totals"]["sessions"]


def test_a_spreadsheet_takes_no_name_for_a_formula(answers: dict[str, Any]) -> None:
    answers["answers"]["sessions"].append(row(1, 4, team="=HYPERLINK(1)"))
    assert "2026-11-23,'=HYPERLINK(1),,sessions,,,1" in usage_report(answers, "r")["r.csv"]


def test_the_periods(answers: dict[str, Any]) -> None:
    report = as_data(answers)
    assert report["period"] == {
        "first": "2026-11-22",
        "last": "2026-11-24",
        "days": 3,
        "complete": False,
        "until": UNTIL,
    }
    assert (report["before"]["first"], report["before"]["last"]) == ("2026-11-19", "2026-11-21")
    assert (report["totals"]["active_developers"], report["totals_before"]["active_developers"]) == (3, 1)
    assert report["zone"] == "UTC+09:00"


def test_names_are_text(answers: dict[str, Any]) -> None:
    answers["answers"]["people_cost"] = [row(1.5, 3, team=EVIL, developer=EVIL)]
    html = usage_report(answers, "r")["r.html"]
    page = Page(html)
    assert EVIL not in html
    assert not {tag for tag, _attributes in page.tags} & {"script", "link", "img", "iframe", "object"}
    assert EVIL in column(page.tables[0], "Team")
    assert EVIL in column(page.tables[2], "Developer")


def test_nothing_comes_from_elsewhere(answers: dict[str, Any]) -> None:
    html = usage_report(answers, "r")["r.html"]
    links = [value for _tag, given in Page(html).tags for name, value in given.items() if name in ("src", "href")]
    assert links == ["r.json", "r.csv"]
    assert not re.search(r"url\(|@import|https?:", html)
    assert "default-src 'none'" in html


def test_developers_are_shown_only_when_asked_for(answers: dict[str, Any]) -> None:
    assert as_data(answers)["developers"] == []
    assert "By developer" not in usage_report(answers, "r")["r.html"]
    answers["answers"]["people_sessions"] = [row(2, 3, team="b", developer="z"), row(7, 3, team="a", developer="y")]
    answers["answers"]["people_sessions"] += [row(9, 0, team="a", developer="before")]
    assert [(each["team"], each["developer"], each["sessions"]) for each in as_data(answers)["developers"]] == [
        ("a", "y", 7),
        ("b", "z", 2),
    ]


def test_metrics_and_events_that_agree(answers: dict[str, Any]) -> None:
    check = as_data(answers)["check"]
    assert (check["result"], check["first"], check["last"]) == ("equal", "2026-11-22", "2026-11-23")
    assert "both say the same" in usage_report(answers, "r")["r.html"]


@pytest.mark.parametrize(
    ("change", "result", "text"),
    [
        ({"sums": {"input": 1, "cost_usd": 0.5}}, "different", "Metrics and events differ"),
        ({"sums": {}}, "gone", "Loki keeps them for a shorter time"),
        ({"problem": "Loki at x: not reachable"}, "none", "Not checked against the events: Loki at x: not reachable."),
        ({"days": 0}, "none", "no day of the period is over"),
    ],
)
def test_metrics_and_events_that_do_not(
    answers: dict[str, Any], change: dict[str, Any], result: str, text: str
) -> None:
    answers["events"].update(change)
    assert as_data(answers)["check"]["result"] == result
    assert text in usage_report(answers, "r")["r.html"]


def test_a_period_that_begins_before_the_data_is_compared_with_nothing(answers: dict[str, Any]) -> None:
    for found in answers["answers"].values():
        found[:] = [each for each in found if each["time"] >= day(4)]
    report = as_data(answers)
    assert not report["before"]["comparable"]
    assert report["data_begins"] == "2026-11-23"
    assert "the data begins on 23 Nov" in usage_report(answers, "r")["r.html"]


def test_no_data_at_all(answers: dict[str, Any]) -> None:
    for found in answers["answers"].values():
        found.clear()
    files = usage_report(answers, "r")
    assert files["r.html"].count("Nothing was recorded in this period.") == 2
    assert json.loads(files["r.json"])["totals"]["cost_usd"] == 0
    assert files["r.csv"].count("\n") == 1


def test_many_models_share_a_colour(answers: dict[str, Any]) -> None:
    html = usage_report(answers, "r")["r.html"]
    assert '<i class="s5"></i>others' in html
    assert 'class="s6"' not in html


@pytest.mark.parametrize(
    ("values", "unit", "shown"),
    [
        ([1 / 3, 1 / 3, 1 / 3], 0.01, [0.34, 0.33, 0.33]),
        ([0.005, 0.005], 0.01, [0.01, 0.0]),
        ([], 0.01, []),
        ([2.0, 0.0], 1.0, [2.0, 0.0]),
    ],
)
def test_rounded_parts_add_up(values: list[float], unit: float, shown: list[float]) -> None:
    assert shares(values, unit) == pytest.approx(shown)
