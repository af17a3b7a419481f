# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import lookup_loader
from ansible.template import Templar


def senders(**hosts: dict[str, Any]) -> dict[str, tuple[str, bool]]:
    """Team and whether it sends, by name, without the probe."""
    variables = {"groups": {"clients": list(hosts), "otel_collector": ["centre"]}, "hostvars": hosts}
    templar = Templar(DataLoader(), variables=variables)
    lookup = lookup_loader.get("claude_code.observability.inventory_senders", loader=DataLoader(), templar=templar)
    rows = {row["name"]: (row["team"], row["sends"]) for row in lookup.run([], variables=variables)}
    assert rows.pop("verify") == ("", True)
    return rows


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ({}, {"h": ("", True)}),
        (
            {"claude_settings_users": ["ada", "bob"], "claude_settings_team": "t"},
            {"ada": ("t", True), "bob": ("t", True)},
        ),
        ({"claude_settings_developer": "ada", "claude_settings_users": ["a"]}, {"ada": ("", True)}),
        (
            {
                "claude_settings_users": ["bob"],
                "claude_settings_user_attributes": {"bob": {"developer": "rob", "team": "m"}},
            },
            {"rob": ("m", True)},
        ),
        ({"claude_settings_credential": "own"}, {"h": ("", False)}),
        ({"claude_settings_endpoint": "https://elsewhere"}, {"h": ("", False)}),
        ({"claude_settings_endpoint": "https://proxy", "claude_settings_sender": "ada"}, {"ada": ("", True)}),
        ({"claude_settings_state": "absent"}, {"h": ("", False)}),
        (
            {
                "client_agent": True,
                "client_agent_owner": "ada",
                "claude_settings_team": "t",
                "claude_settings_users": ["a"],
            },
            {"agent/h": ("", True), "ada": ("t", False), "a": ("t", False)},
        ),
        ({"client_agent": True, "client_agent_endpoint": "https://own"}, {"agent/h": ("", False), "h": ("", False)}),
        ({"client_agent": True, "client_agent_state": "absent"}, {"h": ("", True)}),
    ],
)
def test_who_sends_from_a_client(host: dict[str, Any], expected: dict[str, tuple[str, bool]]) -> None:
    assert senders(h=host) == expected


def test_somebody_with_two_machines_is_one_sender_of_the_first_team() -> None:
    ada = {"claude_settings_developer": "ada"}
    assert senders(one=ada, two={**ada, "claude_settings_team": "t"}, three={**ada, "claude_settings_team": "u"}) == {
        "ada": ("t", True)
    }


def test_a_host_of_the_collector_has_no_agent() -> None:
    assert senders(centre={"client_agent": True}) == {"centre": ("", True)}
