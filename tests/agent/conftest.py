# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A laptop's bad days, lived through once; the tests look at what is left of them."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.acceptance.testbed import ROOT, run
from tests.agent.hosts import LABEL, NETWORK, PATIENCE, Host, Laptop, Site, clear, inventory, wait
from tests.tools import client
from tests.tools.ledger import Ledger, Loki, Prometheus, differences, side_by_side, total

TOKEN = "a laptop's secret: 17"
OWNER = "ada.lovelace"
TOLD = pytest.StashKey[list[str]]()


@dataclass
class Story:
    """What happened."""

    centre: Host
    laptop: Laptop
    site: Site
    begun: float = field(default_factory=time.time)
    # What plays said, the variables in the settings, the requests that waited in the agent: by when it was.
    said: dict[str, str] = field(default_factory=dict)
    settings: dict[str, dict[str, str]] = field(default_factory=dict)
    waiting: dict[str, int] = field(default_factory=dict)
    # What the host held before and after the check.
    listings: list[str] = field(default_factory=list)
    owned: list[str] = field(default_factory=list)
    shared: list[str] = field(default_factory=list)
    expected: dict[str, Ledger] = field(default_factory=dict)
    told: dict[str, dict[str, Ledger]] = field(default_factory=dict)

    def play(self, *shapes: str) -> list[str]:
        """Sessions on the laptop; their ids."""
        ledgers = self.laptop.play(*shapes)
        self.expected |= ledgers
        return list(ledgers)

    def delivered(self) -> None:
        """Until the agent holds nothing any more."""
        wait("an empty queue", lambda: self.laptop.waiting() == 0)

    @property
    def prometheus(self) -> Prometheus:
        return Prometheus(self.centre.url(9090))

    @property
    def loki(self) -> Loki:
        return Loki(self.centre.url(3100))

    def compare(self) -> bool:
        """Asks both stores for every session; whether they agree with what the model API handed out."""
        ids = list(self.expected)
        metrics, events = self.prometheus.ledgers(ids, self.begun), self.loki.ledgers(ids, self.begun)
        for session, expected in self.expected.items():
            stores = {"prometheus": metrics.get(session, {}), "loki": events.get(session, {})}
            wanted = {
                name: {row: n for row, n in ledger.items() if row in expected or row.startswith(("tokens ", "cost"))}
                for name, ledger in stores.items()
            }
            self.told[session] = {"expected": expected, **wanted}
        return not any(differences(told) for told in self.told.values())

    def agree(self) -> None:
        """Until they agree twice in a row (what is counted twice may show late), or the time is up."""
        end = time.monotonic() + PATIENCE
        right = 0
        while right < 2 and time.monotonic() < end:
            right = right + 1 if self.compare() else 0
            time.sleep(1)


def make_certificate(folder: Path) -> str:
    """A certificate of the centre that is its own authority."""
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    names = ["-subj", "/CN=centre", "-addext", "subjectAltName=DNS:centre"]
    files = ["-keyout", str(folder / "centre.key"), "-out", str(folder / "centre.pem")]
    run("openssl", "req", "-x509", *curve, *names, *files)
    # The collector runs as a user of its own.
    (folder / "centre.key").chmod(0o644)
    return (folder / "centre.pem").read_text()


@pytest.fixture(scope="session")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """A bare centre, and a bare laptop with the client."""
    clear()
    folder = tmp_path_factory.mktemp("agent")
    folder.chmod(0o755)
    certificate = make_certificate(folder)
    run("docker", "network", "create", "--label", LABEL, NETWORK)
    centre, laptop = Host("centre"), Laptop("laptop")
    centre.start(f"--volume={folder}:/certificates:ro", "--publish=127.0.0.1::9090", "--publish=127.0.0.1::3100")
    program = client.install()
    laptop.start(f"--volume={ROOT}:/project:ro", f"--volume={program.parent}:/client:ro")
    laptop.sh("useradd --create-home ada")
    hosts = inventory(folder, certificate, TOKEN, client_agent_owner=OWNER)
    yield Story(centre, laptop, Site(hosts))
    clear()


def install(story: Story) -> None:
    """The agent, on a laptop without a network, while the stack is not there yet."""
    laptop, site = story.laptop, story.site
    stack = site.begin("playbooks/stack.yml")
    laptop.cut_off()
    story.listings.append(laptop.sh("listing"))
    story.said["check"] = site.play("playbooks/agents.yml", "--check", "--diff")
    story.listings.append(laptop.sh("listing"))
    story.said["install"] = site.play("playbooks/agents.yml", "--diff")
    story.said["again"] = site.play("playbooks/agents.yml")
    story.settings["with agent"] = laptop.settings()
    site.end(stack)
    laptop.reconnect()


def work(story: Story) -> None:
    """Sessions online, offline, around a kill and a reboot, and online again."""
    laptop = story.laptop
    story.owned += story.play("one-turn", "forged")
    story.delivered()
    laptop.cut_off()
    story.owned += story.play("one-turn", "cheap-model")
    story.waiting["cut off"] = laptop.waiting()
    killed = laptop.agent
    laptop.sh(f"kill -9 {killed}")
    wait("the agent is back", lambda: laptop.agent not in (0, killed) and laptop.waiting() >= 0)
    story.waiting["killed"] = laptop.waiting()
    story.owned += story.play("resumed")
    story.waiting["more"] = laptop.waiting()
    laptop.reboot()
    wait("the agent is back after a reboot", lambda: laptop.waiting() >= 0)
    story.waiting["rebooted"] = laptop.waiting()
    story.owned += story.play("forged")
    laptop.reconnect()
    story.delivered()
    story.owned += story.play("one-turn")
    story.delivered()


def leave(story: Story) -> None:
    """The agent goes; while it cannot deliver it stays."""
    laptop, site = story.laptop, story.site
    laptop.cut_off()
    story.shared += story.play("one-turn")
    gone = ("playbooks/agents.yml", "--extra-vars", "client_agent_state=absent")
    refused = site.begin(*gone)
    story.said["leave offline"] = refused.communicate(timeout=600)[0]
    assert refused.returncode == 2, story.said["leave offline"]
    story.waiting["still there"] = laptop.waiting()
    laptop.reconnect()
    story.delivered()
    story.said["leave"] = site.play(*gone)
    story.settings["without agent"] = laptop.settings()


@pytest.fixture(scope="session")
def story(fresh: Story, request: pytest.FixtureRequest) -> Story:
    """The whole of it."""
    install(fresh)
    work(fresh)
    footprint = fresh.laptop.footprint(seconds=10)
    nobodys = json.dumps({"client_agent_owner": []})
    fresh.said["shared"] = fresh.site.play("playbooks/agents.yml", "--diff", "--extra-vars", nobodys)
    fresh.shared += fresh.play("one-turn")
    leave(fresh)
    fresh.agree()
    tables = side_by_side("all sessions", total(fresh.told.values()))
    waited = ", ".join(f"{when}: {count}" for when, count in fresh.waiting.items())
    request.config.stash[TOLD] = [tables, f"requests in the agent's queue: {waited}", footprint]
    return fresh


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    told = config.stash.get(TOLD, [])
    if told:
        terminalreporter.section("the model API's ledger (expected) and the stores'")
    for text in told:
        terminalreporter.write_line(text + "\n")
