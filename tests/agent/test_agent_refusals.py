# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Variables that do not go together are refused before a laptop is touched; a laptop that is away is no failure."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.agent.hosts import Site

# Nobody answers there.
AWAY = {"ansible_host": "127.0.0.1", "ansible_port": 1, "ansible_connection": "ssh", "client_agent": True}
CENTRE = {"centre": {"stack_listen_address": "0.0.0.0"}}


def site(folder: Path, centre: dict[str, Any], **variables: Any) -> Site:
    laptop = {**AWAY, "stack_runtime": "systemd", "claude_settings_users": ["ada"], **variables}
    path = folder / "hosts.yml"
    path.write_text(json.dumps({"clients": {"hosts": {"laptop": laptop}}, "otel_collector": {"hosts": centre}}))
    return Site(path)


@pytest.mark.parametrize(
    ("centre", "variables", "said"),
    [
        ({}, {}, 'client_agent is true, but where to deliver is "".'),
        (CENTRE, {"client_agent_endpoint": "centre:4318"}, 'where to deliver is "centre:4318". Put a host'),
        (
            {},
            {"otel_collector_external_url": "http://far:4317"},
            "http://far:4317 by HTTP, but 4317 is the port of gRPC",
        ),
        (
            {},
            {"client_agent_token": "secret", "client_agent_endpoint": "http://far:4318"},
            "client_agent_token would travel unencrypted to http://far:4318",
        ),
        (CENTRE, {"client_agent_ca": "/etc/ca.pem"}, "client_agent_ca is /etc/ca.pem, which is no PEM text"),
        ({"centre": {}}, {}, "deliver to http://centre:4318, where the collector listens on loopback only"),
    ],
)
def test_what_does_not_go_together_is_refused(
    tmp_path: Path, centre: dict[str, Any], variables: dict[str, Any], said: str
) -> None:
    process = site(tmp_path, centre, **variables).begin("playbooks/agents.yml")
    output = " ".join(process.communicate(timeout=300)[0].split())
    assert process.returncode != 0, output
    assert said in output
    assert "UNREACHABLE" not in output


def test_a_laptop_that_is_away_is_no_failure(tmp_path: Path) -> None:
    output = site(tmp_path, CENTRE).play("playbooks/agents.yml")
    assert "failed=0" in output
    assert "changed=0" in output
