# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""After every fault the stores hold what was acknowledged, once, and what could not go on had said so."""

from __future__ import annotations

import time

import pytest

from tests.faults.conftest import SENDERS, Story
from tests.faults.fault import told, wrong
from tests.faults.host import wait
from tests.tools.ledger import side_by_side, total


def test_nothing_is_lost_and_nothing_counts_twice(story: Story) -> None:
    found = told(story.senders.ledgers, story.stores, story.senders.begun)
    print(side_by_side("the simulated senders", total(found.values())))
    assert len(story.senders.ledgers) == SENDERS
    assert not wrong(found)
    assert {fault.name: (fault.lost, fault.twice) for fault in story.faults if fault.lost or fault.twice} == {}
    assert all(fault.acknowledged for fault in story.faults[:-1])


@pytest.mark.parametrize("store", ["prometheus", "loki"])
def test_the_real_client_counts_the_same(story: Story, store: str) -> None:
    assert not story.client.errors
    acknowledged = story.client.acknowledged[store]
    found = told(acknowledged, {store: story.stores[store]}, story.senders.begun)
    title = f"{len(acknowledged)} of {len(story.client.ledgers)} sessions of the real client were acknowledged"
    print(side_by_side(title, total(found.values())))
    assert found and not wrong(found)


def test_a_full_disk_is_told(story: Story) -> None:
    log = " ".join(story.logs["prometheus"].split())
    assert "Prometheus is stopped, less than 5 % of the disk" in log
    assert "Prometheus waits until 6 % of the disk" in log
    assert "of its disk is free, it needs 6 %" in " ".join(story.status.split())
    named = story.prometheus.query('max_over_time(disk_min_free_ratio{job="disk"}[1h])')
    assert [each["value"][1] for each in named] == ["0.05"]
    scarce = story.prometheus.query("min_over_time(disk_free_bytes[1h]) / max_over_time(disk_size_bytes[1h])")
    assert float(scarce[0]["value"][1]) < 1


# Loki reads up to the damage and calls that no error, which docs/faults.md says.
@pytest.mark.parametrize(("store", "says_so"), [("prometheus", True), ("loki", False)])
def test_a_store_starts_with_a_damaged_log(story: Story, store: str, says_so: bool) -> None:
    begun = time.time()
    story.host.damage(store, f"/var/lib/{store}/wal/*")
    wait(f"{store} answers", lambda: story.host.answers(store))
    assert ("corruption" in story.host.log(store, begun)) == says_so


def test_a_damaged_queue_is_put_aside_by_hand(story: Story) -> None:
    """The way of docs/faults.md."""
    queue, begun = "/var/lib/otel-collector/queue", time.time()
    story.host.damage("otel-collector", f"{queue}/*prometheus*")
    wait("it was started again", lambda: story.host.restarts("otel-collector") > 1)
    said = story.host.log("otel-collector", begun)
    assert ("bbolt" in said, "Everything is ready" in said) == (True, False), said
    story.host.sh(f"mv {queue} {queue}.damaged")
    story.host.recovered(0)
