# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.claude_code.observability.plugins.module_utils import _run_as
from ansible_collections.claude_code.observability.plugins.module_utils._run_as import (
    RunAsError,
    User,
    invoking_user,
    named_user,
    run_as,
)
from ansible_collections.claude_code.observability.plugins.module_utils._safe_files import FileError
from ansible_collections.claude_code.observability.plugins.module_utils._settings_file import update
from ansible_collections.claude_code.observability.plugins.module_utils._settings_plan import Wanted

ROOT = os.geteuid() == 0


@pytest.fixture
def people() -> Iterator[list[User]]:
    """Users with a home. Root gets two that are in no user database, anybody else gets themselves."""
    top = Path(tempfile.mkdtemp())
    top.chmod(0o755)
    uids = [54321, 54322] if ROOT else [os.geteuid()]
    users = []
    for uid in uids:
        home = top / str(uid)
        home.mkdir(mode=0o700)
        if ROOT:
            os.chown(home, uid, uid)
        users.append(User(f"person{uid}", uid, uid if ROOT else os.getegid(), str(home)))
    yield users
    shutil.rmtree(top)


def who() -> dict[str, Any]:
    return {
        "uid": os.getuid(),
        "euid": os.geteuid(),
        "gid": os.getgid(),
        "egid": os.getegid(),
        "groups": os.getgroups(),
    }


def test_the_work_is_done_as_the_user_for_good(people: list[User]) -> None:
    for user in people:
        seen = run_as(user, who)
        assert (seen["uid"], seen["euid"], seen["gid"], seen["egid"]) == (user.uid, user.uid, user.gid, user.gid)
        if ROOT:
            assert seen["groups"] == [user.gid]

            def rise() -> dict[str, Any]:
                try:
                    os.setuid(0)
                except PermissionError:
                    return {"root": False}
                return {"root": True}

            assert run_as(user, rise) == {"root": False}


def test_everyone_gets_their_own_file(people: list[User]) -> None:
    wanted = Wanted({"A": "1"})
    for user in people:
        directory = f"{user.home}/.claude"
        assert run_as(user, lambda: {"changed": update(directory, wanted).changed}) == {"changed": True}  # noqa: B023 called at once
        for path in (Path(directory), Path(directory, "settings.json"), *Path(directory).iterdir()):
            assert (path.stat().st_uid, path.stat().st_gid) == (user.uid, user.gid)
        assert run_as(user, lambda: {"changed": update(directory, Wanted()).changed}) == {"changed": True}  # noqa: B023 called at once
        assert os.listdir(user.home) == []


def test_a_link_to_somebody_elses_file_does_not_help(people: list[User], tmp_path: Path) -> None:
    user = people[0]
    private = Path(user.home).parent / "private"
    private.mkdir(mode=0o700)
    (private / "secret.json").write_text('{"env": {}}')
    if not ROOT:
        private.chmod(0o000)
    directory = Path(user.home, ".claude")
    directory.mkdir()
    (directory / "settings.json").symlink_to(private / "secret.json")

    def attempt() -> dict[str, Any]:
        try:
            update(str(directory), Wanted({"A": "1"}))
        except FileError as error:
            return {"msg": str(error)}
        return {}

    try:
        assert "Permission denied" in run_as(user, attempt)["msg"]
    finally:
        private.chmod(0o700)
    assert (private / "secret.json").read_text() == '{"env": {}}'


def test_work_that_ends_badly_is_an_error() -> None:
    def broken() -> dict[str, Any]:
        raise KeyError("x")

    other = User("other", 54321, 54321, "/nonexistent")
    with pytest.raises(RunAsError, match="as other ended" if ROOT else "only root can act for another user"):
        run_as(other, broken)


def test_users_come_from_the_user_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/somewhere")
    me = invoking_user()
    assert me.invoking and me.uid == os.geteuid()
    assert me.home == "/somewhere"
    assert named_user(me.name) == me
    other = next(entry for entry in _run_as.pwd.getpwall() if entry.pw_uid != os.geteuid())
    assert named_user(other.pw_name) == User(other.pw_name, other.pw_uid, other.pw_gid, other.pw_dir)
    with pytest.raises(RunAsError, match="no such user"):
        named_user("no-such-user")


def test_an_account_without_an_entry_goes_by_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(uid: int) -> None:
        raise KeyError(uid)

    monkeypatch.setattr(_run_as.pwd, "getpwuid", missing)
    monkeypatch.setenv("HOME", "/somewhere")
    assert invoking_user() == User(str(os.geteuid()), os.geteuid(), os.getegid(), "/somewhere")
