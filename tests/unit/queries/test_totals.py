# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The expressions that are written for people keep to the same rules as those that are committed."""

from __future__ import annotations

import pytest
from ansible_collections.claude_code.observability.plugins.module_utils._rollups import DAY, Calendar
from ansible_collections.claude_code.observability.plugins.module_utils._totals import (
    BY_NAME,
    Total,
    from_days,
    from_samples,
)

from tests.tools.queries import promql

NOW = 1_795_512_345.0
LABELS = [(name, label) for name, rollup in BY_NAME.items() for label in ("developer", "team", *rollup.labels)]


@pytest.mark.parametrize("step", [None, DAY], ids=["total", "bars"])
@pytest.mark.parametrize(("name", "label"), LABELS)
def test_a_total_has_no_fault(vocabulary, name: str, label: str, step: int | None) -> None:
    calendar = Calendar(utc_offset=9 * 3600)
    total = Total.of(name, [label], {"team": ["web", "app"]})
    for question in (
        from_samples(total, NOW - 7 * DAY, NOW, step, NOW),
        from_days(total, calendar, NOW - 30 * DAY, NOW, step, NOW),
    ):
        assert promql.check(question.query, vocabulary, {}, calendar=calendar).faults == []
