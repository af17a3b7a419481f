# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A backup of a directory that a program is writing to, and its way into the place of other data."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import os
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.claude_code.observability.plugins.module_utils import _restore
from ansible_collections.claude_code.observability.plugins.module_utils._backup import back_up, data_bytes
from ansible_collections.claude_code.observability.plugins.module_utils._data_dir import DataError, only_one
from ansible_collections.claude_code.observability.plugins.module_utils._restore import finish, stage, switch, undo

LINKED = ["blocks/*"]
FILES = {"blocks/a/chunks": "c" * 5000, "blocks/a/index": "i", "state.db": "s", "empty": ""}


def fill(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def content(folder: Path) -> dict[str, str]:
    """What a component would find: every file but those that are ours."""
    names = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in names
        if not str(path.relative_to(folder)).startswith(".")
    }


@pytest.fixture
def top() -> Iterator[Path]:
    """A folder that other users reach."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture
def data(top: Path) -> Path:
    folder = fill(top / "data", FILES)
    (folder / ".claude_code.observability.json").write_text("{}")
    (folder / "blocks" / "nothing").mkdir()
    return folder


@pytest.fixture
def other(top: Path) -> Path:
    folder = fill(top / "other", {"state.db": "other", "wal/1": "w"})
    (folder / ".claude_code.observability.json").write_text('{"component": "other"}')
    return folder


def archived(data: Path, pause: tuple[str, ...] = (), resume: tuple[str, ...] = ()) -> tuple[str, dict]:
    dest = str(data.parent / f"{time.monotonic_ns()}.tar.gz")
    return dest, back_up(str(data), dest, LINKED, pause, resume)


def staged(data: Path, other: Path) -> None:
    archive, told = archived(data)
    stage(str(other), archive, told["sha256"], told["data_bytes"])


def test_a_backup_tells_what_it_holds(data):
    archive, told = archived(data)
    bytes_there = Path(archive).read_bytes()
    assert told == {
        "sha256": hashlib.sha256(bytes_there).hexdigest(),
        "archive_bytes": len(bytes_there),
        "data_bytes": 5002,
        "files": 4,
        "paused_seconds": 0.0,
    }
    assert data_bytes(str(data)) == 5002
    assert os.stat(archive).st_mode & 0o777 == 0o600
    with tarfile.open(archive) as tar:
        assert sorted(tar.getnames()) == [
            "blocks",
            "blocks/a",
            "blocks/a/chunks",
            "blocks/a/index",
            "blocks/nothing",
            "empty",
            "state.db",
        ]
    assert not (data / ".backup").exists()


def test_restored_data_is_that_of_the_moment(data, other):
    (data / "state.db").chmod(0o600)
    os.utime(data / "blocks/a/index", (1_700_000_000, 1_700_000_000))
    staged(data, other)
    assert content(other) == {"state.db": "other", "wal/1": "w"}
    switch(str(other))
    assert content(other) == FILES
    assert (other / "blocks" / "nothing").is_dir()
    assert (other / "state.db").stat().st_mode & 0o777 == 0o600
    assert (other / "blocks/a/index").stat().st_mtime == 1_700_000_000
    assert (other / ".claude_code.observability.json").read_text() == '{"component": "other"}'
    finish(str(other))
    assert sorted(os.listdir(other)) == [".claude_code.observability.json", "blocks", "empty", "state.db"]


def test_what_is_written_after_the_moment_is_not_in_it(data, other):
    """The program goes on before the archive is made: what is copied stays, what is linked may have grown."""
    resume = f"printf more >>{data}/blocks/a/chunks; printf changed >{data}/state.db"
    archive, told = archived(data, pause=("true",), resume=("sh", "-c", resume))
    assert (data / "state.db").read_text() == "changed"
    stage(str(other), archive, told["sha256"], told["data_bytes"])
    switch(str(other))
    assert content(other) == FILES


def test_the_program_goes_on_when_the_backup_is_killed(data, tmp_path):
    """A sleep stands still; the backup dies by kill -9 in the middle of the snapshot."""
    program = subprocess.Popen(["sleep", "600"])
    state = Path(f"/proc/{program.pid}/stat")
    script = (
        "import os, sys, time\n"
        "from ansible_collections.claude_code.observability.plugins.module_utils._backup import paused\n"
        f"with paused(['kill', '-STOP', '{program.pid}'], ['kill', '-CONT', '{program.pid}']):\n"
        "    print('paused', flush=True)\n"
        "    time.sleep(600)\n"
    )
    root = str(Path(__file__).parents[4] / ".collections")
    environment = {**os.environ, "PYTHONPATH": root}
    backup = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, env=environment)
    try:
        assert backup.stdout and backup.stdout.readline() == b"paused\n"
        wait_for(lambda: state.read_text().split()[2] == "T")
        backup.send_signal(signal.SIGKILL)
        backup.wait()
        wait_for(lambda: state.read_text().split()[2] == "S")
    finally:
        backup.kill()
        program.kill()
        program.wait()


def wait_for(condition) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_failed_backup_leaves_nothing_and_resumes(data, tmp_path):
    (data / "blocks" / "link").symlink_to("/etc/passwd")
    with pytest.raises(DataError, match=r"blocks/link is a link"):
        archived(data, pause=("true",), resume=("touch", str(tmp_path / "resumed")))
    assert (tmp_path / "resumed").exists()
    assert not (data / ".backup").exists()


def test_what_cannot_be_paused_or_resumed_is_told(data):
    with pytest.raises(DataError, match="cannot be paused: false"):
        archived(data, pause=("false",), resume=("true",))
    with pytest.raises(DataError, match="cannot be paused: no-such-program"):
        archived(data, pause=("no-such-program",), resume=("true",))
    with pytest.raises(DataError, match="still paused, end it by hand: false"):
        archived(data, pause=("true",), resume=("false",))


def test_two_at_once_are_refused(data):
    with only_one(str(data)), pytest.raises(DataError, match="another backup or restore is at work"):
        archived(data)
    with pytest.raises(DataError, match="there is no data directory"):
        back_up(str(data / "missing"), str(data.parent / "x"), [], [], [])


def test_undo_brings_the_former_data_back(data, other):
    before = content(other)
    staged(data, other)
    switch(str(other))
    undo(str(other))
    assert content(other) == before
    assert sorted(os.listdir(other)) == [".claude_code.observability.json", "state.db", "wal"]


@pytest.mark.parametrize("steps", range(10))
def test_a_switch_killed_anywhere_is_undone(data, other, monkeypatch, steps):
    """Killed at each rename, of the switch and then of the undo itself."""
    before = content(other)
    staged(data, other)
    rename, left = os.rename, [steps]

    def dying(source, target):
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        rename(source, target)

    for work in (switch, undo):
        left[0] = steps
        monkeypatch.setattr(_restore.os, "rename", dying)
        with contextlib.suppress(KeyboardInterrupt):
            work(str(other))
    monkeypatch.setattr(_restore.os, "rename", rename)
    undo(str(other))
    assert content(other) == before
    staged(data, other)
    switch(str(other))
    assert content(other) == FILES


def test_another_archive_than_the_one_backed_up_changes_nothing(data, other):
    before = content(other)
    archive, told = archived(data)
    with open(archive, "ab") as out:
        out.write(b"x")
    with pytest.raises(DataError, match=r"the SHA-256 of .* but the backup says .*: nothing was changed"):
        stage(str(other), archive, told["sha256"], told["data_bytes"])
    with pytest.raises(DataError, match=r"nothing is staged"):
        switch(str(other))
    assert content(other) == before


def test_without_room_nothing_is_unpacked(data, other):
    archive, told = archived(data)
    with pytest.raises(DataError, match="free"):
        stage(str(other), archive, told["sha256"], 1 << 60)
    assert sorted(os.listdir(other)) == [".claude_code.observability.json", "state.db", "wal"]


@pytest.mark.parametrize("name", ["/etc/x", "../x", "a/../../x", "./x", "a//x"])
def test_paths_that_lead_out_are_refused(other, tmp_path, name):
    archive = tmp_path / "evil.tar.gz"
    with gzip.open(archive, "wb") as packed, tarfile.open(fileobj=packed, mode="w|") as tar:
        info = tarfile.TarInfo(name)
        info.size = 1
        tar.addfile(info, io.BytesIO(b"x"))
    sha256 = hashlib.sha256(archive.read_bytes()).hexdigest()
    with pytest.raises(DataError, match="not of a backup: nothing was changed"):
        stage(str(other), str(archive), sha256, 1)
    assert not (tmp_path / "x").exists()


# CI is root.
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")
def test_root_acts_as_the_owner_of_the_data(data, other):
    """Files come back as the owner's of where they are restored, and nothing is written through a link to root's."""
    for path in [data, *data.rglob("*")]:
        os.chown(path, 54321, 54321)
    for path in [other, *other.rglob("*")]:
        os.chown(path, 54322, 54322)
    staged(data, other)
    switch(str(other))
    assert {path.stat().st_uid for path in other.rglob("*")} == {54322}
    assert os.geteuid() == 0
    secret = data.parent / "roots"
    secret.write_text("root's")
    secret.chmod(0o600)
    os.link(secret, data / "stolen")
    with pytest.raises(PermissionError):
        archived(data)
