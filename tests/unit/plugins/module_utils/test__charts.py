# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.claude_code.observability.plugins.module_utils._charts import spark, stacked, ticks


@pytest.mark.parametrize(
    ("largest", "marks"),
    [(0, [0, 1]), (7, [0, 2, 4, 6, 8]), (100, [0, 25, 50, 75, 100]), (1434, [0, 500, 1000, 1500])],
)
def test_ticks_are_round_and_reach_the_largest(largest: float, marks: list[float]) -> None:
    assert ticks(largest) == marks


def test_bars_stand_on_each_other_and_on_the_axis() -> None:
    chart = stacked(["a", "b"], [("x", [1, 0]), ("y", [3, 2])], str, str, before=[4, 1])
    first, second, third = chart["bars"]
    assert first["y"] + first["height"] == pytest.approx(chart["base"])
    assert second["y"] + second["height"] == pytest.approx(first["y"])
    assert second["height"] == pytest.approx(3 * first["height"], abs=0.02)
    assert (third["series"], third["says"]) == (1, "b, y: 2 of 2")
    assert len(chart["line"].split()) == 2


def test_nothing_is_drawn_of_nothing() -> None:
    assert stacked([], [], str, str)["bars"] == []
    assert stacked(["a"], [("x", [0])], str, str)["bars"] == []
    assert "nan" not in str(spark([0, 0])) + str(spark([]))
