# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

from ansible_collections.claude_code.observability.plugins.plugin_utils._rollout import Rollout, span
from ansible_collections.claude_code.observability.plugins.plugin_utils._rollout_page import page


def user(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "path": f"/home/{name}/.claude/settings.json", "changed": False, "failed": False, **more}


def rollout(hosts: int = 10) -> Rollout:
    found = Rollout()
    found.expect([f"laptop-{number}" for number in range(hosts)], 100.0)
    return found


def test_progress_tells_rate_and_time_left() -> None:
    found = rollout()
    found.end("laptop-0", {"changed": True}, 110.0)
    found.end("laptop-1", {"changed": False}, 110.0)
    found.fail("laptop-2", "failed", "no")
    found.fail("laptop-3", "unreachable", "away")
    assert found.progress(120.0) == (
        "Rollout: 4 of 10 hosts: 1 changed, 1 unchanged, 1 failed, 1 unreachable; 12 a minute, 30 s left"
    )


def test_progress_at_the_end_tells_the_whole_time() -> None:
    found = rollout(1)
    found.end("laptop-0", {"changed": False}, 100.0)
    assert found.progress(700.0).endswith("0 unreachable; 0 a minute, 10 min in all")


def test_progress_without_results_promises_nothing() -> None:
    assert rollout().progress(100.0) == "Rollout: 0 of 10 hosts: 0 changed, 0 unchanged, 0 failed, 0 unreachable"


def test_a_fault_stays_whatever_succeeds_before_or_after() -> None:
    found = rollout(2)
    found.end("laptop-0", {"changed": True}, 101.0)
    found.fail("laptop-0", "failed", "disk full")
    found.fail("laptop-1", "unreachable", "away")
    found.end("laptop-1", {"changed": True}, 102.0)
    assert [host["state"] for host in found.report(103.0)["hosts"]] == ["failed", "unreachable"]


def test_a_fault_before_the_host_is_expected_is_kept() -> None:
    found = Rollout()
    found.fail("laptop-0", "failed", "no facts")
    assert found.hosts == {}
    found.expect(["laptop-0"], 100.0)
    assert found.report(100.0)["hosts"][0]["error"] == "no facts"


def test_a_second_call_without_change_leaves_a_host_changed() -> None:
    found = rollout(1)
    for changed in (True, False):
        found.begin("laptop-0", 100.0)
        found.end("laptop-0", {"changed": changed}, 101.5)
    host = found.report(103.0)["hosts"][0]
    assert (host["state"], host["seconds"]) == ("changed", 3.0)


def test_what_is_left_is_failed_away_or_not_reached() -> None:
    found = rollout(5)
    found.end("laptop-4", {"changed": True}, 101.0)
    found.end("laptop-3", {"changed": False}, 101.0)
    found.fail("laptop-2", "unreachable", "away")
    found.fail("laptop-1", "failed", "no")
    assert found.unsettled == ["laptop-0", "laptop-1", "laptop-2"]


def test_the_report_counts_users_and_keeps_known_fields_only() -> None:
    found = rollout(1)
    users = [user("ada", changed=True, keys_added=["OTEL_LOGS_EXPORTER"], diff={"after": "secret"}), user("grace")]
    found.end("laptop-0", {"changed": True, "users": users}, 101.0)
    report = found.report(102.0)
    assert report["totals"]["users_changed"] == 1
    assert report["hosts"][0]["users"] == [user("ada", changed=True, keys_added=["OTEL_LOGS_EXPORTER"]), user("grace")]


def test_the_page_shows_hosts_as_text() -> None:
    found = Rollout()
    found.expect(["<b>laptop</b>", "away"], 100.0)
    users = [user("ada", changed=True, keys_added=["A"], keys_changed=["B"], keys_removed=["C"], keys_kept=["D"])]
    found.end("<b>laptop</b>", {"changed": True, "users": users}, 101.0)
    found.fail("away", "unreachable", "connection <timed> out")
    shown = page({"ended": "2026-11-24T12:00:00+00:00", "check_mode": True, **found.report(102.0)}, "rollout")
    assert "&lt;b&gt;laptop&lt;/b&gt;" in shown
    assert "+A, ~B, \u2212C, =D" in shown
    assert "connection &lt;timed&gt; out" in shown
    assert "Check mode: nothing was written" in shown
    assert "--limit @rollout.retry" in shown


def test_spans_are_for_people() -> None:
    assert [span(seconds) for seconds in (4.4, 89, 90, 5399, 5400)] == ["4 s", "89 s", "2 min", "90 min", "1.5 h"]
