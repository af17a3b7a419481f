# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the events are recorded as. That Loki takes and answers the expressions is shown in tests/integration/alerts."""

from __future__ import annotations

import pytest
from ansible_collections.claude_code.observability.plugins.module_utils import _event_rules
from ansible_collections.claude_code.observability.plugins.module_utils._rollups import Calendar

from dashboards.queries import EVENTS


def rules(late_max: str = "72h", utc_offset: str = "Z") -> dict[str, dict[str, object]]:
    groups = _event_rules.groups(Calendar.of(late_max, utc_offset))
    return {rule["record"]: rule for group in groups for rule in group["rules"]}


def test_events_are_chosen_as_the_dashboards_choose_them() -> None:
    stream, _bar, ours = EVENTS.partition(" | ")
    assert [stream, ours] == [_event_rules.EVENTS, _event_rules.OURS]
    for rule in rules().values():
        assert stream in rule["expr"]
        assert ours in rule["expr"]


@pytest.mark.parametrize(("late_max", "ages", "days"), [("72h", "0|1|2|3|4", 5), ("24h", "0|1|2", 3)])
def test_all_days_that_are_open_are_summed(late_max: str, ages: str, days: int) -> None:
    expr = rules(late_max)[_event_rules.TOKENS_BY_MODEL]["expr"]
    assert f'age=~"^(?:{ages})$"' in expr
    assert f"[{days}d]" in expr


def test_a_day_begins_where_the_stack_says() -> None:
    rule = rules(utc_offset="+09:00")[_event_rules.COST_BY_MODEL]
    assert "(add (int (unixEpoch __timestamp__)) 32400)" in rule["expr"]
    assert rule["labels"] == {"per": "day", "zone": "UTC+09:00"}


def test_no_session_is_recorded_but_a_busy_one() -> None:
    by_session = [rule["expr"] for rule in rules().values() if "session_id" in rule["expr"]]
    assert len(by_session) == 1
    assert by_session[0].endswith(f">= {_event_rules.BUSY}")
