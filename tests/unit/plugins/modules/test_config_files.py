# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.claude_code.observability.plugins.modules import config_files


@pytest.fixture
def call(capsys, tmp_path, monkeypatch):
    """Runs the module as Ansible would and returns its result."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    warnings = []
    monkeypatch.setattr(config_files.AnsibleModule, "warn", lambda module, text: warnings.append(text))

    def run(check: bool = False, diff: bool = True, **args):
        args = {"path": str(tmp_path / "etc" / "prometheus"), **args}
        internal = {"_ansible_check_mode": check, "_ansible_diff": diff, "_ansible_remote_tmp": str(scratch)}
        with patch_module_args({**args, **internal}), pytest.raises(SystemExit):
            config_files.main()
        result = json.loads(capsys.readouterr().out)
        result["warnings"] = list(warnings)
        warnings.clear()
        return result

    return run


def names(top: Path) -> list[str]:
    return sorted(str(path.relative_to(top)) for path in top.rglob("*") if "scratch" not in path.parts)


@pytest.fixture
def checker(tmp_path):
    path = tmp_path / "promtool"
    path.write_text('#!/bin/sh\ngrep -n broken "$1" && exit 1\nexit 0\n')
    path.chmod(0o755)
    return [str(path), "{set}/prometheus.yml"]


def test_present_applied_and_again(call, tmp_path, checker):
    args = {"files": {"prometheus.yml": "a\n"}, "validate": [checker], "marker": {"id": 7}}
    first = call(**args)
    assert first["changed"] and first["pending"] and first["validated"]
    assert first["previous"] is None
    assert first["changed_files"] == ["prometheus.yml"]
    assert first["marker"] == {"collection": "claude_code.observability", "name": "prometheus", "id": 7}
    applied = call(state="applied")
    assert applied["changed"] and not applied["pending"]
    assert applied["set"] == first["set"]
    assert os.readlink(tmp_path / "etc/prometheus/applied") == f"sets/{first['set']}"
    again = call(**args)
    assert not again["changed"] and not again["pending"] and again["validated"]
    assert again["changed_files"] == []
    assert again["diff"] == []
    assert not call(state="applied")["changed"]


def test_reverted(call, tmp_path, checker):
    path = tmp_path / "etc/prometheus"
    first = call(files={"prometheus.yml": "a\n", "unit": "3.13.0\n"}, secrets={"token": "s3cret"}, validate=[checker])
    assert "no applied set to go back to" in call(state="reverted")["msg"]
    call(state="applied")
    second = call(files={"prometheus.yml": "b\n", "unit": "3.13.0\n"}, secrets={"token": "s3cret"}, validate=[checker])
    assert second["applied"] == first["set"] != second["set"]
    tried = call(check=True, state="reverted")
    assert tried["changed"] and os.readlink(path / "current") == f"sets/{second['set']}"
    for name in ("nosuch", "token"):
        assert f"has no {name}" in call(state="reverted", read=["unit", name])["msg"]
    assert os.readlink(path / "current") == f"sets/{second['set']}"
    back = call(state="reverted", read=["unit"])
    assert back["changed"] and back["pending"]
    assert (back["set"], back["previous"]) == (first["set"], second["set"])
    assert back["changed_files"] == ["prometheus.yml"]
    assert back["texts"] == {"unit": "3.13.0\n"}
    assert (path / "current/prometheus.yml").read_text() == "a\n"
    assert not call(state="reverted")["changed"]


def test_the_checker_is_not_run_on_an_unchanged_host(call, tmp_path, checker):
    args = {"files": {"prometheus.yml": "a\n"}, "validate": [checker]}
    call(**args)
    Path(checker[0]).write_text("#!/bin/sh\nexit 1\n")
    assert not call(**args).get("failed")
    assert call(files={"prometheus.yml": "b\n"}, validate=[checker])["failed"]


def test_a_refused_configuration_fails_with_the_words_of_the_checker(call, tmp_path, checker):
    before = names(tmp_path)
    result = call(files={"prometheus.yml": "ok\nbroken\n"}, validate=[checker])
    assert result["failed"]
    assert "2:broken" in result["msg"]
    assert names(tmp_path) == before


def test_check_mode_on_a_fresh_host_checks_and_writes_nothing(call, tmp_path, checker):
    before = names(tmp_path)
    args = {
        "files": {"prometheus.yml": "a\n"},
        "validate": [checker],
        "directories": [{"path": str(tmp_path / "data"), "marker": True}],
        "links": {str(tmp_path / "unit"): "etc/prometheus/current/prometheus.yml"},
    }
    result = call(check=True, **args)
    assert result["changed"] and result["validated"] and result["pending"]
    refused = call(check=True, **{**args, "files": {"prometheus.yml": "broken\n"}})
    assert refused["failed"] and "1:broken" in refused["msg"]
    assert call(check=True, state="applied")["changed"]
    assert names(tmp_path) == before
    assert [item for item in (tmp_path / "scratch").rglob("*") if item.is_file()] == []
    assert result["set"] == call(**args)["set"]


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ({"validate": [["/opt/none/promtool", "{set}"]]}, "/opt/none/promtool is not on this host yet"),
        ({"validate": [["true"]], "group": "no-such-group"}, "its owner or group does not exist yet"),
        ({"validate": [["true"]], "validate_user": "no-such-user"}, "the user no-such-user does not exist yet"),
        (
            {"validate": [["true"]], "validate_image": "no.such/image:1"},
            "the image no.such/image:1 is not on this host yet",
        ),
    ],
)
def test_check_mode_without_a_checker_says_so(call, args, said):
    result = call(check=True, files={"prometheus.yml": "a\n"}, **args)
    assert result["changed"] and not result["validated"]
    assert any(said in warning for warning in result["warnings"])


def test_owners_that_do_not_exist_are_a_warning_in_check_mode_and_an_error_otherwise(call, tmp_path):
    args = {
        "files": {"prometheus.yml": "a\n"},
        "group": "no-such-group",
        "directories": [{"path": str(tmp_path / "data"), "owner": "no-such-user"}],
    }
    result = call(check=True, **args)
    assert result["changed"]
    assert len(result["warnings"]) == 2
    failed = call(**args)
    assert failed["failed"]
    assert "'no-such-user'" in failed["msg"]


def test_secrets_are_nowhere_in_the_result(call, tmp_path, checker):
    args = {"files": {"prometheus.yml": "a\n"}, "validate": [checker]}
    results = [
        call(**args, secrets={"token": "hunter2-first\n"}),
        call(check=True, **args, secrets={"token": "hunter2-second\n"}),
        call(**args, secrets={"token": "hunter2-second\n"}),
        call(**args),
    ]
    assert all(result["changed"] for result in results)
    assert "hunter2" not in json.dumps(results)
    script = Path(checker[0])
    script.write_text("#!/bin/sh\ncat token; exit 1\n")
    refused = call(**args, secrets={"token": "hunter2-third\n"})
    assert refused["failed"] and "hunter2" not in json.dumps(refused)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ({"files": {"../x": "a"}}, "plain relative path"),
        ({"files": {"a": "a"}, "links": {"relative": "x"}}, "not absolute"),
        ({"files": {"a": "a"}, "validate": [[]]}, "empty"),
        ({"files": {"a": "a"}, "directories": [{"path": "/x", "mode": "rwx"}]}, "not octal"),
        ({"state": "applied"}, "no current set"),
    ],
)
def test_arguments_that_are_refused(call, args, said):
    result = call(**args)
    assert result["failed"] and said in result["msg"]
