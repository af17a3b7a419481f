# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from laptops import Fleet
from people import USERS, Settings, settings


@pytest.fixture(scope="session")
def size() -> int:
    """How many hosts: 50, or what `make soak-fleet` says."""
    return int(os.environ.get("FLEET_HOSTS", "50"))


@pytest.fixture(scope="session")
def fleet(tmp_path_factory: pytest.TempPathFactory, size: int) -> Iterator[Fleet]:
    fleet = Fleet(tmp_path_factory.mktemp("fleet"), size, "fleet")
    for (host, user), own in people(fleet).items():
        own.write(fleet.home(host, user))
    fleet.start()
    yield fleet
    fleet.clear()


def people(fleet: Fleet) -> dict[tuple[str, str], Settings]:
    """What everybody has before the rollout, by host and user."""
    everybody = [(host, user) for host in fleet.names for user in USERS]
    return {person: settings(number) for number, person in enumerate(everybody)}


@pytest.fixture(scope="session")
def before(fleet: Fleet) -> dict[tuple[str, str], Settings]:
    return people(fleet)
