# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every token the model API handed out is counted once, in Prometheus and in Loki."""

from __future__ import annotations

import pytest

from tests.e2e.sessions import SHAPES
from tests.tools.ledger import differences, total

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
