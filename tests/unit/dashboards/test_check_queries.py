# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the check against real stores judges what it finds."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from dashboards import __main__ as generator
from plugins.module_utils._rollups import DAY, Calendar
from tests.integration.grafana.check_queries import MAY_BE_EMPTY, Panel, Span, judged


def test_empty_panels_must_be_listed_and_listed_ones_empty() -> None:
    found = {("a", "Cost"): "1", ("a", "Hooks"): "", ("b", "Hooks"): "", ("b", "Errors"): "1", ("b", "Alerts"): ""}
    sometimes = {"Errors": "sometimes: ...", "Alerts": "sometimes: ..."}
    assert judged(found, {"b": {"Hooks": "none", **sometimes}, "a": {"Cost": "?", "Gone": "?"}}) == [
        "a, Hooks: shows nothing",
        "a, Cost: may_be_empty.yml lists it, but it shows something or is not there",
        "a, Gone: may_be_empty.yml lists it, but it shows something or is not there",
    ]


def test_the_list_names_dashboards_and_gives_reasons() -> None:
    listed = yaml.safe_load(MAY_BE_EMPTY.read_text(encoding="utf-8"))
    assert set(listed) <= {Path(name).name for name in generator.DASHBOARDS}
    assert all(reason for titles in listed.values() for reason in titles.values())


@pytest.mark.parametrize("utc_offset", [0, 9 * 3600, -8 * 3600])
def test_days_begin_at_the_midnight_of_the_stack(utc_offset: int) -> None:
    now = 1_795_512_345.6
    span = Span.days(now, Calendar(utc_offset=utc_offset))
    assert (span.start + utc_offset) % DAY == 0
    assert 8 * DAY <= now - span.start < 9 * DAY


def test_only_stacked_bars_add_up() -> None:
    target = {"datasource": {"type": "prometheus"}, "expr": "x"}
    chart = {"type": "timeseries", "title": "A", "targets": [target]}
    stacked = {"defaults": {"custom": {"drawStyle": "bars", "stacking": {"mode": "normal"}}}}
    assert Panel.of("d", {**chart, "fieldConfig": stacked}, {}).targets[0].kind == "bars"
    assert Panel.of("d", chart, {}).targets[0].kind == "lines"
