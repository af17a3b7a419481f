# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import itertools
import os
import re
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.claude_code.observability.plugins.module_utils import _settings_file as files
from ansible_collections.claude_code.observability.plugins.module_utils._safe_files import MAX_BYTES
from ansible_collections.claude_code.observability.plugins.module_utils._settings_plan import Wanted

from tests.tools.killed import killed_at

NOTHING = Wanted()
ONE = Wanted({"A": "1", "B": "2"})
TWO = Wanted({"A": "3", "C": "4"}, {"developer": "alice"})
SCRIPT = Wanted({"A": "3"}, headers={"Authorization": "Bearer t"})
FORMER = b'{"env": {"B": "user"}, "model": "opus"}\n'
LONG_AGO = 1_000_000_000


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "LOCK_WAIT", 0.0)
    monkeypatch.setattr(time, "sleep", lambda seconds: None)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / ".claude"


def put(home: Path, data: bytes, mode: int = 0o644) -> Path:
    home.mkdir(exist_ok=True)
    path = home / "settings.json"
    path.write_bytes(data)
    path.chmod(mode)
    return path


def update(home: Path, wanted: Wanted, **options: Any) -> files.Outcome:
    return files.update(str(home), wanted, **options)


def content(home: Path) -> bytes | None:
    """The settings, wherever the home is."""
    path = home / "settings.json"
    return path.read_bytes().replace(str(home).encode(), b"HOME") if path.exists() else None


def names(home: Path) -> list[str]:
    return sorted(os.listdir(home)) if home.exists() else []


def written(path: Path) -> tuple[int, int]:
    """What a write changes, but no read."""
    return path.stat().st_ino, path.stat().st_ctime_ns


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_new_files_are_private(home: Path) -> None:
    assert update(home, ONE).changed
    assert names(home) == [files.RECORD_NAME, "settings.json"]
    assert mode(home) == 0o700
    assert [mode(home / name) for name in names(home)] == [0o600, 0o600]
    update(home, NOTHING)
    assert not home.exists()


@pytest.mark.parametrize("kept", [0o600, 0o644, 0o640, 0o664])
def test_mode_is_kept(home: Path, kept: int) -> None:
    path = put(home, FORMER, kept)
    update(home, ONE)
    assert mode(path) == kept
    update(home, NOTHING)
    assert (mode(path), content(home), names(home)) == (kept, FORMER, ["settings.json"])


def test_nothing_to_do_touches_nothing(home: Path) -> None:
    put(home, FORMER)
    update(home, ONE)
    seen = [written(path) for path in (home, *home.iterdir())]
    assert not update(home, ONE).changed
    assert seen == [written(path) for path in (home, *home.iterdir())]


def test_a_link_is_followed_and_kept(home: Path, tmp_path: Path) -> None:
    target = tmp_path / "dotfiles" / "claude.json"
    target.parent.mkdir()
    target.write_bytes(FORMER)
    home.mkdir()
    (home / "settings.json").symlink_to("../dotfiles/claude.json")
    update(home, ONE, backup=True)
    assert os.readlink(home / "settings.json") == "../dotfiles/claude.json"
    assert os.listdir(target.parent) == ["claude.json"]
    assert target.read_bytes() != FORMER
    update(home, NOTHING)
    assert target.read_bytes() == FORMER
    assert (home / "settings.json").is_symlink()


def test_a_dangling_link_is_filled_and_emptied(home: Path, tmp_path: Path) -> None:
    home.mkdir()
    (home / "settings.json").symlink_to(tmp_path / "later.json")
    update(home, ONE)
    assert (tmp_path / "later.json").exists()
    update(home, NOTHING)
    assert not (tmp_path / "later.json").exists()
    assert names(home) == ["settings.json"]


def make_fifo(path: Path) -> None:
    os.mkfifo(path)


def make_directory(path: Path) -> None:
    path.mkdir()


def make_loop(path: Path) -> None:
    path.symlink_to(path)


def make_huge(path: Path) -> None:
    with path.open("wb") as stream:
        stream.truncate(MAX_BYTES + 1)


@pytest.mark.parametrize("make", [make_fifo, make_directory, make_loop, make_huge])
@pytest.mark.parametrize("name", ["settings.json", files.RECORD_NAME])
def test_what_is_no_ordinary_file_is_refused(home: Path, make: Callable[[Path], None], name: str) -> None:
    home.mkdir()
    make(home / name)
    with pytest.raises(files.FileError, match=re.escape(str(home / name))):
        update(home, ONE)
    assert names(home) == [name]


def test_others_files_in_a_directory_of_ours_are_kept(home: Path) -> None:
    update(home, ONE)
    (home / "history.jsonl").touch()
    update(home, NOTHING)
    assert names(home) == ["history.jsonl"]


def test_the_newest_backups_are_kept_across_a_second(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = itertools.count(1_800_000_000 * 10**9 - 3)
    monkeypatch.setattr(time, "time_ns", lambda: next(clock))
    for number in range(6):
        put(home, f'{{"n": {number}}}'.encode())
        update(home, ONE, backup=True)
    kept = [path.read_bytes() for path in sorted(home.glob("*.bak"))]
    assert kept == [f'{{"n": {number}}}'.encode() for number in (3, 4, 5)]


def test_backups_are_private_and_pruned(home: Path) -> None:
    for number in range(6):
        put(home, f'{{"n": {number}}}'.encode())
        backup = Path(update(home, ONE, backup=True).backup_file)
        assert (backup.read_bytes(), mode(backup)) == (f'{{"n": {number}}}'.encode(), 0o600)
    kept = sorted(home.glob("settings.json.*.bak"))
    assert [path.read_bytes() for path in kept] == [b'{"n": 3}', b'{"n": 4}', b'{"n": 5}']
    update(home, NOTHING)
    assert content(home) == b'{"n": 5}'
    assert sorted(home.glob("settings.json.*.bak")) == kept[:2]


def test_a_fresh_lock_of_somebody_else_is_left_to_them(home: Path) -> None:
    put(home, FORMER)
    (home / "settings.json.lock").mkdir()
    assert update(home, ONE).changed
    assert "settings.json.lock" in names(home)


def test_a_stale_lock_and_old_leavings_go(home: Path) -> None:
    put(home, FORMER)
    lock = home / "settings.json.lock"
    lock.mkdir()
    left = [home / "settings.json.tmp.77.0a1b", home / f"{files.RECORD_NAME}.tmp.77.0a1b"]
    other = home / "settings.json.tmp.mine"
    for path in (*left, other):
        path.touch()
    fresh = home / "settings.json.tmp.78.0a1b"
    fresh.touch()
    for path in (lock, *left, other):
        os.utime(path, (LONG_AGO, LONG_AGO))
    update(home, ONE)
    assert names(home) == [files.RECORD_NAME, "settings.json", fresh.name, other.name]


def test_the_lock_is_held_while_writing(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = put(home, FORMER)
    seen = []
    rename = os.rename

    def spy(source: str, target: str) -> None:
        seen.append((re.sub(r"\d+\.[0-9a-f]{12}$", "N", source), target, (home / "settings.json.lock").is_dir()))
        rename(source, target)

    monkeypatch.setattr(os, "rename", spy)
    update(home, ONE)
    record = str(home / files.RECORD_NAME)
    assert seen == [(f"{record}.tmp.N", record, True), (f"{path}.tmp.N", str(path), True)]
    assert names(home) == [files.RECORD_NAME, "settings.json"]


def test_a_write_that_comes_between_is_not_lost(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = put(home, b'{"n": 0}')
    writes = iter([b'{"n": 10}', b'{"n": 200}'])
    fsync = os.fsync

    def meddle(handle: int) -> None:
        fsync(handle)
        target = os.readlink(f"/proc/self/fd/{handle}") if os.path.exists("/proc/self/fd") else ""
        if os.path.basename(target).startswith("settings.json.tmp."):
            path.write_bytes(next(writes, path.read_bytes()))

    monkeypatch.setattr(os, "fsync", meddle)
    monkeypatch.setattr(files, "_TRIES", 3)
    with pytest.raises(files.FileError, match="somebody else keeps writing"):
        update(home, ONE)
    assert content(home) == b'{"n": 200}'
    monkeypatch.setattr(os, "fsync", fsync)
    update(home, ONE)
    assert content(home) == b'{"n": 200, "env": {"A": "1", "B": "2"}}'
    update(home, NOTHING)
    assert content(home) == b'{"n": 200}'


def test_a_full_disk_leaves_the_old_file_and_no_litter(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(home, FORMER)

    def full(handle: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(files.FileError, match="No space left on device"):
        update(home, ONE)
    assert (content(home), names(home)) == (FORMER, ["settings.json"])


def make_leavings_old(home: Path) -> None:
    for path in home.glob("*.lock"):
        os.utime(path, (LONG_AGO, LONG_AGO))
    for path in [*home.glob("*.tmp.*"), *home.glob(".*.tmp.*")]:
        os.utime(path, (LONG_AGO, LONG_AGO))


def nothing_before(home: Path) -> None:
    """No directory, no file."""


def a_file_before(home: Path) -> None:
    put(home, FORMER)


def ours_before(home: Path) -> None:
    put(home, FORMER)
    update(home, ONE)


def only_ours_before(home: Path) -> None:
    update(home, ONE)


def ours_and_a_foreign_write_before(home: Path) -> None:
    ours_before(home)
    path = home / "settings.json"
    path.write_bytes(path.read_bytes().replace(b"opus", b"sonnet"))


@pytest.mark.parametrize("wanted", [TWO, SCRIPT, NOTHING], ids=["present", "script", "absent"])
@pytest.mark.parametrize(
    "prepare", [nothing_before, a_file_before, ours_before, only_ours_before, ours_and_a_foreign_write_before]
)
def test_killed_at_any_step(tmp_path: Path, prepare: Callable[[Path], None], wanted: Wanted) -> None:
    whole = tmp_path / "whole"
    prepare(whole)
    old = content(whole)
    update(whole, wanted, backup=True)
    new = content(whole)
    update(whole, NOTHING)
    former = content(whole)
    for step in itertools.count():
        home = tmp_path / f"killed-{step}"
        prepare(home)
        killed = killed_at(step, lambda: update(home, wanted, backup=True))  # noqa: B023 called before the next round
        assert content(home) in (old, new)
        if not killed:
            assert content(home) == new
            break
        make_leavings_old(home)
        update(home, wanted)
        assert content(home) == new
        assert not update(home, wanted).changed
        update(home, NOTHING)
        assert content(home) == former
        assert not (home / files.RECORD_NAME).exists()
        assert not (home / files.SCRIPT_NAME).exists()
    assert step > 10 or (old == new and step < 5)


def test_a_directory_of_somebody_else_is_left_without_a_trace(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = put(home, FORMER)
    owner = home.stat().st_uid
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    for check in (True, False):
        with pytest.raises(files.FileError, match=rf"{re.escape(str(home))}: belongs to uid"):
            update(home, ONE, backup=True, check=check)
    assert names(home) == ["settings.json"]
    assert path.read_bytes() == FORMER
