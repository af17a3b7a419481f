# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every token the model API handed out is counted once, in Prometheus and in Loki."""

from __future__ import annotations

import json
import re

import pytest

from tests.e2e.sessions import SHAPES
from tests.tools.environment import setting
from tests.tools.ledger import COST, Loki, Prometheus, differences, total

NAMES = [shape.name for shape in SHAPES]


@pytest.mark.parametrize("name", NAMES)
def test_the_client_ended_as_it_should(told, name):
    one = told[name]
    assert tuple(one.session.codes) == one.shape.codes, one.session.output[-3000:]


@pytest.mark.parametrize("name", NAMES)
def test_a_session_is_counted_exactly(told, name):
    assert differences(told[name].ledgers) == []


def test_all_sessions_are_counted_exactly(told):
    assert differences(total(one.ledgers for one in told.values())) == []


def test_tokens_of_every_type_were_handed_out(told):
    expected = total(one.ledgers for one in told.values())["expected"]
    assert all(expected[f"tokens {kind}"] > 0 for kind in ("input", "output", "cacheRead", "cacheCreation"))


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_the_revision_of_the_settings_is_known_in_both_stores(told, homes, protocol):
    """Of a session that sets no resource attributes of its own."""
    one = next(one for one in told.values() if one.shape.protocol == protocol)
    attributes = json.loads((homes[protocol] / ".claude/settings.json").read_text())["env"]["OTEL_RESOURCE_ATTRIBUTES"]
    revision = re.findall(r"settings_revision=([0-9a-f]{8})", attributes)
    session, where = one.session.id, 'session_id="%s"'
    by_metrics = Prometheus(setting("PROMETHEUS")).query(
        f"count by (settings_revision) (last_over_time({COST}{{{where % session}}}[1h]))"
    )
    by_events = Loki(setting("LOKI")).query(
        f'sum by (settings_revision) (count_over_time({{service_name="claude-code"}} | {where % session} [1h]))'
    )
    assert [[row["metric"].get("settings_revision") for row in rows] for rows in (by_metrics, by_events)] == [
        revision,
        revision,
    ]
