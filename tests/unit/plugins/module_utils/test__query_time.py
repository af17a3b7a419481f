# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.claude_code.observability.plugins.module_utils._query_time import (
    duration,
    iso,
    moment,
    prometheus_duration,
)

NOW = 1700000000.5


@pytest.mark.parametrize(
    ("text", "seconds"), [("30d", 2592000), ("1h30m", 5400), ("90", 90), ("1w", 604800), ("500ms", 0.5)]
)
def test_durations(text: str, seconds: float) -> None:
    assert duration("range", text) == seconds


@pytest.mark.parametrize("text", ["", "0", "0s", "d", "30 d", "1.5h", "-1h", "month"])
def test_no_durations(text: str) -> None:
    with pytest.raises(ValueError, match=rf"range is '{text}'; write a duration such as 30d"):
        duration("range", text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("now", NOW),
        ("1700000000", 1700000000),
        ("2023-11-14T22:13:20Z", 1700000000),
        ("2023-11-15T07:13:20+09:00", 1700000000),
        ("2023-11-15T07:13:20", 1700000000),
        ("2023-11-15", 1699974000),
    ],
)
def test_moments_without_an_offset_are_in_the_zone(text: str, seconds: float) -> None:
    assert moment("start", text, NOW, 9 * 3600) == seconds


def test_times_come_back_as_they_were() -> None:
    assert (iso(NOW), iso(1700000000, 9 * 3600)) == ("2023-11-14T22:13:20.500Z", "2023-11-15T07:13:20+09:00")
    assert iso(1699999999.9996) == "2023-11-14T22:13:20Z"
    assert moment("end", iso(NOW), 0) == NOW


def test_durations_for_the_stores() -> None:
    assert (prometheus_duration(3600.0), prometheus_duration(1.5)) == ("3600s", "1500ms")
