# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The test files are numbered in the order of a stack's life: all for one runtime, then all for the other."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from host_files import Seen
from testbed import COLLECTION, Host, Played, Project

BARE: dict[str, Seen] = {}


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project(tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="session", params=["systemd", "docker"])
def host(request: pytest.FixtureRequest) -> Iterator[Host]:
    Host.clear()
    host = Host(request.param)
    host.start()
    BARE[host.name] = Seen.now(host)
    yield host
    Host.clear()


@pytest.fixture(scope="session")
def bare(host: Host) -> Seen:
    """The host before the first play of any test."""
    return BARE[host.name]


@pytest.fixture(scope="session")
def site(project: Project, host: Host) -> Played:
    """The stack, brought up by the playbook that users call."""
    return project.play(project.inventory(host), f"{COLLECTION}.site")


@pytest.fixture
def stack(site: Played, host: Host) -> Host:
    """A host with the whole stack running."""
    site.ok()
    return host
