# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plays all scenes once, before the first test, on what REPLAY_ON names."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

from plugins.module_utils._rollups import Calendar
from tests.replay.backend import HISTORY, SHIPPED, Backend
from tests.replay.on_cluster import OnCluster
from tests.replay.on_mimir import OnMimir
from tests.replay.oracle import Oracle
from tests.replay.scenes import DAY, PAST_DAYS, Scenes
from tests.replay.stack import Stack

ZONES = {name: Calendar.of(SHIPPED, name) for name in ("Z", "+09:00", "-08:00")}
SEED = 4
# By REPLAY_ON.
STACKS: dict[str, type[Backend]] = {"prometheus": Stack, "mimir": OnMimir, "cluster": OnCluster}


@dataclass
class Played:
    """The stack after the last scene. at: when everything was there."""

    stack: Backend
    oracle: Oracle
    at: float


@pytest.fixture(scope="session")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    stack = STACKS[os.environ.get("REPLAY_ON", "prometheus")](tmp_path_factory.mktemp("stack"), ZONES)
    scenes = Scenes(stack, SEED)
    try:
        stack.configure(HISTORY, rules=False)
        stack.start()
        scenes.the_past()
        stack.wait_until_delivered()
        stack.record_the_past(time.time() - PAST_DAYS[0] * DAY)
        stack.configure(SHIPPED, rules=True)
        stack.restart()
        for scene in scenes.all():
            scene()
        stack.wait_until_delivered()
        stack.wait_until_recorded()
        stack.wait_until_scraped()
        yield Played(stack, Oracle(scenes.ledger), time.time())
    finally:
        stack.stop()
