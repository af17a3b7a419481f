# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.claude_code.observability.plugins.module_utils._status import (
    encryption,
    no_room,
    parse_unit,
    tree_bytes,
)

DIRECT = "/opt/loki/3.7.8/loki -config.file=/etc/loki/current/config.yml"
STARTED = (
    "/bin/sh /etc/loki/current/run.sh 5 /var/lib/loki /opt/loki/3.7.8/loki -config.file=/etc/loki/current/config.yml"
)


@pytest.mark.parametrize("command", [DIRECT, STARTED])
def test_the_version_of_a_unit_is_that_of_its_program(tmp_path: Path, command: str) -> None:
    said = (
        f"ActiveState=active\nFragmentPath={tmp_path}/current/loki.service\n"
        f"ExecStart={{ path={command.split()[0]} ; argv[]={command} ; ignore_errors=no }}\n"
    )
    found = parse_unit(said, str(tmp_path), "/opt/loki")
    assert found and (found["version"], found["state"]) == ("3.7.8", "running")
    assert parse_unit(said, "/etc/other", "/opt/loki") is None
    assert parse_unit(said, str(tmp_path), "/opt/other") is None


@pytest.mark.parametrize(("least", "stopped"), [(0, False), (101, True)])
def test_what_waits_for_room_says_so(tmp_path: Path, least: int, stopped: bool) -> None:
    said = no_room({"data_dir": str(tmp_path), "disk_min_free": least})
    assert (f"it needs {least + 1} %" in said) == stopped


def test_a_file_with_two_names_counts_once(tmp_path: Path) -> None:
    (tmp_path / "block").write_bytes(b"x" * 100_000)
    alone = tree_bytes(str(tmp_path))
    assert alone >= 100_000
    (tmp_path / "backup").mkdir()
    (tmp_path / "backup/block").hardlink_to(tmp_path / "block")
    assert tree_bytes(str(tmp_path)) == alone


@pytest.mark.parametrize(
    ("address", "url", "told"),
    [
        ("127.0.0.1", "http://127.0.0.1:3100/ready", {"loopback": True, "encryption": "plain"}),
        ("0.0.0.0", "https://127.0.0.1:3100/ready", {"loopback": False, "encryption": "tls"}),
        ("10.0.0.1", "http://10.0.0.1:3100/ready", {"loopback": False, "encryption": "plain"}),
    ],
)
def test_who_reaches_a_component_and_how(address: str, url: str, told: dict[str, object]) -> None:
    assert encryption({"listen_address": address, "ready": {"url": url}}) == told
