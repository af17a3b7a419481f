# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.claude_code.observability.plugins.module_utils import _config_sets as sets
from ansible_collections.claude_code.observability.plugins.module_utils._util import MARKER, HostError

STEPS = (
    "chmod",
    "fchmod",
    "fchown",
    "fsync",
    "mkdir",
    "open",
    "rename",
    "replace",
    "rmdir",
    "symlink",
    "unlink",
    "utime",
)


def request(path: Path, **files: str) -> sets.Request:
    return sets.Request(
        path=str(path),
        files={name.replace("__", "/"): text.encode() for name, text in files.items()},
        uid=os.geteuid(),
        gid=os.getegid(),
    )


def put(wanted: sets.Request) -> sets.Plan:
    plan = sets.plan(wanted)
    sets.apply(wanted, lambda staged: None)
    return plan


def snapshot(top: Path) -> dict[str, tuple]:
    """Everything that a write would alter: inode, times, mode, owner, content."""
    found = {}
    for path in [top, *sorted(top.rglob("*"))]:
        info = path.lstat()
        content = os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else None
        found[str(path)] = (
            info.st_ino,
            info.st_mtime_ns,
            info.st_ctime_ns,
            info.st_mode,
            info.st_uid,
            info.st_gid,
            content,
        )
    return found


def current(path: Path) -> dict[str, str]:
    """What a program that reads through the link gets."""
    top = path / "current"
    return {str(item.relative_to(top)): item.read_text() for item in top.rglob("*") if item.is_file()}


def die_at(step: int, work) -> bool:
    """Runs work in a child that kills itself before its step-th call that can change the disk.

    True if it came to that, False if the work was done before.
    """
    child = os.fork()
    if child == 0:
        left = step

        def counted(real):
            def call(*args, **kwargs):
                nonlocal left
                left -= 1
                if left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                return real(*args, **kwargs)

            return call

        for name in STEPS:
            setattr(os, name, counted(getattr(os, name)))
        try:
            work()
        except BaseException:
            os._exit(1)
        os._exit(0)
    _pid, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFSIGNALED(status)


# --- pure -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("files", "secrets", "said"),
    [
        ({"/etc/passwd": ""}, {}, "plain relative path"),
        ({"../x": ""}, {}, "plain relative path"),
        ({"a/../../x": ""}, {}, "plain relative path"),
        ({"./x": ""}, {}, "plain relative path"),
        ({"": ""}, {}, "plain relative path"),
        ({}, {"a//b": ""}, "plain relative path"),
        ({"a": {}}, {}, "must be text, not dict"),
        ({"a": ""}, {"a": ""}, "in files and in secrets"),
        ({"a": "", "a/b": ""}, {}, "a file and a directory"),
        ({".secrets": ""}, {}, "taken by the set"),
        ({}, {}, "both empty"),
    ],
)
def test_names_that_are_refused(files, secrets, said):
    with pytest.raises(HostError, match=said):
        sets.check_names(files, secrets)


def test_set_name_covers_names_contents_secrecy_and_checkers(tmp_path):
    base = request(tmp_path, a="1", b="2")
    others = [
        request(tmp_path, a="1", b="3"),
        request(tmp_path, a="1", c="2"),
        request(tmp_path, a="1"),
        replace(request(tmp_path, a="1"), secrets={"b": b"2"}),
        replace(base, checkers=(("promtool", "2.0"),)),
    ]
    assert sets.set_name(base) == sets.set_name(request(tmp_path / "elsewhere", b="2", a="1"))
    assert len({sets.set_name(each) for each in (base, *others)}) == len(others) + 1


# --- a set becomes current ------------------------------------------------------------------------------------------


def test_first_set(tmp_path):
    path = tmp_path / "etc" / "prometheus"
    plan = put(request(path, prometheus_yml="a\n", rules__cost_yml="b\n"))
    assert current(path) == {"prometheus_yml": "a\n", "rules/cost_yml": "b\n"}
    assert os.readlink(path / "current") == f"sets/{plan.name}"
    assert (plan.previous, plan.applied) == (None, None)
    assert plan.changed_files == ["prometheus_yml", "rules/cost_yml"]
    for item in [path, *path.rglob("*")]:
        if not item.is_symlink():
            assert item.stat().st_mode & 0o777 == (0o750 if item.is_dir() else 0o640), item
    assert json.loads((path / MARKER).read_text())["name"] == "prometheus"


def test_a_strict_umask_keeps_no_service_out(tmp_path):
    before = os.umask(0o077)
    try:
        link = str(tmp_path / "etc" / "wants" / "unit")
        put(replace(request(tmp_path / "srv" / "etc" / "p", a="1"), links={link: "../a"}))
    finally:
        os.umask(before)
    for folder in ("srv", "srv/etc", "etc/wants"):
        assert (tmp_path / folder).stat().st_mode & 0o777 == 0o755


def test_unchanged_host_is_not_written_to(tmp_path):
    path = tmp_path / "prometheus"
    data = sets.Directory(str(tmp_path / "data"), os.geteuid(), os.getegid(), marker=True)
    wanted = replace(
        request(path, a="1"),
        secrets={"token": b"s"},
        directories=(data,),
        links={str(tmp_path / "unit"): str(path / "current" / "a")},
        marker={"id": "x"},
    )
    put(wanted)
    before = snapshot(tmp_path)
    plan = sets.plan(wanted)
    assert (plan.changed, plan.whole, plan.leftovers, plan.diff) == (False, True, False, [])
    assert snapshot(tmp_path) == before


def test_only_differing_files_are_reported_against_the_applied_set(tmp_path):
    path = tmp_path / "p"
    first = put(request(path, a="1", b="1", c="1"))
    sets.point(str(path / "applied"), f"sets/{first.name}")
    put(request(path, a="2", b="1", c="1"))
    plan = sets.plan(request(path, a="2", b="1", d="1"))
    assert plan.changed_files == ["a", "c", "d"]
    assert plan.applied == first.name
    assert {item["after_header"].rsplit("/", 1)[1] for item in plan.diff} == {"c", "d", "current"}


def test_after_an_interrupted_run_both_sets_the_service_may_run_with_count(tmp_path):
    path = tmp_path / "p"
    first = put(request(path, a="1", b="1", c="1"))
    sets.point(str(path / "applied"), f"sets/{first.name}")
    put(request(path, a="2", b="1", c="1"))
    plan = put(request(path, a="1", b="2", c="1"))
    assert plan.changed_files == ["a", "b"]
    assert plan.pending


def test_going_back_to_the_applied_set_is_pending(tmp_path):
    path = tmp_path / "p"
    first = put(request(path, a="1"))
    sets.point(str(path / "applied"), f"sets/{first.name}")
    assert not sets.plan(request(path, a="1")).pending
    put(request(path, a="2"))
    plan = put(request(path, a="1"))
    assert (plan.pending, plan.changed_files) == (True, ["a"])
    assert sets.plan(request(path, a="1")).pending


def test_a_set_that_does_not_work_is_left_for_the_applied_one(tmp_path):
    path = tmp_path / "p"
    first = put(request(path, a="1"))
    sets.note_applied(str(path))
    put(request(path, a="2"))
    sets.revert(str(path))
    assert sets.current_set(str(path)) == first.name
    # Whatever the service was started with meanwhile.
    assert sets.plan(request(path, a="1")).pending
    assert sets.plan(request(path, a="1")).changed_files == ["a"]
    sets.note_applied(str(path))
    assert not sets.plan(request(path, a="1")).pending


def test_kill_at_every_step_of_going_back_leaves_the_way_back(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda fd: None)
    step = 0
    while True:
        step += 1
        path = tmp_path / str(step)
        first = put(request(path, a="1"))
        sets.note_applied(str(path))
        second = put(request(path, a="2"))
        died = die_at(step, lambda path=path: sets.revert(str(path)))
        assert sets.current_set(str(path)) in (first.name, second.name)
        for text in "12":
            plan = sets.plan(request(path, a=text))
            assert plan.pending and plan.applied == first.name
        sets.revert(str(path))
        assert current(path) == {"a": "1"}
        if not died:
            break
    assert step > 3


def test_old_sets_go_but_never_the_current_or_applied_one(tmp_path):
    path = tmp_path / "p"
    first = put(request(path, a="0"))
    sets.point(str(path / "applied"), f"sets/{first.name}")
    names = [put(replace(request(path, a=str(number)), keep=3)).name for number in range(1, 6)]
    assert sorted(os.listdir(path / "sets")) == sorted([first.name, *names[-2:]])


def test_a_set_that_was_gone_back_to_counts_as_new(tmp_path):
    path = tmp_path / "p"
    names = [put(request(path, a=text)).name for text in ("1", "2", "3", "1", "4")]
    assert sorted(os.listdir(path / "sets")) == sorted({names[2], names[3], names[4]})


def test_going_back_to_a_kept_set_reuses_it(tmp_path):
    path = tmp_path / "p"
    first = put(request(path, a="1"))
    inode = (path / "current" / "a").stat().st_ino
    put(request(path, a="2"))
    checked = []
    sets.apply(request(path, a="1"), checked.append)
    assert sets.current_set(str(path)) == first.name
    assert (path / "current" / "a").stat().st_ino == inode
    assert len(checked) == 1


@pytest.mark.parametrize("in_force", [True, False])
@pytest.mark.parametrize(
    "how", ["content", "mode", "missing", "extra", "extra_dir", "dir_for_file", "link_for_file", "file_for_dir"]
)
def test_an_altered_set_is_restored(tmp_path, in_force, how):
    path = tmp_path / "p"
    wanted = request(path, a="1", sub__b="2")
    name = put(wanted).name
    if not in_force:
        put(request(path, other="x"))
    top = path / "sets" / name
    if how == "content":
        (top / "a").write_text("3")
    elif how == "mode":
        (top / "a").chmod(0o666)
    elif how == "missing":
        (top / "sub" / "b").unlink()
    elif how == "extra":
        (top / "sub" / "evil").write_text("x")
    elif how == "extra_dir":
        (top / "evil" / "er").mkdir(parents=True)
    elif how == "file_for_dir":
        (top / "sub" / "b").unlink()
        (top / "sub").rmdir()
        (top / "sub").write_text("x")
    else:
        (top / "a").unlink()
        if how == "dir_for_file":
            (top / "a" / "deep").mkdir(parents=True)
        else:
            (tmp_path / "outside").write_text("1")
            (top / "a").symlink_to(tmp_path / "outside")
    plan = put(wanted)
    assert plan.changed and not plan.whole
    assert plan.diff
    assert current(path) == {"a": "1", "sub/b": "2"}
    assert sets.problems(str(top), wanted) == []
    assert not sets.plan(wanted).changed
    assert not sets.plan(wanted).leftovers


# --- what is refused ------------------------------------------------------------------------------------------------


def test_a_foreign_directory_is_refused(tmp_path):
    path = tmp_path / "prometheus"
    path.mkdir()
    (path / "prometheus.yml").write_text("mine")
    with pytest.raises(HostError, match="not our marker"):
        sets.plan(request(path, a="1"))
    with pytest.raises(HostError, match="not our marker"):
        sets.apply(request(path, a="1"), lambda staged: None)
    assert os.listdir(path) == ["prometheus.yml"]


def test_a_foreign_data_directory_is_refused_before_anything_is_written(tmp_path):
    data = tmp_path / "data"
    (data / "wal").mkdir(parents=True)
    wanted = replace(
        request(tmp_path / "p", a="1"),
        directories=(sets.Directory(str(data), os.geteuid(), os.getegid(), marker=True),),
    )
    before = snapshot(tmp_path)
    with pytest.raises(HostError, match="data holds files of"):
        sets.plan(wanted)
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("name", ["current", "applied"])
def test_links_of_someone_else_among_ours_are_refused(tmp_path, name):
    path = tmp_path / "p"
    put(request(path, a="1"))
    (path / name).unlink(missing_ok=True)
    (path / name).symlink_to("/elsewhere")
    with pytest.raises(HostError, match="not a set of ours"):
        sets.plan(request(path, a="2"))


def test_a_broken_marker_is_refused(tmp_path):
    path = tmp_path / "p"
    path.mkdir()
    (path / MARKER).write_text("{")
    with pytest.raises(HostError, match="is not JSON"):
        sets.plan(request(path, a="1"))


# --- links, directories, marker -------------------------------------------------------------------------------------


def test_links(tmp_path):
    path, system = tmp_path / "p", tmp_path / "system"
    unit, wants = str(system / "p.service"), str(system / "multi-user.target.wants" / "p.service")
    wanted = replace(
        request(path, **{"p.service": "unit"}), links={unit: str(path / "current/p.service"), wants: "../p.service"}
    )
    put(wanted)
    assert Path(wants).read_text() == "unit"
    assert os.readlink(wants) == "../p.service"
    # What "systemctl enable" leaves: a link to the set itself, dangling once that set is gone.
    Path(wants).unlink()
    Path(wants).symlink_to(path / "sets" / "0123456789abcdef" / "p.service")
    put(wanted)
    assert os.readlink(wants) == "../p.service"
    put(replace(wanted, links={unit: None, wants: None}))
    assert not os.path.lexists(unit)
    assert not os.path.lexists(wants)


@pytest.mark.parametrize("kind", ["file", "link", "masked"])
def test_foreign_links_are_refused_before_anything_is_written(tmp_path, kind):
    path, link = tmp_path / "p", tmp_path / "p.service"
    if kind == "file":
        link.write_text("theirs")
    else:
        link.symlink_to("/dev/null" if kind == "masked" else "/usr/lib/systemd/system/p.service")
    wanted = replace(request(path, a="1"), links={str(link): str(path / "current/a")})
    with pytest.raises(HostError, match=r"p\.service"):
        sets.plan(wanted)
    assert not path.exists()
    put(replace(wanted, links={str(link): None}))
    assert os.path.lexists(link)


def test_directories_get_owner_mode_and_marker_and_are_repaired(tmp_path):
    data = tmp_path / "lib" / "loki"
    entries = (
        sets.Directory(str(data), os.geteuid(), os.getegid(), 0o700, marker=True),
        sets.Directory(str(data / "chunks"), os.geteuid(), os.getegid(), 0o750),
    )
    wanted = replace(request(tmp_path / "loki", a="1"), directories=entries)
    put(wanted)
    assert data.stat().st_mode & 0o777 == 0o700
    assert json.loads((data / MARKER).read_text()) == {"collection": "claude_code.observability", "name": "loki"}
    (data / "chunks" / "x").write_text("data")
    (data / "chunks").chmod(0o777)
    (data / MARKER).unlink()
    with pytest.raises(HostError, match="not our marker"):
        sets.plan(wanted)
    (data / "chunks" / "x").unlink()
    (data / "chunks").rmdir()
    put(wanted)
    assert (data / "chunks").stat().st_mode & 0o777 == 0o750
    assert (data / MARKER).exists()


def test_a_link_that_a_service_planted_is_not_followed(tmp_path, monkeypatch):
    victim = tmp_path / "victim"
    victim.mkdir(0o755)
    planted = tmp_path / "chunks"
    planted.symlink_to(victim)
    if os.geteuid() == 0:
        os.chown(planted, 12345, 12345, follow_symlinks=False)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: 12345)
    wanted = replace(request(tmp_path / "p", a="1"), directories=(sets.Directory(str(planted), 12345, 12345),))
    with pytest.raises(HostError, match="is a link made by"):
        sets.plan(wanted)
    with pytest.raises(HostError, match="is a link made by"):
        sets.apply(wanted, lambda staged: None)
    assert not (tmp_path / "p").exists()


def test_marker_keeps_what_it_first_said(tmp_path):
    wanted = request(tmp_path / "p", a="1")
    put(replace(wanted, marker={"id": "first"}))
    plan = put(replace(wanted, marker={"id": "second", "more": 1}))
    assert plan.changed
    assert (plan.marker["id"], plan.marker["more"]) == ("first", 1)
    assert json.loads((tmp_path / "p" / MARKER).read_text()) == plan.marker


# --- secrets --------------------------------------------------------------------------------------------------------


def test_secrets_never_stand_in_a_diff(tmp_path):
    path = tmp_path / "p"
    plans = [
        put(replace(request(path, a="1"), secrets={"token": b"hunter2", "old": b"hunter3"})),
        put(replace(request(path, a="1"), secrets={"token": b"hunter4"})),
        put(request(path, a="1", token="public")),
        put(request(path, a="1")),
    ]
    assert "hunter" not in json.dumps([plan.diff for plan in plans])
    shown = [{i["after_header"].rsplit("/", 1)[1]: (i["before"], i["after"]) for i in plan.diff} for plan in plans]
    assert shown[0]["token"] == ("", "(secret)\n")
    assert shown[1]["token"] == ("(secret)\n", "(changed secret)\n")
    assert shown[1]["old"] == ("(secret)\n", "")
    assert shown[2]["token"] == ("(secret)\n", "(changed secret)\n")
    assert shown[3]["token"] == ("public", "")


@pytest.mark.parametrize("step", ["write_new", "_install", "point"])
def test_an_error_on_the_way_leaves_what_the_next_run_needs(tmp_path, monkeypatch, step):
    path = tmp_path / "etc" / "p"
    wanted = request(path, a="1", sub__b="2")

    def full(*args):
        raise OSError("no space left")

    with monkeypatch.context() as broken:
        broken.setattr(sets, step, full)
        with pytest.raises(OSError, match="no space left"):
            sets.apply(wanted, lambda staged: None)
    assert path.exists() == (step != "write_new")
    put(wanted)
    assert current(path) == {"a": "1", "sub/b": "2"}
    assert not sets.plan(wanted).leftovers


# --- kill -9 --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("start", ["fresh", "update", "altered", "back"])
def test_kill_at_every_step_leaves_one_whole_set(tmp_path, monkeypatch, start):
    monkeypatch.setattr(os, "fsync", lambda fd: None)  # matters for power cuts only, and takes most of the time
    old, new = {"a": "1", "sub/b": "1"}, {"a": "2", "sub/c": "2"}
    step = 0
    while True:
        step += 1
        home = tmp_path / str(step)
        path, unit = home / "etc" / "p", home / "system" / "p.service"
        wanted = replace(
            request(path, a="2", sub__c="2"),
            directories=(sets.Directory(str(home / "data"), os.geteuid(), os.getegid(), marker=True),),
            links={str(unit): str(path / "current" / "a")},
            keep=1,
        )
        if start == "update":
            put(replace(wanted, files={name: text.encode() for name, text in old.items()}))
        elif start == "altered":
            put(wanted)
            (path / "current" / "a").chmod(0o666)
        elif start == "back":
            sets.point(str(path / "applied"), f"sets/{put(wanted).name}")
            put(replace(wanted, files={name: text.encode() for name, text in old.items()}))
        died = die_at(step, lambda wanted=wanted: sets.apply(wanted, lambda staged: None))
        if start == "fresh":
            assert not os.path.lexists(path / "current") or current(path) == new
        elif start in ("update", "back"):
            assert current(path) in (old, new)
        else:
            assert current(path) == new
        # The service may have been restarted with the other set meanwhile.
        assert sets.plan(wanted).pending
        if unit.exists():
            assert unit.read_text() in "12"
        # No half set stands under a set's name, where a later run might go back to it.
        if start != "altered" and os.path.isdir(path / "sets"):
            for name in os.listdir(path / "sets"):
                files, _secrets = sets.read_set(str(path / "sets" / name))
                assert name.startswith(sets.STAGE) or {n: text.decode() for n, text in files.items()} in (old, new)
        # The next run finishes the work and leaves no trace of the killed one.
        put(wanted)
        assert current(path) == new
        plan = sets.plan(wanted)
        assert not plan.changed and not plan.leftovers
        applied = ["applied"] if start == "back" else []
        left = {item.name for item in path.iterdir()} - {sets.RESTART_DUE}
        assert sorted(left) == [MARKER, *applied, "current", "sets"]
        if not died:
            break
    assert step > 20


def test_two_runs_take_turns(tmp_path):
    path = tmp_path / "p"
    put(request(path, a="1"))
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        os.read(read_end, 1)
        sets.apply(request(path, a="2"), lambda staged: None)
        os._exit(0)
    with sets.locked(str(path)):
        os.write(write_end, b"x")
        during = current(path)
    os.waitpid(child, 0)
    os.close(read_end)
    os.close(write_end)
    assert during == {"a": "1"}
    assert current(path) == {"a": "2"}


def test_a_run_that_waits_too_long_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(sets, "LOCK_SECONDS", 0)
    with sets.locked(str(tmp_path)), pytest.raises(HostError, match="another run"), sets.locked(str(tmp_path)):
        pass
