# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.claude_code.observability.plugins.modules import claude_settings_info

ENV = {
    "CLAUDE_CODE_ENABLE_TELEMETRY": "1",
    "OTEL_METRICS_EXPORTER": "otlp",
    "OTEL_LOGS_EXPORTER": "otlp",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "http://ada:word-7@127.0.0.1:1",
    "OTEL_EXPORTER_OTLP_HEADERS": "Authorization=Bearer word-7",
}


def run(capsys: pytest.CaptureFixture[str], expected: int = 0, **options: Any) -> dict[str, Any]:
    with patch_module_args(options), pytest.raises(SystemExit) as end:
        claude_settings_info.main()
    assert end.value.code == expected
    result: dict[str, Any] = json.loads(capsys.readouterr().out)
    return result


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in list(os.environ):
        if name.startswith(("OTEL_", "CLAUDE")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    (tmp_path / ".claude").mkdir()
    (tmp_path / ".claude" / "settings.json").write_text(json.dumps({"env": ENV}, indent=1))
    return tmp_path


def test_the_answer_holds_no_secret(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = run(capsys, _ansible_check_mode=True)
    user = result["users"][0]
    assert (result["changed"], user["failed"], user["cause"]) == (False, False, "refused")
    where = f"{home}/.claude/settings.json"
    assert user["verdict"].startswith(
        f"Metrics and events to http://127.0.0.1:1 (OTEL_EXPORTER_OTLP_ENDPOINT, {where}:6): connection refused"
    )
    shown = {one["key"]: (one["value"], one["source"], one["where"]) for one in user["variables"]}
    assert shown["OTEL_EXPORTER_OTLP_ENDPOINT"] == ("http://***@127.0.0.1:1", "user", f"{where}:6")
    assert shown["OTEL_EXPORTER_OTLP_HEADERS"] == ("(hidden)", "user", f"{where}:7")
    assert "word-7" not in json.dumps(result)


def test_the_headers_of_a_helper_stay_secret(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = {"env": ENV, "otelHeadersHelper": "echo word-8; exit 1"}
    (home / ".claude" / "settings.json").write_text(json.dumps(settings))
    result = run(capsys)
    user = result["users"][0]
    assert user["cause"] == "headers-helper"
    assert "otelHeadersHelper echo" in user["verdict"] and "it exits with 1" in user["verdict"]
    assert "word-8" not in json.dumps(result)


def test_a_script_of_a_repository_is_not_run(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = home / "project" / ".claude"
    folder.mkdir(parents=True)
    (folder / "settings.json").write_text(json.dumps({"otelHeadersHelper": f"touch {home}/was-run"}))
    user = run(capsys, project_dir=str(home / "project"))["users"][0]
    assert user["cause"] == "refused"
    assert not (home / "was-run").exists()


def test_one_user_less_is_no_failure(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    users = run(capsys, users=["no-such-user"])["users"]
    assert users == [{"name": "no-such-user", "failed": True, "msg": "there is no such user on this host"}]


def test_two_ways_to_name_users(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "exclude each other" in run(capsys, 1, users=["ada"], all_users=True)["msg"]
