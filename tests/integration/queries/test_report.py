# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report says what was played."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from plugins.module_utils._rollups import DAY
from tests.tools.ledger import COST_SLACK, NANO

DAYS = 14
KINDS = ("input", "output", "cacheRead", "cacheCreation")


def figures(played: list[Any]) -> dict[str, Any]:
    """What the report says of some recordings."""

    def total(row: str) -> int:
        return sum(each.ledger.get(row, 0) for each in played)

    tokens = {kind: total(f"tokens {kind}") for kind in KINDS}
    return {
        "cost_usd": pytest.approx(total("cost") / NANO, rel=0, abs=len(played) * COST_SLACK / NANO),
        "tokens": {**tokens, "all": sum(tokens.values())},
        "sessions": total("starts"),
        "active_seconds": pytest.approx(
            sum(total(f"metric claude_code.active_time.total {kind}") for kind in ("cli", "user")) / 1000, abs=0.02
        ),
        "lines_added": total("metric claude_code.lines_of_code.count added"),
        "lines_removed": total("metric claude_code.lines_of_code.count removed"),
        "commits": total("metric claude_code.commit.count"),
        "pull_requests": 0,
    }


def said(report: dict[str, Any]) -> dict[str, Any]:
    return {name: report[name] for name in figures([])}


@pytest.fixture(scope="module")
def folder(stack: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    stack.play("playbooks/report.yml", "-e", f"report_range={DAYS}d", "-e", f"report_path={folder}/deep/report")
    return folder / "deep"


@pytest.fixture(scope="module")
def report(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "report.json").read_text())
    return found


def test_totals_of_the_period_and_of_the_one_before(stack: Any, report: dict[str, Any]) -> None:
    middle, begin = stack.midnight(DAYS - 1), stack.midnight(2 * DAYS - 1)
    assert said(report["totals"]) == figures(stack.of(middle))
    assert said(report["totals_before"]) == figures(stack.of(begin, middle))
    assert report["before"]["comparable"]
    active = {each.person for each in stack.of(middle) if each.ledger.get("tokens input")}
    assert report["totals"]["active_developers"] == len(active)


def test_teams_and_days(stack: Any, report: dict[str, Any]) -> None:
    period = stack.of(stack.midnight(DAYS - 1))
    for each in report["teams"]:
        assert said(each) == figures([played for played in period if played.team == each["team"]])
    assert {each["team"] for each in report["teams"]} == {played.team for played in period}
    for age, each in enumerate(reversed(report["days"])):
        begin = stack.midnight(age)
        assert said(each) == figures(stack.of(begin, begin + DAY)), each["day"]


def test_metrics_and_events_agree(report: dict[str, Any]) -> None:
    assert report["check"]["result"] == "equal"
    assert all(row["metrics"] > 0 for row in report["check"]["rows"])


def test_the_other_files(folder: Path, report: dict[str, Any]) -> None:
    with (folder / "report.csv").open() as file:
        table = list(csv.DictReader(file))
    assert sum(int(line["value"]) for line in table if line["metric"] == "tokens") == report["totals"]["tokens"]["all"]
    assert "By team" in (folder / "report.html").read_text()
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}


def test_days_that_are_given_and_developers(stack: Any, tmp_path: Path, report: dict[str, Any]) -> None:
    first, last = report["days"][2]["day"], report["days"][5]["day"]
    stack.play(
        "playbooks/report.yml",
        *["-e", f"report_from={first}", "-e", f"report_to={last}"],
        *["-e", "report_people=true", "-e", f"report_path={tmp_path}/people"],
    )
    people = json.loads((tmp_path / "people.json").read_text())
    assert [each["day"] for each in people["days"]] == [each["day"] for each in report["days"][2:6]]
    assert people["period"]["complete"]
    played = stack.of(stack.midnight(DAYS - 3), stack.midnight(DAYS - 7))
    for each in people["developers"]:
        assert said(each) == figures([one for one in played if one.person == each["developer"]])
    assert {each["developer"] for each in people["developers"]} == {one.person for one in played}
