# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Managed settings: whatever happens to the one who writes them, the real client starts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from testbed import ROOT, SUITE, Host, Project, run

from tests.tools import client

DROP_IN = "50-claude_code.observability.json"
PATH = f"/etc/claude-code/managed-settings.d/{DROP_IN}"


class Laptop(Host):
    """A test host with the real client, and what of the collection the killed writer needs."""

    def __init__(self) -> None:
        self.runtime = "laptop"
        self.name = "ccobs-acceptance-laptop"

    def start(self) -> None:
        run(
            f"{ROOT}/tests/hosts/run",
            self.name,
            SUITE,
            "plain",
            f"--volume={client.install().parent}:/client:ro",
            f"--volume={ROOT}/plugins:/opt/collections/ansible_collections/claude_code/observability/plugins:ro",
            f"--volume={ROOT}/tests/tools:/opt/tools:ro",
            f"--volume={Path(__file__).parent}/remote:/acceptance:ro",
        )

    def stop(self) -> None:
        run("docker", "rm", "--force", "--volumes", self.name)

    def client_starts(self) -> bool:
        quiet = "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1"
        return self.sh(f"{quiet} timeout 120 /client/claude doctor </dev/null >&2 && echo yes", check=False) == "yes"


@pytest.fixture(scope="module")
def laptop() -> Iterator[Laptop]:
    laptop = Laptop()
    laptop.start()
    yield laptop
    laptop.stop()


@pytest.mark.parametrize(
    ("before", "after"), [("nothing", "new"), ("old", "new"), ("old", "nothing")], ids=["first", "changed", "removed"]
)
def test_the_client_starts_after_kill_9_at_any_step(laptop: Laptop, before: str, after: str) -> None:
    told = laptop.sh(f"python3 -B /acceptance/kill_managed.py {before} {after}")
    steps = [json.loads(line) for line in told.splitlines()]
    values = {"nothing": {}, "old": {"A": "1"}, "new": {"A": "2"}}
    whole = [
        {DROP_IN: {"env": {**values[name], "OTEL_RESOURCE_ATTRIBUTES": "team=t"}}} if values[name] else {}
        for name in (before, after)
    ]
    for step in steps:
        assert {name: json.loads(text) for name, text in step["files"].items()} in whole
        assert (step["code"], step["complaints"]) == (0, "")
    assert [step["killed"] for step in steps] == [True] * (len(steps) - 1) + [False]
    assert len(steps) > 5
    # A half-written file lay there at least once, by a name that the client ignores.
    assert after == "nothing" or any(step["left"] for step in steps)


def test_the_role_writes_them_and_takes_them_away(laptop: Laptop, project: Project) -> None:
    inventory, playbook = project.foreign_inventory(laptop), project.foreign_play("claude_settings")
    managed = {"claude_settings_scope": "managed", "claude_settings_developer": "ada"}
    laptop.sh("rm -rf /etc/claude-code")
    project.play(inventory, playbook, managed).ok()
    assert laptop.sh(f"cd {PATH.rpartition('/')[0]}; stat --format '%U:%G %a %n' .. . *") == (
        f"root:root 755 ..\nroot:root 755 .\nroot:root 644 {DROP_IN}"
    )
    env = json.loads(laptop.sh(f"cat {PATH}"))["env"]
    assert env["OTEL_RESOURCE_ATTRIBUTES"].split(",")[0] == "developer=ada"
    assert laptop.client_starts()
    assert "changed=0" in project.play(inventory, playbook, managed).ok().output

    broken = "/etc/claude-code/managed-settings.json"
    laptop.sh(f"echo '{{' >{broken}")
    assert not laptop.client_starts()
    project.play(inventory, playbook, {**managed, "claude_settings_team": "t"}).failed_with(
        f"{broken}:2:1:", "Claude Code starts for nobody on this host until this is mended"
    )
    laptop.sh(f"rm {broken}")

    project.play(inventory, playbook, {**managed, "claude_settings_state": "absent"}).ok()
    assert laptop.sh("ls /etc/claude-code", check=False) == ""


def test_all_users_of_a_host(laptop: Laptop, project: Project) -> None:
    inventory, playbook = project.foreign_inventory(laptop), project.foreign_play("claude_settings")
    laptop.sh("useradd --create-home ada; useradd --create-home --shell /usr/sbin/nologin robot; useradd homeless")
    # A directory service that does not list its users: nothing but the owner of the home tells of them.
    laptop.sh("useradd --create-home grace; chown root: /home/grace; useradd --create-home gone; userdel gone")
    played = project.play(inventory, playbook, {"claude_settings_all_users": True}, "--verbose").ok()
    for told in (
        "robot",
        "its shell is /usr/sbin/nologin",
        "homeless",
        "/home/homeless: No such file or directory",
        "/home/grace belongs to uid 0",
        "owns /home/gone, but the host knows no such account",
    ):
        assert told in played.said
    assert laptop.sh("ls /home/*/.claude/settings.json") == "/home/ada/.claude/settings.json"
    project.play(inventory, playbook, {"claude_settings_all_users": True, "claude_settings_state": "absent"}).ok()
    assert laptop.sh("ls --all /home/ada/.claude", check=False) == ""
