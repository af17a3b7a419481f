# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every alert fires when it should, says so in the words of its case, and is silent when all is well, by promtool."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.alerts.written import EVERYTHING, alert_groups, alerts, written
from tests.tools.programs import program

ROOT = Path(__file__).parents[3]
CASES: dict[str, list[dict[str, Any]]] = {
    alert: cases
    for file in sorted((Path(__file__).parent / "cases").glob("*.yml"))
    for alert, cases in yaml.safe_load(file.read_text(encoding="utf-8")).items()
}


def promtool(*arguments: str) -> None:
    done = subprocess.run([program("promtool"), *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_has_a_case_in_which_it_fires_and_one_in_which_it_is_silent() -> None:
    for kind in ("fires", "silent"):
        assert {alert for alert, cases in CASES.items() if any(kind in case for case in cases)} == set(alerts()), kind


@pytest.mark.parametrize("alert", CASES)
def test_promtool(tmp_path: Path, alert: str) -> None:
    files = [tmp_path / f"{number}.yml" for number in range(len(CASES[alert]))]
    for file, case in zip(files, CASES[alert]):
        file.write_text(yaml.safe_dump(promtool_test(alert, case, file.with_suffix(".rules"))))
    promtool("test", "rules", *map(str, files))


def promtool_test(alert: str, case: dict[str, Any], rule_file: Path) -> dict[str, Any]:
    """Only the alert and what its group records, at the pace of the case's samples: a month goes by quickly."""
    interval = case.get("interval", "1m")
    rules = [
        rule
        for group in alert_groups(zone=case.get("zone", "Z"))
        if any(rule.get("alert") == alert for rule in group["rules"])
        for rule in group["rules"]
        if rule.get("alert", alert) == alert
    ]
    rule_file.write_text(yaml.safe_dump({"groups": [{"name": "group", "interval": interval, "rules": rules}]}))
    expected = []
    if "fires" in case:
        rule = rules[-1]
        expected = [
            {
                "exp_labels": {**rule["labels"], **case.get("labels", {})},
                "exp_annotations": {**rule["annotations"], "description": case["description"]},
            }
        ]
    test = {
        "name": case.get("fires") or case["silent"],
        "interval": interval,
        "input_series": [{"series": series, "values": values} for series, values in case["series"].items()],
        "alert_rule_test": [{"eval_time": case["at"], "alertname": alert, "exp_alerts": expected}],
    }
    return {"rule_files": [rule_file.name], "evaluation_interval": interval, "tests": [test]}


@pytest.mark.parametrize("variables", [{}, EVERYTHING], ids=["defaults", "everything"])
def test_promtool_takes_the_configuration(tmp_path: Path, variables: dict[str, Any]) -> None:
    files = written("prometheus", **variables)
    for name, text in {**files, "alertmanager_password": "secret"}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    promtool("check", "config", "--lint-fatal", str(tmp_path / "prometheus.yml"))
    assert "secret" not in "".join(files.values())


def test_an_alert_whose_input_is_off_is_not_there() -> None:
    off = {
        "ClaudeCodeAlertsNotDelivered",
        "ClaudeCodeBudgetExceeded",
        "ClaudeCodeCertificateEnds",
        "ClaudeCodeClientTooOld",
        "ClaudeCodeUnexpectedModel",
    }
    assert set(alerts()) - set(alerts(everything=False)) == off


def test_every_alert_says_how_bad_it_is_what_it_is_and_what_to_do() -> None:
    for name, rule in alerts().items():
        assert rule["labels"].keys() == {"severity"}, name
        assert rule["labels"]["severity"] in {"critical", "warning", "info"}, name
        assert rule["annotations"].keys() == {"summary", "description", "runbook_url"}, name


@pytest.mark.parametrize("page", ["docs/runbooks.md", "docs/ko/runbooks.md"])
def test_every_alert_has_its_runbook_and_no_runbook_is_left_over(page: str) -> None:
    headings = re.findall(r"^### (ClaudeCode\w+)$", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE)
    assert len(headings) == len(set(headings))
    assert set(headings) == set(alerts())
    for name, rule in alerts().items():
        assert rule["annotations"]["runbook_url"] == f"https://example.com/runbooks#{name.lower()}"


@pytest.mark.parametrize(("page", "told"), [("README.md", "{} alerts"), ("docs/ko/README.md", "알림 {}개")])
def test_the_first_page_counts_them_all(page: str, told: str) -> None:
    assert told.format(len(alerts())) in (ROOT / page).read_text(encoding="utf-8")
