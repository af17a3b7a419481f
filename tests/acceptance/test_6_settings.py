# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings of all users of a host, written by root."""

from __future__ import annotations

import json

import pytest

pytestmark = pytest.mark.parametrize("host", ["systemd"], indirect=True)

USERS = ["ada", "grace", "linus"]
SETTINGS = ".claude/settings.json"
# Tabs, CRLF, no newline at the end, a number and an escape that a rewrite would change.
ADAS = '{\r\n\t"big": 1e400,\r\n\t"name": "\\u0041da",\r\n\t"env": {"OTEL_RESOURCE_ATTRIBUTES": "site=paris"}\r\n}'


@pytest.fixture
def users(host):
    """ada has settings, grace has none, and linus keeps his elsewhere under a link."""
    host.sh(f"for user in {' '.join(USERS)} mallory mallet; do useradd --create-home $user; done")
    host.sh(f"install -d -o ada -g ada -m 0700 /home/ada/.claude; printf %s '{ADAS}' >/home/ada/{SETTINGS}")
    host.sh(f"chown ada: /home/ada/{SETTINGS}; chmod 0600 /home/ada/{SETTINGS}")
    host.sh(
        "su linus -c 'umask 077; mkdir ~/dotfiles ~/.claude; echo {} >~/dotfiles/claude.json;"
        f" ln -s ../dotfiles/claude.json ~/{SETTINGS}'"
    )
    yield host
    host.sh(f"for user in {' '.join(USERS)} mallory mallet; do userdel --remove $user; done")


@pytest.fixture
def settings(project, users):
    """Plays the role for some users; returns the result."""
    path = project.foreign_inventory(users)
    inventory = json.loads(path.read_text())
    inventory["all"]["vars"] = {"ansible_python_interpreter": "/usr/local/bin/counted-python"}
    path.write_text(json.dumps(inventory))
    playbook = project.foreign_play("claude_settings")

    def play(names, **variables):
        users.sh(": >/run/ansible-calls")
        return project.play(path, playbook, {"claude_settings_users": names, **variables})

    return play


def state(host) -> list[str]:
    """Owner, mode, kind and content of each user's settings."""
    return [
        host.sh(f"stat --format '%U %a %F' ~{user}/{SETTINGS} && sha256sum <~{user}/{SETTINGS}", check=False)
        for user in USERS
    ]


def test_three_users_get_their_settings_in_one_call_and_their_own_back(users, settings):
    before = state(users)
    settings(USERS).ok()
    assert users.sh("grep --count execution /run/ansible-calls") == "1"
    for user in USERS:
        assert users.sh(f"stat --dereference --format '%U %G %a' ~{user}/{SETTINGS}") == f"{user} {user} 600"
        env = json.loads(users.sh(f"cat ~{user}/{SETTINGS}"))["env"]
        assert env["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://localhost:4317"
        assert f"developer={user}" in env["OTEL_RESOURCE_ATTRIBUTES"].split(",")
    assert "site=paris" in users.sh(f"cat ~ada/{SETTINGS}")
    assert users.sh(f"readlink ~linus/{SETTINGS}") == "../dotfiles/claude.json"

    settings(USERS, claude_settings_state="absent").ok()
    assert state(users) == before
    assert users.sh("ls --all ~grace/.claude", check=False) == ""


def test_a_link_to_the_file_of_another_user_is_refused(users, settings):
    # ada's file is closed to others, grace's is open: neither root's rights nor the user's own may be used for it.
    users.sh("su grace -c 'mkdir -m 0777 ~/.claude; echo {} >~/.claude/settings.json'")
    users.sh(f"chmod 0755 ~ada ~grace; chmod 0755 ~ada/.claude; chmod 0666 ~grace/{SETTINGS}")
    users.sh(f"su mallory -c 'mkdir ~/.claude; ln -s /home/ada/{SETTINGS} ~/{SETTINGS}'")
    users.sh(f"su mallet -c 'mkdir ~/.claude; ln -s /home/grace/{SETTINGS} ~/{SETTINGS}'")
    victims = "find ~ada/.claude ~grace/.claude -type f -printf '%p %u %m %T+\\n' -exec sha256sum '{}' ';'"
    before = users.sh(victims)
    settings(["mallory", "linus", "mallet"]).failed_with("2 of 3 users: mallory: ", "; mallet: ")
    assert users.sh(victims) == before
    assert "OTEL_EXPORTER_OTLP_ENDPOINT" in users.sh(f"cat ~linus/{SETTINGS}")
