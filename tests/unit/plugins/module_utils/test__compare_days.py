# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.claude_code.observability.plugins.module_utils._compare_days import Comparison
from ansible_collections.claude_code.observability.plugins.module_utils._rollups import Calendar

DAYS = {20000: 10.0, 20001: 20.0, 20010: 30.0}


def comparison(**second):
    totals = {int(day[1:]): value for day, value in second.items()}
    return Comparison(Calendar(72, 9 * 3600), {"cost": DAYS}, {"cost": {**DAYS, **totals}}, settled=20007)


def test_equal_to_the_micro_dollar():
    found = comparison(_20000=10.0000004)
    assert [row["verdict"] for row in found.rows] == ["equal"] * 3
    assert found.wrong == []
    assert found.rows[0]["day"] == "2024-10-04"


@pytest.mark.parametrize("value", [0, 9.999999, 10.000001])
def test_a_day_that_is_over_must_be_equal(value):
    assert comparison(_20000=value).wrong == [f"cost of 2024-10-04: 10 and {value:.15g}"]


def test_late_data_may_only_add():
    assert comparison(_20010=31).wrong == []
    assert comparison(_20010=31).rows[-1]["verdict"] == "more"
    assert comparison(_20010=29).wrong == ["cost of 2024-10-14: 30 and 29"]
