# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pages on capacity show what the model says."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.capacity.__main__ import SIZES, sizes
from benchmarks.capacity.model import Company

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("page", ["docs/capacity.md", "docs/ko/capacity.md"])
def test_the_page_has_the_table(page: str) -> None:
    assert f"```\n{sizes([Company(number) for number in SIZES])}\n```\n" in (ROOT / page).read_text(encoding="utf-8")


def test_twice_the_sessions_take_what_twice_the_developers_take() -> None:
    once, more, busier = Company(100), Company(200), Company(100, sessions=2 * Company.sessions)
    for name in (
        "series_a_day",
        "samples_a_day",
        "events_a_day",
        "metric_bytes_a_day",
        "prometheus_bytes",
        "late_bytes",
    ):
        assert getattr(once, name) < getattr(more, name) == pytest.approx(getattr(busier, name)), name
    # Clients send when they like, however many sessions one has on a day.
    assert busier.requests_a_second == once.requests_a_second
