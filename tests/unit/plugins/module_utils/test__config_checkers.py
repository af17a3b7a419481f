# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import pwd
import select
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.claude_code.observability.plugins.module_utils import _config_checkers as checkers
from ansible_collections.claude_code.observability.plugins.module_utils import _config_sets as sets
from ansible_collections.claude_code.observability.plugins.module_utils._util import HostError


def request(path: Path, **files: str) -> sets.Request:
    return sets.Request(
        path=str(path),
        files={name.replace("__", "/"): text.encode() for name, text in files.items()},
        uid=os.geteuid(),
        gid=os.getegid(),
    )


def snapshot(top: Path) -> dict[str, tuple]:
    """What is there: inode, mode and content. Folders get new times from a set that came and went."""
    found = {}
    for path in [top, *sorted(top.rglob("*"))]:
        info = path.lstat()
        content = os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else None
        found[str(path)] = (info.st_ino, info.st_mode, content)
    return found


def checker(tmp_path: Path, script: str) -> str:
    path = tmp_path / "check.sh"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def test_mask_hides_whole_secrets_and_their_lines():
    secrets = {"token": b"hunter2\n", "users": b"alice:$2y$05$abc\nbob:$2y$05$def\n"}
    said = checkers.mask("bad token hunter2, bad user bob:$2y$05$def in line 2", secrets)
    assert said == "bad token (secret), bad user (secret) in line 2"


def test_a_refused_set_leaves_a_fresh_host_as_it_was(tmp_path):
    path = tmp_path / "etc" / "p"
    wanted = replace(
        request(path, a="broken"),
        secrets={"token": b"hunter2"},
        directories=(sets.Directory(str(tmp_path / "data"), os.geteuid(), os.getegid(), marker=True),),
        links={str(tmp_path / "unit"): str(path / "current/a")},
        checkers=((checker(tmp_path, 'echo "line 1: $(cat "$1/a") $(cat "$1/token")"; exit 3'), "{set}"),),
    )
    before = snapshot(tmp_path)
    with pytest.raises(HostError, match=r"rc 3.*\nline 1: broken \(secret\)\n") as error:
        sets.apply(wanted, lambda staged: checkers.run_checkers(wanted, staged, None, 30))
    assert "hunter2" not in str(error.value)
    assert snapshot(tmp_path) == before


def test_a_refused_set_leaves_the_set_in_force_and_everything_else(tmp_path):
    path = tmp_path / "p"
    sets.apply(request(path, a="1"), lambda staged: None)
    wanted = replace(
        request(path, a="2"),
        marker={"new": 1},
        directories=(sets.Directory(str(tmp_path / "data"), os.geteuid(), os.getegid()),),
        checkers=(("true",), (checker(tmp_path, "exit 1"), "{set}/a")),
    )
    before = snapshot(tmp_path)
    with pytest.raises(HostError, match="was refused"):
        sets.apply(wanted, lambda staged: checkers.run_checkers(wanted, staged, None, 30))
    assert snapshot(tmp_path) == before


def test_the_checker_sees_the_whole_staged_set_and_runs_in_it(tmp_path):
    path = tmp_path / "p"
    script = checker(tmp_path, 'test "$PWD" = "$1" && test -f "$2/sub/b" && test ! -e "$1/../../current"')
    wanted = replace(request(path, a="1", sub__b="2"), checkers=((script, "{set}", "{set}"),))
    sets.apply(wanted, lambda staged: checkers.run_checkers(wanted, staged, None, 30))
    assert {name: (path / "current" / name).read_text() for name in ("a", "sub/b")} == {"a": "1", "sub/b": "2"}


def test_a_checker_that_hangs_is_ended_with_its_children(tmp_path):
    held = tmp_path / "held"
    os.mkfifo(held)
    reader = os.open(held, os.O_RDONLY | os.O_NONBLOCK)
    wanted = replace(
        request(tmp_path / "p", a="1"), checkers=((checker(tmp_path, f"sleep 600 > {held} & echo x > {held}; wait"),),)
    )
    with pytest.raises(HostError, match="no answer within 1 s"):
        checkers.run_checkers(wanted, str(tmp_path), None, 1)
    # The end of file comes when the last holder of the other end is gone.
    os.set_blocking(reader, True)
    waiter = select.poll()
    waiter.register(reader, select.POLLHUP)
    assert waiter.poll(20_000)
    assert os.read(reader, 10) == b"x\n"
    assert os.read(reader, 10) == b""
    os.close(reader)


def test_a_checker_that_is_not_there(tmp_path):
    wanted = replace(request(tmp_path, a="1"), checkers=(("/opt/none/promtool",),))
    with pytest.raises(HostError, match="/opt/none/promtool is not on this host"):
        checkers.run_checkers(wanted, str(tmp_path), None, 30)


def test_the_checker_runs_as_the_service_user(tmp_path):
    for folder in (tmp_path, *list(tmp_path.parents)[:2]):
        folder.chmod(0o755)
    script = checker(tmp_path, 'echo "$(id -un) $(id -G) $HOME"; exit 1')
    wanted = replace(request(tmp_path, a="1"), checkers=((script,),))
    nobody = pwd.getpwnam("nobody")
    root = os.geteuid() == 0
    said = rf"\nnobody {nobody.pw_gid} {nobody.pw_dir}\n" if root else "only root can run"
    with pytest.raises(HostError, match=said):
        checkers.run_checkers(wanted, str(tmp_path), "nobody" if root else "root", 30)


def test_the_service_user_comes_with_its_own_groups_only(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(os, "getgrouplist", lambda name, gid: [gid, 4242] if name == "nobody" else [])
    nobody = pwd.getpwnam("nobody")
    who = checkers.identity("nobody")
    assert (who["user"], who["group"], who["extra_groups"]) == (nobody.pw_uid, nobody.pw_gid, [nobody.pw_gid, 4242])


def test_trial_leaves_nothing(tmp_path):
    base = tmp_path / "base"
    base.mkdir()
    seen = tmp_path / "seen"
    script = checker(tmp_path, f'cat "$1/a" > {seen}')
    wanted = replace(request(tmp_path / "p", a="1"), uid=-1, gid=-1, checkers=((script, "{set}"),))
    checkers.trial(wanted, str(base), None, 30)
    assert seen.read_text() == "1"
    assert os.listdir(base) == []
    assert not (tmp_path / "p").exists()
