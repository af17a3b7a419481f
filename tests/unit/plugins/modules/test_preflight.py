# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import socket

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.claude_code.observability.plugins.module_utils import _preflight
from ansible_collections.claude_code.observability.plugins.modules import preflight


@pytest.fixture
def call(capsys, tmp_path, monkeypatch):
    """Runs the module for Grafana on a host with an idle docker engine."""
    docker = tmp_path / "docker"
    docker.write_text('#!/bin/sh\n[ "$1" = info ] && printf "28.2.2\\ttrue\\n"\nexit 0\n')
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(_preflight, "UNIT_DIRS", (str(tmp_path),))

    def run(port: int, **options):
        component = {
            "name": "grafana",
            "runtime": "docker",
            "runtime_variable": "grafana_runtime",
            "listen_address": "127.0.0.1",
            "config_dir": str(tmp_path / "etc"),
            "data_dir": str(tmp_path / "var"),
            "ports": [{"address": "127.0.0.1", "port": port, "variable": "grafana_port"}],
        }
        args = {"components": [{**component, **options}], "become": os.geteuid() == 0, "_ansible_check_mode": True}
        with patch_module_args(args), pytest.raises(SystemExit):
            preflight.main()
        return json.loads(capsys.readouterr().out)

    return run


def test_a_free_host_gives_facts(call):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    result = call(port)
    assert not result["changed"]
    assert result["docker"] == {"server_version": "28.2.2", "limits_memory": True, "network_present": False}
    assert result["components"] == {"grafana": {"marker": {}, "runtime_present": [], "set": None}}
    assert result["euid"] == os.geteuid()
    assert call(port, user="root")["users"] == {"grafana": {"uid": 0, "gid": 0}}


def test_everything_in_the_way_is_one_failure(call, tmp_path):
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "grafana.ini").write_text("theirs")
    (tmp_path / "grafana.service").write_text("[Unit]\nDescription=Theirs\n")
    with socket.create_server(("127.0.0.1", 0)) as server:
        result = call(server.getsockname()[1])
    assert result["failed"]
    assert [sorted(problem) for problem in result["problems"]] == [["change", "owner", "what"]] * 3
    for word in ("grafana.service", "Theirs", "stack_config_dir", "grafana_port", f"pid {os.getpid()}"):
        assert word in result["msg"]
