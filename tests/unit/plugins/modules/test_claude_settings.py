# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import pwd
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.claude_code.observability.plugins.module_utils import _accounts as accounts
from ansible_collections.claude_code.observability.plugins.module_utils._run_as import User, invoking_user
from ansible_collections.claude_code.observability.plugins.modules import claude_settings

ME = pwd.getpwuid(os.getuid()).pw_name
ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("CLAUDE_CONFIG_DIR", raising=False)
    return tmp_path / ".claude" / "settings.json"


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Any:
    def run(**options: Any) -> dict[str, Any]:
        with patch_module_args(options), pytest.raises(SystemExit):
            claude_settings.main()
        return json.loads(capsys.readouterr().out)

    return run


def test_present_again_absent(settings: Path, call: Any) -> None:
    first = call(env={"A": 1, "B": "x"}, resource_attributes={"developer": "{user}"})
    assert first["changed"]
    assert first["users"][0]["keys_added"] == ["A", "B", "OTEL_RESOURCE_ATTRIBUTES"]
    assert json.loads(settings.read_bytes()) == {
        "env": {"A": "1", "B": "x", "OTEL_RESOURCE_ATTRIBUTES": f"developer={ME}"}
    }
    seen = settings.stat()
    assert not call(env={"A": 1, "B": "x"}, resource_attributes={"developer": "{user}"})["changed"]
    assert (settings.stat().st_ino, settings.stat().st_ctime_ns) == (seen.st_ino, seen.st_ctime_ns)
    gone = call(state="absent")
    assert gone["changed"] and gone["users"][0]["keys_removed"] == ["A", "B", "OTEL_RESOURCE_ATTRIBUTES"]
    assert not settings.parent.exists()
    assert not call(state="absent")["changed"]


def test_check_mode_says_the_same_and_does_nothing(settings: Path, call: Any) -> None:
    predicted = call(env={"A": "1"}, _ansible_check_mode=True)
    assert not settings.parent.exists()
    assert predicted == call(env={"A": "1"})
    gone = call(state="absent", _ansible_check_mode=True)
    assert settings.exists()
    assert gone == call(state="absent")


def test_the_difference_shows_managed_values_only_and_no_secrets(settings: Path, call: Any) -> None:
    settings.parent.mkdir()
    settings.write_text('{"apiKey": "k1", "env": {"A": 0, "MY_TOKEN": "old-secret", "U": "k2"}}')
    result = call(
        env={"A": "1", "MY_TOKEN": "new-token", "SAME": "http://u:pw@h"}, secret_env={"X_HEADERS": "Authorization=abc"}
    )
    assert result["diff"][0]["before"] == '"A": 0\n"MY_TOKEN": (hidden)\n'
    assert result["diff"][0]["after"] == (
        '"A": "1"\n"MY_TOKEN": (hidden, new value)\n"SAME": "http://***@h"\n"X_HEADERS": (hidden, new value)\n'
    )
    assert not any(
        secret in json.dumps(result["diff"]) for secret in ("k1", "k2", "old-secret", "new-token", "pw@", "abc")
    )


def test_config_dir_wins_over_home(settings: Path, call: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", str(tmp_path / "other"))
    assert call(env={"A": "1"})["users"][0]["path"] == str(tmp_path / "other" / "settings.json")
    assert not settings.exists()


def test_attributes_of_one_user_and_items_in_env_win(settings: Path, call: Any) -> None:
    call(
        env={"OTEL_RESOURCE_ATTRIBUTES": "cost=7,team=c"},
        resource_attributes={"developer": "a", "team": "a"},
        user_resource_attributes={ME: {"developer": "b", "team": "b"}, "no-such-user": {"developer": "x"}},
    )
    assert json.loads(settings.read_bytes())["env"]["OTEL_RESOURCE_ATTRIBUTES"] == "developer=b,team=c,cost=7"


def test_root_in_somebody_elses_home_is_refused(
    settings: Path, call: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.stat

    def foreign(path: Any, **options: Any) -> Any:
        found = real(path, **options)
        return os.stat_result((*found[:4], 4711, *found[5:])) if str(path) == str(tmp_path) else found

    monkeypatch.setattr(os, "stat", foreign)
    monkeypatch.setattr(accounts, "invoking_user", lambda: User("root", 0, 0, str(tmp_path)))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert f"{tmp_path} belongs to uid 4711, not to root: name that user in users" in call(env={"A": "1"})["msg"]
    assert not settings.parent.exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"env": {"A": True}}, 'env.A is a truth value: write the string Claude Code is to read, "1" or "0"'),
        ({"env": {"A": None}}, "env.A is None: make it a string or a number"),
        ({"env": {"A": [1]}}, "env.A is [1]: make it a string or a number"),
        ({"env": {"A B": "1"}}, "'A B' is no name for an environment variable"),
        ({"env": {"A": "\0"}}, "env.A holds a NUL character"),
        ({"env": {"OTEL_RESOURCE_ATTRIBUTES": "a"}}, "env.OTEL_RESOURCE_ATTRIBUTES: the item 'a' has no '='"),
        ({"resource_attributes": {"team": "My Team"}}, "Percent-encode it: My%20Team"),
        ({"user_resource_attributes": {ME: "bob"}}, f"user_resource_attributes.{ME} is 'bob': make it a dictionary"),
        ({"env": {"A": "1"}, "if_absent": ["B"]}, "if_absent names B, which this call does not set"),
        ({"config_dir": "etc"}, "config_dir is etc: make it an absolute path without .."),
        ({"config_dir": "/home/../etc"}, "config_dir is /home/../etc: make it an absolute path without .."),
        ({"config_dir": "/x", "users": ["a", "b"]}, "config_dir is /x for several users: put {user} or {home} into it"),
        ({"all_users": True, "users": ["a"]}, "all_users and users exclude each other"),
        ({"scope": "managed", "users": ["a"]}, "users is for single users; with scope managed settings are"),
        ({"scope": "managed", "all_users": True}, "all_users is for single users"),
        ({"scope": "managed", "config_dir": "/x"}, "config_dir is for single users"),
        ({"scope": "managed", "user_resource_attributes": {"a": {}}}, "user_resource_attributes is for single users"),
        ({"scope": "managed", "headers_helper": {"A": "s3cret"}}, "headers_helper is for single users"),
        (
            {"headers_helper": {"A": "s3cret"}, "env": {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}},
            "headers_helper with grpc: Claude Code asks it over HTTP only",
        ),
        ({"env": {"otelHeadersHelper": "x"}}, "env.otelHeadersHelper is a key beside env, not a variable"),
        ({"headers_helper": {"A b": "s3cret"}}, "headers_helper.A b: a header has a name of letters"),
        ({"headers_helper": {"A": "s3cret\n"}}, "headers_helper.A: a header has a name of letters"),
        (
            {"scope": "managed", "resource_attributes": {"developer": "{user}"}},
            "resource_attributes.developer is {user}, but with scope managed it is the same for every user",
        ),
        (
            {"scope": "managed", "env": {"A_TOKEN": "s3cret"}, "secret_env": {"B": "s3cret", "EMPTY": ""}},
            "A_TOKEN, B: every user of the host can read managed settings",
        ),
    ],
)
def test_options_that_can_not_be_meant(settings: Path, call: Any, options: dict[str, Any], message: str) -> None:
    result = call(**options)
    assert result["failed"] and message in result["msg"]
    assert "s3cret" not in json.dumps(result)
    assert not settings.parent.exists()


def test_what_claude_code_would_misread_is_refused_before_any_file_is_touched(settings: Path, call: Any) -> None:
    result = call(env={"OTEL_EXPORTER_OTLP_PROTOCOL": "http"})
    assert result["failed"]
    assert "OTEL_EXPORTER_OTLP_PROTOCOL is http" in result["msg"]
    assert not settings.exists()


def test_a_broken_file_is_left_and_named(settings: Path, call: Any) -> None:
    settings.parent.mkdir()
    settings.write_text('{"env": {},}')
    result = call(env={"A": "1"})
    assert result["msg"] == (
        f"1 of 1 users: {ME}: {settings}:1:11: there is a comma before }}, which JSON does not allow"
    )
    assert settings.read_text() == '{"env": {},}'
    assert os.listdir(settings.parent) == ["settings.json"]


def test_healthy_users_are_served_though_another_fails(settings: Path, call: Any) -> None:
    result = call(users=["no-such-user", ME], env={"A": "1"})
    assert result["failed"] and result["changed"]
    assert result["msg"] == "1 of 2 users: no-such-user: there is no such user on this host"
    assert [user["failed"] for user in result["users"]] == [True, False]
    assert settings.exists()


def test_endpoint_conflict(settings: Path, call: Any) -> None:
    settings.parent.mkdir()
    settings.write_text(f'{{"env": {{"{ENDPOINT}": "http://other"}}}}')
    assert "set by somebody else" in call(env={ENDPOINT: "http://x"}, endpoint_conflict="refuse")["msg"]
    assert call(env={ENDPOINT: "http://x"})["users"][0]["keys_changed"] == [ENDPOINT]
    assert call(env={ENDPOINT: "http://y"}, endpoint_conflict="refuse")["changed"]


def test_backup(settings: Path, call: Any) -> None:
    settings.parent.mkdir()
    settings.write_text("{}")
    result = call(env={"A": "1"}, backup=True)
    assert Path(result["users"][0]["backup_file"]).read_text() == "{}"
    assert call(env={"A": "2"}, backup=True)["users"][0]["backup_file"] == ""


def test_a_directory_for_the_settings(settings: Path, call: Any, tmp_path: Path) -> None:
    result = call(env={"A": "1"}, users=[ME], config_dir="{home}/claude-of-{user}")
    assert result["users"][0]["path"] == str(tmp_path / f"claude-of-{ME}" / "settings.json")
    assert not settings.parent.exists()
    call(state="absent", config_dir=str(tmp_path / f"claude-of-{ME}"))
    assert list(tmp_path.iterdir()) == []


def test_values_of_the_user_are_left_and_reported(settings: Path, call: Any) -> None:
    settings.parent.mkdir()
    settings.write_text('{"env": {"A": "mine"}}')
    for changed in (True, False):
        result = call(env={"A": "1", "B": "2"}, if_absent=["A"])
        assert (result["changed"], result["users"][0]["keys_left"]) == (changed, ["A"])
    assert json.loads(settings.read_text()) == {"env": {"A": "mine", "B": "2"}}


def test_a_login_with_signs_that_claude_code_would_drop(settings: Path, call: Any, monkeypatch: Any) -> None:
    user = invoking_user()
    named = User("CORP\\ada lovelace", user.uid, user.gid, user.home)
    monkeypatch.setattr(accounts, "invoking_user", lambda: named)
    call(resource_attributes={"developer": "{user}"})
    assert json.loads(settings.read_bytes())["env"] == {"OTEL_RESOURCE_ATTRIBUTES": "developer=CORP%5Cada%20lovelace"}


@pytest.fixture
def root(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """We are root for all that this module asks; returns the directory of the managed settings."""
    for module in (accounts, claude_settings):
        monkeypatch.setattr(module, "is_root", lambda: True)
    monkeypatch.setattr(claude_settings, "managed_directory", lambda: str(tmp_path / "claude-code"))
    return tmp_path / "claude-code"


def test_managed_settings_of_the_host(root: Path, call: Any) -> None:
    options = {"scope": "managed", "env": {"A": 1}, "resource_attributes": {"team": "t"}}
    path = root / "managed-settings.d" / "50-claude_code.observability.json"
    first = call(**options)
    assert (first["changed"], first["users"]) == (True, [])
    assert first["managed"] == {
        "path": str(path),
        "changed": True,
        "failed": False,
        "created": True,
        "keys_added": ["A", "OTEL_RESOURCE_ATTRIBUTES"],
        "keys_changed": [],
        "keys_removed": [],
        "keys_kept": [],
        "keys_left": [],
        "certificates": [],
        "backup_file": "",
    }
    assert json.loads(path.read_bytes()) == {"env": {"A": "1", "OTEL_RESOURCE_ATTRIBUTES": "team=t"}}
    assert not call(**options)["changed"]
    gone = call(scope="managed", state="absent")
    assert gone["managed"]["keys_removed"] == ["A", "OTEL_RESOURCE_ATTRIBUTES"]
    assert not root.exists()


def test_secrets_that_all_users_may_know(root: Path, call: Any) -> None:
    options = {"secret_env": {"X_HEADERS": "s3cret"}, "env": {"CLAUDE_CODE_CLIENT_KEY": "/etc/key.pem"}}
    assert call(scope="managed", allow_readable_secrets=True, **options)["changed"]
    assert call(scope="managed", env=options["env"])["changed"]


def test_a_broken_managed_file_is_named(root: Path, call: Any) -> None:
    root.mkdir()
    (root / "managed-settings.json").write_text("[]")
    result = call(scope="managed", env={"A": "1"})
    assert result["failed"] and not result["changed"]
    assert result["msg"] == (
        f"{root}/managed-settings.json:1:1: the top level is not an object. Claude Code starts for nobody on this host "
        "until this is mended"
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scope": "managed"}, "only root can write managed settings: set become to true"),
        ({"all_users": True}, "only root can act for all users: set become to true"),
    ],
)
def test_what_takes_root(call: Any, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], message: str) -> None:
    for module in (accounts, claude_settings):
        monkeypatch.setattr(module, "is_root", lambda: False)
    assert call(env={"A": "1"}, **options)["msg"] == message


def test_all_users_of_the_host(
    settings: Path, root: Path, call: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    me = invoking_user()
    nowhere = User("nowhere", me.uid, me.gid, str(tmp_path / "nowhere"))
    robot = claude_settings.Skipped("robot", "its shell is /bin/false")
    monkeypatch.setattr(accounts, "human_users", lambda: ([me, nowhere], [robot]))
    result = call(all_users=True, env={"A": "1"})
    assert [(user["name"], user["changed"]) for user in result["users"]] == [(ME, True)]
    assert result["skipped_users"] == [
        {"name": "robot", "reason": "its shell is /bin/false"},
        {"name": "nowhere", "reason": f"{tmp_path}/nowhere: No such file or directory"},
    ]
    assert settings.exists()


def test_headers_from_a_script(settings: Path, call: Any) -> None:
    settings.parent.mkdir()
    before = '{"env": {"A": "0"},\n "otelHeadersHelper": "mine"}'
    settings.write_text(before)
    script = settings.parent / "claude_code.observability-headers"
    headers = {"Authorization": "Bearer s3cret'$HOME"}
    first = call(env={"A": "1"}, headers_helper=headers)
    assert first["users"][0]["keys_changed"] == ["A", "otelHeadersHelper"]
    body = json.loads(settings.read_text())
    said = subprocess.run(body["otelHeadersHelper"], shell=True, check=True, capture_output=True, text=True).stdout
    assert (json.loads(said), list(body)) == (headers, ["env", "otelHeadersHelper"])
    assert script.stat().st_mode & 0o777 == 0o700
    assert "s3cret" not in settings.read_text() + json.dumps(first)
    assert not call(env={"A": "1"}, headers_helper=headers)["changed"]

    new = {"env": {"A": "1"}, "headers_helper": {"Authorization": "Bearer n3w"}}
    for again in (call(**new, _ansible_check_mode=True), call(**new)):
        assert (again["changed"], again["users"][0]["keys_changed"]) == (True, ["otelHeadersHelper"])
        assert again["diff"][0]["after"] == '"otelHeadersHelper": (hidden, new value)\n'
    assert "n3w" in script.read_text()
    script.chmod(0o755)
    assert call(**new)["changed"]
    assert script.stat().st_mode & 0o777 == 0o700

    assert call(env={"A": "1"})["users"][0]["keys_changed"] == ["otelHeadersHelper"]
    assert json.loads(settings.read_text())["otelHeadersHelper"] == "mine"
    assert not script.exists()
    call(**new)
    call(state="absent")
    assert settings.read_text() == before
    assert os.listdir(settings.parent) == ["settings.json"]


def test_a_script_that_a_kill_left_goes(settings: Path, call: Any) -> None:
    settings.parent.mkdir()
    script = settings.parent / "claude_code.observability-headers"
    script.write_text("secret")
    assert call(state="absent")["changed"]
    assert not script.exists()


def test_something_else_by_the_name_of_the_script(settings: Path, call: Any, tmp_path: Path) -> None:
    settings.parent.mkdir()
    target = tmp_path / "mine"
    target.write_text("mine")
    script = settings.parent / "claude_code.observability-headers"
    script.symlink_to(target)
    call(headers_helper={"Authorization": "Bearer t1"})
    assert target.read_text() == "mine" and not script.is_symlink()
    script.unlink()
    script.mkdir()
    result = call(headers_helper={"Authorization": "Bearer t2"})
    assert result["failed"] and str(script) in result["msg"]
