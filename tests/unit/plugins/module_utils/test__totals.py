# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.claude_code.observability.plugins.module_utils._rollups import DAY, TABLE, Calendar
from ansible_collections.claude_code.observability.plugins.module_utils._totals import (
    Total,
    from_days,
    from_samples,
    recorded_calendar,
)

SEOUL = Calendar.of("72h", "+09:00")
# 09:00 in Seoul on 15 November 2023.
MORNING = 1700006400.0
MIDNIGHT = MORNING - 9 * 3600


def test_conditions_are_quoted_for_promql() -> None:
    total = Total.of("cost", [], {"team": 'a"b\\', "model": ["x.y", "z|"], "query_source": ""})
    assert total.selector("s") == r's{team="a\"b\\", model=~"x\\.y|z\\|", query_source=""}'


def test_opening_the_list_of_agents_is_no_session() -> None:
    assert Total.of("sessions").selector("s") == 's{start_type!="agents_view"}'
    assert Total.of("sessions", [], {"start_type": "fresh"}).selector("s") == 's{start_type="fresh"}'


@pytest.mark.parametrize(
    ("by", "where", "series"),
    [
        (["team"], {}, "team:claude_code_cost:day"),
        (["team", "developer"], {}, "developer:claude_code_cost:day"),
        ([], {"developer": "ada"}, "developer:claude_code_cost:day"),
    ],
)
def test_single_developers_are_read_only_when_asked_for(by: list[str], where: dict[str, str], series: str) -> None:
    assert series in Total.of("cost", by, where).days(SEOUL)


def test_labels_that_the_days_do_not_keep() -> None:
    assert Total.of("tokens", ["team", "effort", "type"], {"agent_name": "x"}).missing == ["effort", "agent_name"]
    assert Total.of("cost", ["job", "developer", "model"]).missing == []


def test_days_are_those_that_begin_in_the_range() -> None:
    question = from_days(Total.of("cost"), SEOUL, MORNING - 30 * DAY, MORNING, None, MORNING)
    assert question.summed(SEOUL.utc_offset) == {
        "from": "2023-10-17T00:00:00+09:00",
        "to": "2023-11-15T09:00:00+09:00",
        "over": "whole days, UTC+09:00",
    }
    exact = from_days(Total.of("cost"), SEOUL, MIDNIGHT - DAY, MIDNIGHT, None, MORNING)
    assert (exact.first, exact.last) == (MIDNIGHT - DAY, MIDNIGHT)


def test_steps_of_days_lie_on_utc_midnights() -> None:
    question = from_days(Total.of("cost"), SEOUL, MIDNIGHT - 2 * DAY, MORNING, float(DAY), MORNING)
    assert question.start is not None
    assert question.start % DAY == question.end % DAY == 0
    assert (question.start - question.shift, question.end - question.shift) == (MIDNIGHT - 2 * DAY, MIDNIGHT)
    weeks = from_days(Total.of("cost"), SEOUL, MIDNIGHT - 14 * DAY, MIDNIGHT, 7.0 * DAY, MORNING)
    assert (weeks.first, weeks.last) == (MIDNIGHT - 14 * DAY, MIDNIGHT)
    assert weeks.query.endswith("[7d:1d] offset -6d)")


def test_a_range_without_the_beginning_of_a_day_is_refused() -> None:
    with pytest.raises(ValueError, match=r"No day begins between 2023-11-15T08:00:00\+09:00 and"):
        from_days(Total.of("cost"), SEOUL, MORNING - 3600, MORNING, None, MORNING)
    with pytest.raises(ValueError, match="step is not whole days"):
        from_days(Total.of("cost"), SEOUL, MORNING - 30 * DAY, MORNING, 3600.0, MORNING)


def test_steps_of_samples_cover_the_range() -> None:
    question = from_samples(Total.of("cost"), 1000, 8200, 3600, 9000)
    assert question.query == "sum(sum_over_time(claude_code_cost_usage_USD[3600s] offset -3600s))"
    assert (question.start, question.end, question.first, question.last) == (1000, 4600, 1000, 8200)
    half = from_samples(Total.of("cost"), 1000, 6400, 3600, 9000)
    assert (half.end, half.last) == (4600, 8200)


@pytest.mark.parametrize("calendar", [Calendar(72, 0), SEOUL, Calendar.of("24h", "-03:30")])
def test_the_calendar_is_read_from_the_rules(calendar: Calendar) -> None:
    rules = [
        {"name": rule["record"], "labels": rule["labels"]} for group in calendar.groups() for rule in group["rules"]
    ]
    assert recorded_calendar([{"name": "other"}, *rules]) == calendar
    assert recorded_calendar([{"name": TABLE[1].by_developer, "labels": {}}]) is None
