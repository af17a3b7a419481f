# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What launchd is told of an agent says what it is to run, and as whom. (There is no macOS to start it on.)"""

from __future__ import annotations

import plistlib
from pathlib import Path
from typing import Any

from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar

ROLE = Path(__file__).parents[3] / "roles" / "component"
PLACE = {
    "name": "otel-collector",
    "runtime": "launchd",
    "config_dir": "/etc/otel-collector",
    "data_dir": "/var/lib/otel & collector",
    "install_dir": "/opt/otel-collector",
    "ports": [],
    "listen_address": "127.0.0.1",
}


def resolved(name: str) -> Any:
    """A variable of the role, for a daemon."""
    variables = {
        **DataLoader().load_from_file(str(ROLE / "vars" / "main.yml"), trusted_as_template=True),
        "component_place": PLACE,
        "component_version": "1.2.3",
        "component_program": "otelcol-contrib",
        "component_arguments": ["--config=/etc/otel-collector/current/config.yaml", "--set=a<b"],
        "component_environment": {"GOMEMLIMIT": "102MiB"},
        "ansible_search_path": [str(ROLE)],
    }
    return Templar(DataLoader(), variables=variables).resolve_variable_expression(name)


def test_the_property_list_says_what_runs_and_as_whom() -> None:
    said = plistlib.loads(resolved("__component_service_text").encode())
    assert said == {
        "Label": "claude_code.observability.otel-collector",
        "ProgramArguments": [
            "/opt/otel-collector/1.2.3/otelcol-contrib",
            "--config=/etc/otel-collector/current/config.yaml",
            "--set=a<b",
        ],
        "EnvironmentVariables": {"GOMEMLIMIT": "102MiB"},
        "UserName": "otel-collector",
        "GroupName": "otel-collector",
        "WorkingDirectory": "/var/lib/otel & collector",
        "StandardOutPath": "/var/lib/otel & collector/log",
        "StandardErrorPath": "/var/lib/otel & collector/log",
        "Umask": 0o027,
        "SoftResourceLimits": {"NumberOfFiles": 65536},
        "RunAtLoad": True,
        "KeepAlive": True,
        "ThrottleInterval": 2,
    }


def test_launchd_finds_it_in_the_set_in_force() -> None:
    name = "claude_code.observability.otel-collector.plist"
    links = {f"/Library/LaunchDaemons/{name}": f"/etc/otel-collector/current/{name}"}
    assert (resolved("__component_service.file"), resolved("__component_service.links")) == (name, links)
