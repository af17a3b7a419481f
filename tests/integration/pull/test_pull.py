# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A laptop that pulls, from the set-up to its end. The tests build on each other."""

from __future__ import annotations

import re
import subprocess
from typing import Any

import pytest
from pull_host import Laptop

UNIT = "claude-code-pull"


def settings(team: str, *users: str) -> dict[str, Any]:
    """A play of the repository. Without users: for whoever runs it."""
    return {
        "hosts": "localhost",
        "gather_facts": False,
        "roles": [
            {
                "role": "claude_code.observability.claude_settings",
                "claude_settings_users": list(users),
                "claude_settings_endpoint": "http://collector.example.com:4318",
                "claude_settings_team": team,
            }
        ],
    }


def said(played: subprocess.CompletedProcess[str]) -> str:
    return " ".join((played.stdout + played.stderr).split())


def files(laptop: Laptop) -> list[str]:
    """Every file, link and folder where the role may write. Of folders, their size and time do not count."""
    places = ("/etc/", "/opt/", "/srv/", "/home/", "/var/lib/claude", "/usr/", "/root/")
    lines = [line for line in laptop.sh("listing").splitlines() if line.startswith(places)]
    return [re.sub(r"( d \S+ \S+) .*", r"\1", line) for line in lines]


@pytest.fixture(scope="module")
def before(laptop: Laptop) -> list[str]:
    return files(laptop)


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ({"client_pull_repository": "https://user:hush@git.example.com/fleet.git"}, "Use a deploy key"),
        ({"client_pull_python": "python2"}, "client_pull_packages"),
    ],
)
def test_bad_values_change_nothing(laptop: Laptop, before: list[str], bad: dict[str, Any], reason: str) -> None:
    played = laptop.role(bad)
    assert played.returncode != 0 and reason in said(played)
    assert "changed=0" in said(played)


def test_check_mode_tells_and_changes_nothing(laptop: Laptop, before: list[str]) -> None:
    played = laptop.role({}, "--check", "--diff")
    assert played.returncode == 0, played.stdout + played.stderr
    assert "changed=2 " in said(played) and "+RandomizedDelaySec=1d" in played.stdout
    assert files(laptop) == before


def test_a_run_writes_the_settings_of_a_user(laptop: Laptop, before: list[str]) -> None:
    laptop.push(settings("compilers", "ada"))
    played = laptop.role({})
    assert played.returncode == 0, played.stdout + played.stderr
    assert f"{UNIT}.timer" in laptop.sh("systemctl list-timers")
    assert laptop.sh(f"systemctl is-enabled {UNIT}.timer") == "enabled"
    assert laptop.sh(f"stat --format '%U %a' /opt/{UNIT}/environment") == "root 600"
    assert laptop.pull() == "success", laptop.journal()
    assert "team=compilers" in laptop.env_of_ada()["OTEL_RESOURCE_ATTRIBUTES"].split(",")
    assert laptop.sh("stat --format '%U %a' /home/ada/.claude/settings.json") == "ada 600"
    assert "ok=" in laptop.journal()


def test_the_role_again_changes_nothing(laptop: Laptop) -> None:
    assert "changed=0" in said(laptop.role({}))


def test_a_change_in_the_repository_arrives_with_the_next_run(laptop: Laptop) -> None:
    # Whatever somebody did to the copy.
    laptop.sh(f"echo broken >/var/lib/{UNIT}/repository/local.yml")
    laptop.push(settings("databases", "ada"))
    assert laptop.pull() == "success", laptop.journal()
    assert "team=databases" in laptop.env_of_ada()["OTEL_RESOURCE_ATTRIBUTES"].split(",")


def test_a_user_pulls_without_root(laptop: Laptop) -> None:
    played = laptop.role({"client_pull_user": "ada"})
    assert played.returncode == 0, played.stdout + played.stderr
    laptop.push(settings("own"))
    assert laptop.pull() == "success", laptop.journal()
    assert "team=own" in laptop.env_of_ada()["OTEL_RESOURCE_ATTRIBUTES"].split(",")
    assert laptop.sh(f"stat --format %U /var/lib/{UNIT}/repository/local.yml") == "ada"


def test_what_nobody_trusted_has_signed_does_not_run(laptop: Laptop) -> None:
    played = laptop.role({"client_pull_verify_commit": True})
    assert played.returncode == 0, played.stdout + played.stderr
    laptop.push(settings("intruders", "ada"))
    assert laptop.pull() == "exit-code"
    assert "team=own" in laptop.env_of_ada()["OTEL_RESOURCE_ATTRIBUTES"].split(",")


def test_absent_leaves_nothing_but_the_settings(laptop: Laptop, before: list[str]) -> None:
    laptop.sh(f"systemctl reset-failed {UNIT}.service")
    for changed in ("changed=2 ", "changed=0 "):
        played = laptop.role({"client_pull_state": "absent"})
        assert played.returncode == 0 and changed in said(played), played.stdout + played.stderr
    assert "team=own" in laptop.env_of_ada()["OTEL_RESOURCE_ATTRIBUTES"].split(",")
    left = {line for line in files(laptop) if not line.startswith(("/srv/", "/home/ada/"))}
    assert left <= set(before), left - set(before)
    assert laptop.sh("systemctl list-units --all --plain --no-legend 'claude*'") == ""
