# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several hosts of Loki lose nothing and count nothing twice, whichever of them is killed and asked."""

from __future__ import annotations

import socket
import ssl
import time

import pytest

from tests.integration.loki_ring.conftest import SENDERS, Story
from tests.integration.loki_ring.loki_ring import ADDRESSES, BUCKET, PATIENCE
from tests.tools import s3
from tests.tools.ledger import differences, side_by_side, total


@pytest.mark.parametrize(
    "when", ["in memory", "after a kill of all", "from the object store alone", "after another repeat"]
)
@pytest.mark.parametrize("name", ADDRESSES)
def test_every_host_has_all_of_it_once(story: Story, name: str, when: str) -> None:
    assert len(story.sent) == SENDERS + 1
    told = {
        session: {"expected": ledger, "loki": {row: n for row, n in said.items() if row in ledger}}
        for session, ledger in story.sent.items()
        for said in [story.said[when][name].get(session, {})]
    }
    print(side_by_side(f"{name} {when}", total(told.values())))
    assert not [f"{session}: {line}" for session, ledgers in told.items() for line in differences(ledgers)]


def test_events_are_spread_over_streams_each_session_in_one(story: Story) -> None:
    counted = story.ring.ask("loki-1").query(
        'sum by (shard, session_id) (count_over_time({service_name="claude-code", shard=~".+"}[1h]))'
    )
    pairs = {(each["metric"]["session_id"], each["metric"]["shard"]) for each in counted}
    assert len(pairs) == len(story.sent)
    assert len({shard for _session, shard in pairs}) > 8


def test_the_others_answer_for_one_that_is_away(story: Story) -> None:
    first, second = story.meanwhile
    assert 0 < first < second


def test_each_group_of_rules_has_one_host_and_one_compacts(story: Story) -> None:
    end = time.monotonic() + PATIENCE
    while True:
        groups = [len(story.ring.metric(name, "loki_prometheus_rule_group_rules")) for name in ADDRESSES]
        compactors = [story.ring.metric(name, "loki_boltdb_shipper_compactor_running") for name in ADDRESSES]
        if sum(groups) == 2 and sorted(compactors) == [["0"], ["0"], ["1"]]:
            return
        assert time.monotonic() < end, (groups, compactors)
        time.sleep(1)


@pytest.mark.parametrize("port", ["loki_port", "loki_grpc_port"])
def test_a_stranger_is_turned_away(story: Story, port: str) -> None:
    anybody = ssl.create_default_context()
    anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
    # By TLS 1.3 the refusal comes after the handshake.
    with (
        socket.create_connection((ADDRESSES["loki-1"], story.ring.variables[port]), timeout=10) as plain,
        pytest.raises(ssl.SSLError, match="certificate required"),
        anybody.wrap_socket(plain) as encrypted,
    ):
        encrypted.recv(1)


def test_the_keys_of_the_object_store_are_in_a_file_of_their_own(story: Story) -> None:
    secret = s3.CREDENTIALS["AWS_SECRET_ACCESS_KEY"]
    for name, running in story.ring.lokis.items():
        current = story.ring.folder / name / "loki" / "current"
        holding = [
            str(file.relative_to(current))
            for file in current.rglob("*")
            if file.is_file() and secret in file.read_text()
        ]
        assert holding == ["s3/credentials"]
        assert secret not in " ".join([*running.argv, *running.environment.values()])
    assert any(name.startswith("fake/") for name in story.ring.server.files(BUCKET))
