# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stack is upgraded while somebody sends, and what does not come up goes back. In this order, in either runtime."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.backup.senders_and_hosts import Client, wait
from tests.upgrade.upgraded_hosts import BROKEN, FORMER, STATED, Upgraded, former

# Overrides that the component's own checker accepts, and what it says when it runs with them.
NO_FILE = {"tracing": {"endpoint": "127.0.0.1:4317", "tls_config": {"ca_file": "/nonexistent"}}}
NOBODYS_ADDRESS = {"receivers": {"otlp": {"protocols": {"grpc": {"endpoint": "192.0.2.1:4317"}}}}}
NO_DIRECTORY = {"compactor": {"working_directory": "/proc/nowhere"}}
DOES_NOT_RUN = [
    # Goes on with its former configuration, and would fail at its next start.
    ("prometheus", NO_FILE, "unable to read file /nonexistent"),
    ("otel-collector", NOBODYS_ADDRESS, "192.0.2.1:4317"),
    ("loki", NO_DIRECTORY, "/proc/nowhere"),
]


@pytest.fixture(scope="session", params=["systemd", "docker"])
def host(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upgraded]:
    """A host with the former versions."""
    folder = tmp_path_factory.mktemp("upgrade")
    (folder / "broken").mkdir()
    host = Upgraded(f"ccobs-upgrade-{request.param}", folder, request.param)
    try:
        host.start()
        host.site(former())
        yield host
    finally:
        host.remove()


@pytest.fixture
def sender(host: Upgraded) -> Iterator[Client]:
    """Somebody who sends all the time. Whatever was accepted is there in the end, once."""
    client = Client(host, 1)
    with client:
        wait("a sender at work", lambda: len(client.entries) > 100)
        yield client
    assert not client.errors
    host.delivered()
    wait("nothing lost, nothing twice", lambda: host.ledger(client.session.id) == client.ledger())


def in_order(host: Upgraded) -> bool:
    """Whether what is in force is what was last known to work."""
    return all(len(set(host.sets(name))) == 1 for name in (*STATED, "otel-collector"))


def test_an_upgrade_loses_nothing(host, sender):
    names = [name.removesuffix("_version") for name in former()]
    assert "prometheus" in names
    assert {name: host.version(name) for name in names} == {name: FORMER[name] for name in names}
    host.site({})
    assert {name: host.version(name) for name in names} == {name: STATED[name] for name in names}
    assert in_order(host)


def test_a_version_that_does_not_start_goes_back(host, sender):
    before = host.sets("prometheus")
    said = host.site(host.broken, fails=True)
    assert "prometheus does not come up with" in said and BROKEN in said
    assert "unknown long flag '--config.file'" in said
    assert (
        f"It runs as before again, with {'prom/prometheus:v' * (host.runtime == 'docker')}{STATED['prometheus']}"
        in said
    )
    assert host.version("prometheus") == STATED["prometheus"]
    assert host.sets("prometheus") == before


def test_a_play_that_is_killed_while_it_goes_back_is_made_up_for(host, sender):
    former_set = host.sets("prometheus")[1]
    play = host.begin("stack", "--extra-vars", json.dumps(host.broken))
    wait("the broken version is in force", lambda: len(set(host.sets("prometheus"))) == 2)
    wait("the former one is again", lambda: len(set(host.sets("prometheus"))) == 1)
    play.kill()
    play.communicate()
    assert host.sets("prometheus") == (former_set, former_set)
    host.site({})
    assert host.version("prometheus") == STATED["prometheus"]
    assert in_order(host)


@pytest.mark.parametrize(
    ("name", "overrides", "said"),
    [
        pytest.param(*row, id=row[0], marks=pytest.mark.thorough if row[0] in ("otel-collector", "loki") else ())
        for row in DOES_NOT_RUN
    ],
)
def test_a_configuration_that_passes_its_checker_and_does_not_run_goes_back(host, name, overrides, said):
    before = host.sets(name)
    told = host.site({f"{name.replace('-', '_')}_config_overrides": overrides}, fails=True)
    assert f"{name} does not come up with" in told and said in told
    assert "It runs as before again" in told
    assert host.sets(name) == before
    client = Client(host, 2)
    client.turn()
    host.delivered()
    wait("it goes on", lambda: host.ledger(client.session.id) == client.ledger())


def test_the_next_play_finds_everything_in_order(host, sender):
    said = host.site({})
    assert "changed=0" in said, said
    assert in_order(host)
