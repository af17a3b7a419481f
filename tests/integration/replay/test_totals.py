# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was recorded comes back from the real stores as exact totals: fresh, late, sent again, and after kill -9."""

from __future__ import annotations

import pytest

from tests.tools import environment, late
from tests.tools.check_totals import compare
from tests.tools.environment import setting
from tests.tools.otlp import GrpcSender, HttpSender
from tests.tools.replay import replay_all

TIMEOUT = 60
LATE = 50 * 3600.0
FOUND = {"prometheus": late.TOKENS, "loki": late.TOKENS}


@pytest.mark.parametrize(("age", "copies"), [(30.0, 1), (30.0, 2), (LATE, 1)], ids=["fresh", "sent-twice", "50h-old"])
def test_recordings_are_counted_exactly(prometheus, loki, age, copies):
    sent = replay_all(setting("GRPC"), setting("HTTP"), age=age, copies=copies)
    checks = compare(sent, prometheus, loki, TIMEOUT)
    print("\n\n".join(check.table() for check in checks))
    assert {check.table(): check.wrong() for check in checks if check.wrong()} == {}


def test_late_data_is_found_at_once_after_a_flush_and_after_kill_9(prometheus, loki):
    marks = [late.push(sender, LATE) for sender in (GrpcSender(setting("GRPC")), HttpSender(setting("HTTP")))]

    def found() -> list[dict[str, int]]:
        return [late.find(mark, prometheus, loki) for mark in marks]

    assert found() == [FOUND, FOUND], "at once"
    environment.flush_loki()
    assert found() == [FOUND, FOUND], "after a flush"
    for component in ("prometheus", "loki"):
        environment.kill(component)
    for component in ("prometheus", "loki"):
        environment.wait_until_ready(component)
    assert found() == [FOUND, FOUND], "after kill -9"
