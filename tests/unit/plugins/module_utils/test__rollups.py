# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.claude_code.observability.plugins.module_utils._rollups import (
    BY_SERIES,
    TABLE,
    Calendar,
    repair_span,
    seconds_east,
)

SEOUL = Calendar.of("72h", "+09:00")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("+09:00", 32400),
        ("-08:00", -28800),
        ("+0530", 19800),
        ("-0330", -12600),
        ("+14:00", 50400),
        ("+00:00", 0),
        ("Z", 0),
        ("utc", 0),
    ],
)
def test_an_offset_is_read(text: str, seconds: int) -> None:
    assert seconds_east(text) == seconds


@pytest.mark.parametrize("wrong", ["", "9", "+9:00", "+15:00", "+09:60", "09:00", "Asia/Seoul", "+09:00:00", 600, -600])
def test_a_wrong_offset_is_named_and_a_number_explained(wrong: str | int) -> None:
    with pytest.raises(ValueError, match=r"stack_utc_offset is .*; write .* in quotes, .*\+09:00.* YAML reads"):
        Calendar.of("72h", wrong)


@pytest.mark.parametrize("wrong", ["", "3d", "72", "0h", "1.5h", "-1h", 72])
def test_a_wrong_lateness_is_named(wrong: str | int) -> None:
    with pytest.raises(ValueError, match=r"stack_late_max is .*; write whole hours, such as 72h"):
        Calendar.of(wrong, "Z")


@pytest.mark.parametrize(("late", "ages"), [("1h", 3), ("24h", 3), ("25h", 4), ("72h", 5), ("73h", 6)])
def test_every_day_is_written_once_more_after_its_last_data(late: str, ages: int) -> None:
    assert list(Calendar.of(late, "Z").ages) == list(range(ages))


@pytest.mark.parametrize(
    ("offset", "zone", "midnight"),
    [
        ("Z", "UTC", "offset 1ms"),
        ("+09:00", "UTC+09:00", "offset -32399999ms"),
        ("-03:30", "UTC-03:30", "offset 12600001ms"),
    ],
)
def test_the_boundary_is_named_and_applied(offset: str, zone: str, midnight: str) -> None:
    calendar = Calendar.of("24h", offset)
    assert (calendar.zone, calendar.midnight) == (zone, midnight)
    assert calendar.expand("in <<zone>>: x[2d:1d] <<midnight>>") == f"in {zone}: x[2d:1d] {midnight}"


def test_days_merge_all_ages_of_one_zone() -> None:
    assert Calendar.of("1h", "-08:00").expand('sum(<<days team:x:day{team=~"a{2}"}>>) + <<days y>>') == (
        "sum(max without (age) ("
        'max_over_time(team:x:day{team=~"a{2}", zone="UTC-08:00", age="0"}[1439m] offset -115140s) or '
        'max_over_time(team:x:day{team=~"a{2}", zone="UTC-08:00", age="1"}[1439m] offset -201540s) or '
        'max_over_time(team:x:day{team=~"a{2}", zone="UTC-08:00", age="2"}[1439m] offset -287940s))) + '
        "max without (age) ("
        'max_over_time(y{zone="UTC-08:00", age="0"}[1439m] offset -115140s) or '
        'max_over_time(y{zone="UTC-08:00", age="1"}[1439m] offset -201540s) or '
        'max_over_time(y{zone="UTC-08:00", age="2"}[1439m] offset -287940s))'
    )


@pytest.mark.parametrize(("by", "ages"), [("", "age"), ("team, model", "team, model, age")])
def test_sums_of_days_merge_the_sums_of_the_ages(by: str, ages: str) -> None:
    assert Calendar.of("1h", "Z").expand(f'<<days by ({by}) x{{model=~"a(b)"}}>>') == (
        f"max by ({by}) ("
        f'sum by ({ages}) (max_over_time(x{{model=~"a(b)", zone="UTC", age="0"}}[1439m] offset -86340s)) or '
        f'sum by ({ages}) (max_over_time(x{{model=~"a(b)", zone="UTC", age="1"}}[1439m] offset -172740s)) or '
        f'sum by ({ages}) (max_over_time(x{{model=~"a(b)", zone="UTC", age="2"}}[1439m] offset -259140s)))'
    )


def test_sums_by_developer_keep_less() -> None:
    for rollup in TABLE:
        assert {"developer", *rollup.kept_by_team} >= {*rollup.kept_by_developer}
    assert "query_source" not in BY_SERIES["claude_code_token_usage_tokens"].kept_by_developer


def test_texts_are_expanded_wherever_they_stand() -> None:
    value = {"panels": [{"expr": "<<zone>>", "id": 1}, None, True], "<<zone>>": 2.5}
    assert SEOUL.expand_all(value) == {"panels": [{"expr": "UTC+09:00", "id": 1}, None, True], "<<zone>>": 2.5}


def test_today_is_written_more_often_than_days_that_are_over() -> None:
    today, days = SEOUL.groups()
    assert (today["interval"], days["interval"]) == ("5m", "1h")
    assert {rule["labels"]["age"] for rule in today["rules"]} == {"0"}
    assert {rule["labels"]["age"] for rule in days["rules"]} == {"1", "2", "3", "4"}
    for group, ages in ((today, 1), (days, 4)):
        assert len(group["rules"]) == 2 * len(TABLE) * ages


@pytest.mark.parametrize("group", [*SEOUL.groups(), *SEOUL.repair_groups("now")], ids=lambda group: group["name"])
def test_every_rollup_says_that_it_is_one_of_this_zone(group: dict) -> None:
    for rule in group["rules"]:
        assert rule["labels"].items() >= {"per": "day", "zone": "UTC+09:00"}.items()


def test_a_second_repair_evaluates_at_times_of_its_own() -> None:
    names = [SEOUL.repair_groups(run)[0]["name"] for run in ("1", "2")]
    assert names[0] != names[1]


@pytest.mark.parametrize(("start", "begins"), [(583199, 0), (583200, 583200), (1789840799, 1789840800 - 583200)])
def test_a_repair_begins_with_a_whole_block(start: int, begins: int) -> None:
    assert repair_span(start) == ["--max-block-duration=583200s", f"--start={begins}"]


def test_rollups_are_found_by_the_series_they_sum() -> None:
    assert {BY_SERIES[rollup.series] for rollup in TABLE} == set(TABLE)
    assert BY_SERIES["claude_code_cost_usage_USD"].by_team == "team:claude_code_cost:day"
