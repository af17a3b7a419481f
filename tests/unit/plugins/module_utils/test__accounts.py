# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import pwd
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.claude_code.observability.plugins.module_utils import _accounts as accounts
from ansible_collections.claude_code.observability.plugins.module_utils._accounts import Skipped, home_problem
from ansible_collections.claude_code.observability.plugins.module_utils._run_as import User

OWNER = os.geteuid()


def entry(name: str, uid: int, home: str, shell: str = "/bin/bash") -> pwd.struct_passwd:
    return pwd.struct_passwd((name, "x", uid, uid, "", home, shell))


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A host with these accounts in its files, and those in its directory service."""
    defs = tmp_path / "login.defs"
    defs.write_text("# UID_MIN 5\nUID_MIN\t\t 2000\nUID_MAX 60000\n")
    monkeypatch.setattr(accounts, "LOGIN_DEFS", str(defs))
    monkeypatch.setattr(accounts, "HOMES", str(tmp_path / "home"))

    def found(uid: int, directory: list[pwd.struct_passwd]) -> pwd.struct_passwd:
        return {one.pw_uid: one for one in directory}[uid]

    def having(files: list[pwd.struct_passwd], directory: list[pwd.struct_passwd]) -> None:
        monkeypatch.setattr(pwd, "getpwall", lambda: files)
        monkeypatch.setattr(pwd, "getpwuid", lambda uid: found(uid, directory))

    return having


def test_people_have_a_number_of_people_and_a_login_shell(host: Any) -> None:
    host(
        [
            entry("root", 0, "/root"),
            entry("postgres", 1999, "/var/lib/postgresql"),
            entry("grace", 2001, "/x/grace", ""),
            entry("ada", 2000, "/x/ada"),
            entry("robot", 2002, "/x/robot", "/usr/sbin/nologin"),
            entry("gone", 2003, "/x/gone", "/bin/false"),
        ],
        [],
    )
    people, skipped = accounts.human_users()
    assert people == [User("ada", 2000, 2000, "/x/ada"), User("grace", 2001, 2001, "/x/grace")]
    assert skipped == [
        Skipped("robot", "its shell is /usr/sbin/nologin"),
        Skipped("gone", "its shell is /bin/false"),
    ]


def test_owners_of_homes_are_found_though_nobody_lists_them(
    host: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "home" / "ada").mkdir(parents=True)
    (tmp_path / "home" / "a-file").touch()
    (tmp_path / "home" / "a-link").symlink_to(tmp_path)
    monkeypatch.setattr(accounts, "lowest_uid", lambda: OWNER)
    host([], [entry("ada@corp", OWNER, "/home/ada")])
    assert accounts.human_users() == ([User("ada@corp", OWNER, OWNER, "/home/ada")], [])


def test_homes_beside_a_known_one_are_looked_at(host: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "elsewhere" / "ada").mkdir(parents=True)
    monkeypatch.setattr(accounts, "lowest_uid", lambda: OWNER)
    host([entry("grace", OWNER + 1, f"{tmp_path}/elsewhere/grace")], [])
    assert accounts.human_users()[1] == [
        Skipped(str(OWNER), f"owns {tmp_path}/elsewhere/ada, but the host knows no such account")
    ]


@pytest.mark.parametrize(("text", "lowest"), [("UID_MIN 500\n", 500), ("#UID_MIN 500\n", 1000), (None, 1000)])
def test_the_first_number_of_people(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None, lowest: int
) -> None:
    defs = tmp_path / "login.defs"
    if text is not None:
        defs.write_text(text)
    monkeypatch.setattr(accounts, "LOGIN_DEFS", str(defs))
    assert accounts.lowest_uid() == lowest
    monkeypatch.setattr(accounts, "MACOS", True)
    assert accounts.lowest_uid() == 500


def test_homes_that_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert home_problem(str(tmp_path)) is None
    assert home_problem(str(tmp_path / "none")) == f"{tmp_path}/none: No such file or directory"
    (tmp_path / "file").touch()
    assert home_problem(str(tmp_path / "file")) == f"{tmp_path}/file is not a directory"
    monkeypatch.setattr(os, "geteuid", lambda: OWNER + 1)
    assert home_problem(str(tmp_path)) == f"{tmp_path} belongs to uid {OWNER}"
