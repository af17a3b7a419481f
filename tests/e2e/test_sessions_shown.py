# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the sessions and the recordings left in the stores is what the dashboards show."""

from __future__ import annotations

import sys

import yaml

from plugins.module_utils._rollups import Calendar
from tests.integration.grafana.check_queries import report, wait_for_days
from tests.tools import documented
from tests.tools.environment import setting
from tests.tools.otlp import HttpSender
from tests.tools.queries.check import everything, read
from tests.tools.queries.vocabulary import STACK, Vocabulary, stack_series
from tests.tools.stack_metrics import FILE, seen


def test_every_panel_shows_the_sessions_by_minute_and_by_day(told):
    urls = {"prometheus": setting("PROMETHEUS"), "loki": setting("LOKI")}
    documented.send(HttpSender(setting("HTTP")), **urls)
    calendar = Calendar.of("72h", setting("UTC_OFFSET"))
    wait_for_days(urls, calendar)
    assert report(urls, calendar, days=True, out=sys.stdout) == []


def test_the_stack_says_of_itself_what_dashboards_and_alerts_read():
    committed = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    usual = {series.name for series in stack_series({"programs": committed["programs"]})}
    said = {series.name: series for series in stack_series({"programs": seen(setting("PROMETHEUS"))})}
    asked = {
        series for series in read(everything(), Vocabulary.load()) if series.kind == STACK and series.name in usual
    }
    assert {series.name for series in asked} - set(said) == set()
