# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collector's authority among a user's settings, beside certificates that somebody else led the client to."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import pwd
import stat
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.claude_code.observability.plugins.module_utils import _doctor_sources as sources
from ansible_collections.claude_code.observability.plugins.module_utils._run_as import User
from ansible_collections.claude_code.observability.plugins.modules import claude_settings

NODE = "NODE_EXTRA_CA_CERTS"
GRPC = "OTEL_EXPORTER_OTLP_CERTIFICATE"
HTTP = {"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}
NAME = "claude_code.observability-ca.pem"


def pem(name: str) -> str:
    """To the module a certificate is a block of base64."""
    return f"-----BEGIN CERTIFICATE-----\n{base64.b64encode(name.encode()).decode()}\n-----END CERTIFICATE-----\n"


OURS, COMPANY, OTHER = pem("ours"), pem("company"), pem("other")
KEY = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home whose shell reads nothing of this machine."""
    for name in ("CLAUDE_CONFIG_DIR", NODE, GRPC):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(sources, "_shell_files", lambda user: iter([str(tmp_path / ".bashrc")]))
    monkeypatch.setattr(sources, "managed_directory", lambda: str(tmp_path / "managed"))
    (tmp_path / ".claude").mkdir()
    return tmp_path


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Any:
    def run(**options: Any) -> dict[str, Any]:
        with patch_module_args(options), pytest.raises(SystemExit):
            claude_settings.main()
        return json.loads(capsys.readouterr().out)

    return run


def settings(home: Path) -> dict[str, str]:
    return json.loads((home / ".claude" / "settings.json").read_text())["env"]


def ours(home: Path) -> Path:
    return home / ".claude" / NAME


def company(home: Path, text: str = COMPANY) -> str:
    path = home / "company.pem"
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize(("env", "variable"), [(HTTP, NODE), ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, GRPC)])
def test_a_file_that_one_variable_leads_to(home: Path, call: Any, env: dict[str, str], variable: str) -> None:
    predicted = call(env=env, ca=OURS, _ansible_check_mode=True)
    assert not ours(home).exists()
    assert predicted == (result := call(env=env, ca=OURS)) and result["changed"]
    assert settings(home) == {**env, variable: str(ours(home))}
    assert (ours(home).read_text(), stat.S_IMODE(ours(home).stat().st_mode)) == (OURS, 0o600)
    assert result["users"][0]["certificates"] == [hashlib.sha256(b"ours").hexdigest()]
    assert not call(env=env, ca=OURS)["changed"]
    assert call(state="absent")["changed"]
    assert list(home.joinpath(".claude").iterdir()) == []


def test_another_authority_shows_in_the_difference(home: Path, call: Any) -> None:
    call(env=HTTP, ca=OURS)
    result = call(env=HTTP, ca=OTHER)
    assert (result["changed"], result["users"][0]["keys_changed"]) == (True, [NODE])
    diff = result["diff"][0]
    prints = [hashlib.sha256(name).hexdigest() for name in (b"ours", b"other")]
    assert [prints[0] in diff["before"], prints[1] in diff["after"]] == [True, True]
    assert ours(home).read_text() == OTHER


def test_without_an_authority_the_file_goes(home: Path, call: Any) -> None:
    call(env=HTTP, ca=OURS)
    assert call(env=HTTP)["changed"]
    assert settings(home) == HTTP and not ours(home).exists()


def test_what_the_settings_named_is_kept_and_comes_back(home: Path, call: Any) -> None:
    former = f'{{ "env":{{"{NODE}" : "{company(home, COMPANY + KEY)}"}}}}'
    (home / ".claude" / "settings.json").write_text(former)
    assert call(env=HTTP, ca=OURS)["changed"]
    assert ours(home).read_text() == OURS + COMPANY
    assert not call(env=HTTP, ca=OURS)["changed"]
    company(home, COMPANY + OTHER)
    assert call(env=HTTP, ca=OURS, _ansible_check_mode=True)["changed"]
    assert call(env=HTTP, ca=OURS)["changed"]
    assert ours(home).read_text() == OURS + COMPANY + OTHER
    call(state="absent")
    assert (home / ".claude" / "settings.json").read_text() == former
    assert not ours(home).exists()


def test_every_file_that_a_shell_names_is_in_it(home: Path, call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    other = home / "other.pem"
    other.write_text(OTHER)
    (home / ".bashrc").write_text(f"export {NODE}={company(home)}\n")
    monkeypatch.setenv(NODE, str(other))
    call(env=HTTP, ca=OURS)
    assert ours(home).read_text() == OURS + COMPANY + OTHER
    assert (home / ".bashrc").read_text() == f"export {NODE}={home}/company.pem\n"


def test_a_file_in_the_call_is_in_it(home: Path, call: Any) -> None:
    call(env={**HTTP, NODE: company(home)}, ca=OURS)
    assert settings(home)[NODE] == str(ours(home))
    assert ours(home).read_text() == OURS + COMPANY


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("/no/such.pem", "there is no such file"),
        ("company.pem", "depends on where Claude Code starts"),
        ("$(mkcert)/ca.pem", "only a shell knows"),
        ("{home}/empty.pem", "there is no certificate in PEM in it"),
    ],
)
def test_nothing_is_written_where_theirs_would_be_lost(home: Path, call: Any, value: str, message: str) -> None:
    (home / "empty.pem").write_text(KEY)
    (home / ".bashrc").write_text(f"export {NODE}={value.format(home=home)}\n")
    result = call(env=HTTP, ca=OURS)
    assert result["failed"] and message in result["msg"] and f"{home}/.bashrc:1" in result["msg"]
    assert list((home / ".claude").iterdir()) == []
    # It does no harm to gRPC, whose certificates have a variable of their own.
    assert call(env={"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, ca=OURS)["changed"]


def test_managed_settings_that_win(home: Path, call: Any) -> None:
    (home / "managed").mkdir()
    base = home / "managed" / "managed-settings.json"
    base.write_text(json.dumps({"env": {NODE: company(home)}}))
    result = call(env=HTTP, ca=OURS)
    assert f"{base}:1: managed settings lead Claude Code to" in result["msg"]
    assert list((home / ".claude").iterdir()) == []
    company(home, COMPANY + OURS)
    assert call(env=HTTP, ca=OURS)["changed"]


@pytest.mark.parametrize("text", ["no certificate", OURS + KEY, OURS.replace("b3Vycw==", "!!")])
def test_what_is_no_authority(home: Path, call: Any, text: str) -> None:
    assert "ca holds something else than certificates in PEM" in call(env=HTTP, ca=text)["msg"]


def test_something_else_by_the_name_of_the_file(home: Path, call: Any) -> None:
    theirs = home / "theirs"
    theirs.write_text("x")
    ours(home).symlink_to(theirs)
    call(env=HTTP, ca=OURS)
    assert (ours(home).is_symlink(), ours(home).read_text(), theirs.read_text()) == (False, OURS, "x")


# CI is root.
@pytest.mark.skipif(os.geteuid() != 0, reason="only root writes managed settings")
def test_managed_settings_take_the_files_that_root_owns(home: Path, call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    root = User("root", 0, 0, str(home))
    monkeypatch.setattr(claude_settings, "managed_directory", lambda: str(home / "managed"))
    monkeypatch.setattr(claude_settings, "human_users", lambda: ([root], []))
    (home / ".bashrc").write_text(f"export {NODE}={company(home)}\n")
    path = home / "managed" / "managed-settings.d" / NAME
    assert call(scope="managed", env=HTTP, ca=OURS)["changed"]
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == (OURS + COMPANY, 0o644)
    assert not call(scope="managed", env=HTTP, ca=OURS)["changed"]
    (home / "company.pem").chmod(0o666)
    assert "others than root can write it" in call(scope="managed", env=HTTP, ca=OURS)["msg"]
    assert call(scope="managed", state="absent")["changed"]
    assert not path.exists()


def test_each_user_has_a_credential_of_their_own(home: Path, call: Any) -> None:
    me = pwd.getpwuid(os.getuid()).pw_name
    secrets = {me: {"OTEL_EXPORTER_OTLP_HEADERS": "Authorization=Basic bWU6MQ=="}, "x": {"A_TOKEN": "theirs"}}
    result = call(env=HTTP, secret_env={"OTEL_EXPORTER_OTLP_HEADERS": "a=b"}, user_secret_env=secrets)
    assert settings(home) == {**HTTP, **secrets[me]}
    assert "bWU6MQ" not in json.dumps(result)
    helper = call(env=HTTP, user_headers_helper={me: {"Authorization": "Basic bWU6MQ=="}})
    assert "bWU6MQ" not in json.dumps(helper)
    script = home / ".claude" / "claude_code.observability-headers"
    assert "bWU6MQ" in script.read_text() and settings(home) == HTTP
