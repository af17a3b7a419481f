# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whichever node fails, the stores hold what was acknowledged, once, and clients find somebody who takes more."""

from __future__ import annotations

import socket
import ssl
from itertools import pairwise

from tests.faults.fault import told, wrong
from tests.scale.cluster import FRONT, PATIENCE, STORES
from tests.scale.conftest import SENDERS, Story
from tests.tools import replay
from tests.tools.check_totals import compare
from tests.tools.hosts import wait
from tests.tools.ledger import Ledger, side_by_side, total


def found(story: Story) -> dict[str, dict[str, Ledger]]:
    cluster, senders = story.cluster, story.senders
    return told(senders.ledgers, {"prometheus": cluster.prometheus, "loki": cluster.loki}, senders.begun)


def test_nothing_is_lost_and_nothing_counts_twice(story: Story) -> None:
    sessions = found(story)
    print(side_by_side(f"{len(sessions)} sessions", total(sessions.values())))
    assert len(sessions) == SENDERS
    assert not wrong(sessions)
    assert {fault.name: (fault.lost, fault.twice) for fault in story.faults if fault.lost or fault.twice} == {}
    assert all(fault.acknowledged for fault in story.faults[:-1])


def test_a_flush_to_the_object_storage_changes_no_total(story: Story) -> None:
    story.cluster.flush()
    for store in STORES:
        wait(f"{store} has written to its bucket", lambda store=store: story.cluster.objects(store) > 1, PATIENCE)
    assert not wrong(found(story))


def test_recordings_have_their_known_totals(story: Story) -> None:
    cluster = story.cluster
    sent = [
        replay.replay(path, sender)
        for path in replay.files()
        # Running totals that reach several collectors are in the counters of each: docs/scale.md.
        if not path.name.startswith("cumulative")
        for sender in (cluster.grpc(), cluster.http("json" if path.name.startswith("http-json") else "protobuf"))
    ]
    checks = compare(sent, cluster.prometheus, cluster.loki, PATIENCE)
    assert [check.table() for check in checks if check.wrong()] == []


def test_a_change_takes_one_collector_after_another(story: Story) -> None:
    away = sorted(story.away)
    # The next stops when the one before has answered for five seconds, long enough for the balancer to see it.
    assert [next_stop - start > 5 for (_stop, start), (next_stop, _start) in pairwise(away)] == [True, True], away
    assert story.given_up == 0


def test_what_answers_behind_the_balancer_has_its_name(story: Story) -> None:
    place = ("127.0.0.1", story.cluster.ports["http"])
    tls = ssl.create_default_context(cafile=story.cluster.access.ca)
    with socket.create_connection(place, timeout=10) as plain, tls.wrap_socket(plain, server_hostname=FRONT):
        pass


def test_every_collector_takes_the_probe_of_verify(story: Story) -> None:
    said = story.cluster.site.play("verify")
    missing = [name for name in story.cluster.groups["otel_collector"] if name not in said]
    assert not missing, said
