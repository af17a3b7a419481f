# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from tests.tools import check_totals, otlp, replay
from tests.tools.ledger import differences, total
from tests.tools.relay import Relay

# The relay keeps the ledger of the exact path, which takes no cumulative input.
NAMES = [path.name for path in replay.files() if "cumulative" not in path.name]


@pytest.fixture
def relay(sink):
    between = Relay(sink.http)
    yield between
    between.close()


def acknowledged(relay):
    sessions = [{"prometheus": ledger} for ledger in relay.prometheus.values()]
    return total(sessions + [{"loki": ledger} for ledger in relay.loki.values()])


@pytest.mark.parametrize("name", NAMES)
def test_it_passes_on_what_it_gets_and_adds_it_up(name, relay, sink):
    replay.replay(replay.RECORDINGS / name, otlp.HttpSender(relay.url))
    assert differences({"expected": check_totals.expected(name), **acknowledged(relay)}) == []
    assert len(sink.requests) == len(replay.sendable(replay.load(replay.RECORDINGS / name)))


def test_what_was_refused_is_not_booked_until_it_is_taken(relay, sink, monkeypatch):
    monkeypatch.setattr(otlp.time, "sleep", lambda seconds: None)
    path = replay.RECORDINGS / "tools.otlp.jsonl"
    sink.answers = [503] * otlp.ATTEMPTS
    with pytest.raises(otlp.Refused):
        replay.replay(path, otlp.HttpSender(relay.url))
    assert acknowledged(relay) == {}
    sink.answers = [503]
    replay.replay(path, otlp.HttpSender(relay.url))
    assert differences({"expected": check_totals.expected(path.name), **acknowledged(relay)}) == []


def test_what_is_acknowledged_twice_is_booked_once(relay, sink):
    sender = otlp.HttpSender(relay.url)
    requests = replay.sendable(replay.load(replay.RECORDINGS / "tools.otlp.jsonl"))
    for request in [*requests, *requests]:
        sender.send(request.signal, request.body)
    assert len(sink.requests) == 2 * len(requests)
    assert differences({"expected": check_totals.expected("tools.otlp.jsonl"), **acknowledged(relay)}) == []


def test_where_no_collector_answers_it_says_to_try_again(monkeypatch):
    monkeypatch.setattr(otlp.time, "sleep", lambda seconds: None)
    between = Relay("http://127.0.0.1:1")
    with pytest.raises(otlp.Refused, match="503"):
        replay.replay(replay.RECORDINGS / "tools.otlp.jsonl", otlp.HttpSender(between.url))
    between.close()
    assert acknowledged(between) == {}
