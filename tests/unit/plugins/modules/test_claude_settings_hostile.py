# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Root edits the settings of a user who lays traps: nothing changes that the user could not change, nothing hangs."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.claude_code.observability.plugins.module_utils import _settings_file
from ansible_collections.claude_code.observability.plugins.modules import claude_settings

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="takes root: only root acts for others")

MALLORY, VICTIM = 54321, 54322
RECORD = _settings_file.RECORD_NAME
BACKUP = "settings.json.20260101T000000Z.000000000.bak"
OWN = '{"env": {"MINE": "1"}}'


@dataclass
class Machine:
    """The homes of both, and a directory of root's, below `top`."""

    top: Path

    @property
    def home(self) -> Path:
        return self.top / "mallory"

    @property
    def victim(self) -> Path:
        return self.top / "victim" / ".claude"

    def others(self) -> dict[str, Any]:
        """All that is not mallory's, by what would show a change."""
        found = {}
        for path in sorted(self.top.rglob("*")):
            if self.home not in (path, *path.parents):
                seen = path.lstat()
                content = path.read_bytes() if path.is_file() else b""
                found[str(path)] = (seen.st_ino, seen.st_uid, seen.st_mode, seen.st_mtime_ns, content)
        return found

    def make_own(self, path: Path) -> None:
        """Gives mallory what a trap put there."""
        for place in (path, *path.parents):
            if place == self.top:
                break
            os.chown(place, MALLORY, MALLORY, follow_symlinks=False)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    top = Path(tempfile.mkdtemp())
    top.chmod(0o755)
    machine = Machine(top)
    for home, uid in ((machine.home, MALLORY), (machine.victim.parent, VICTIM)):
        home.mkdir(mode=0o755)
        (home / ".claude").mkdir(mode=0o755)
        for place in (home, home / ".claude"):
            os.chown(place, uid, uid)
    for path, uid, mode in (
        (machine.victim / "settings.json", VICTIM, 0o644),
        (machine.victim / "private.json", VICTIM, 0o600),
        (top / "root.json", 0, 0o644),
        # Anybody may write it, yet not put another file in its place.
        (top / "open.json", 0, 0o666),
    ):
        path.write_text('{"env": {"THEIRS": "1"}}')
        os.chown(path, uid, uid)
        path.chmod(mode)
    user = claude_settings.User("mallory", MALLORY, MALLORY, str(machine.home))
    monkeypatch.setattr(claude_settings, "named_user", lambda name: user)
    monkeypatch.setattr(_settings_file, "LOCK_WAIT", 0.0)
    yield machine
    shutil.rmtree(top)


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Callable[..., dict[str, Any]]:
    def run(**options: Any) -> dict[str, Any]:
        with patch_module_args({"users": ["mallory"], "backup": True, **options}), pytest.raises(SystemExit):
            claude_settings.main()
        return json.loads(capsys.readouterr().out)["users"][0]

    return run


def fifo(path: Path, machine: Machine) -> None:
    os.mkfifo(path)


def directory(path: Path, machine: Machine) -> None:
    path.mkdir()


def loop(path: Path, machine: Machine) -> None:
    path.symlink_to(path)


def link(target: str) -> Callable[[Path, Machine], None]:
    """A link to a place on the machine, or to an absolute path."""

    def make(path: Path, machine: Machine) -> None:
        path.symlink_to(machine.top / target)

    return make


TRAPS = {
    "victims-file": link("victim/.claude/settings.json"),
    "victims-private-file": link("victim/.claude/private.json"),
    "roots-file": link("root.json"),
    "file-open-to-all": link("open.json"),
    "dangling-at-victims": link("victim/.claude/new.json"),
    "dangling-at-roots": link("new.json"),
    "nowhere": link("nowhere/new.json"),
    "zero": link("/dev/zero"),
    "null": link("/dev/null"),
    "terminal": link("/dev/tty"),
    "fifo": fifo,
    "directory": directory,
    "victims-directory": link("victim/.claude"),
    "loop": loop,
}


@pytest.mark.parametrize("trap", TRAPS)
@pytest.mark.parametrize("name", ["settings.json", RECORD])
def test_a_trap_for_a_file_is_refused_by_its_name(machine: Machine, call: Any, name: str, trap: str) -> None:
    path = machine.home / ".claude" / name
    TRAPS[trap](path, machine)
    machine.make_own(path)
    before, own = machine.others(), os.listdir(path.parent)
    if (name, trap) in ((RECORD, "dangling-at-victims"), (RECORD, "dangling-at-roots"), (RECORD, "nowhere")):
        # No record is there, and ours takes the link's place.
        assert not call(env={"A": "1"})["failed"]
        assert path.is_file() and not path.is_symlink()
    else:
        result = call(env={"A": "1"})
        assert result["failed"] and "ended with status" not in result["msg"]
        # A file that may be read is refused when it comes to writing beside it.
        assert str(path) in result["msg"] or str(machine.top) in result["msg"]
        assert os.listdir(path.parent) == own
    assert machine.others() == before


@pytest.mark.parametrize("trap", [name for name in TRAPS if name != "directory"])
def test_a_trap_for_the_directory_is_refused(machine: Machine, call: Any, trap: str) -> None:
    path = machine.home / ".claude"
    path.rmdir()
    TRAPS[trap](path, machine)
    machine.make_own(path)
    before = machine.others()
    for check in (True, False):
        result = call(env={"A": "1"}, _ansible_check_mode=check)
        assert result["failed"] and str(path) in result["msg"] and "ended with status" not in result["msg"]
    assert machine.others() == before


@pytest.mark.parametrize("trap", TRAPS)
@pytest.mark.parametrize("name", ["settings.json.lock", "settings.json.tmp.1.0a", BACKUP])
def test_names_that_we_use_beside_the_file(machine: Machine, call: Any, name: str, trap: str) -> None:
    settings = machine.home / ".claude" / "settings.json"
    settings.write_text(OWN)
    path = settings.parent / name
    TRAPS[trap](path, machine)
    for place in (settings, path):
        machine.make_own(place)
        os.utime(place, (1, 1), follow_symlinks=False)
    before = machine.others()
    for step in range(4):
        assert not call(env={"A": str(step)})["failed"]
    assert json.loads(settings.read_text())["env"] == {"MINE": "1", "A": "3"}
    assert not call(state="absent")["failed"]
    assert settings.read_text() == OWN
    assert machine.others() == before


@contextlib.contextmanager
def swapping(machine: Machine, swaps: list[tuple[Path, str]]) -> Iterator[None]:
    """Mallory's process, which puts links and own files in each other's place as fast as it can."""
    child = os.fork()
    if child == 0:
        try:
            os.setgid(MALLORY)
            os.setuid(MALLORY)
            while True:
                for path, target in swaps:
                    spare = f"{path}.spare"
                    with contextlib.suppress(OSError):
                        os.symlink(target, spare)
                        os.rename(spare, path)
                    with contextlib.suppress(OSError):
                        Path(spare).write_text(OWN)
                        os.rename(spare, path)
        finally:
            os._exit(0)
    yield
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def test_files_swapped_while_we_work(machine: Machine, call: Any) -> None:
    folder = machine.home / ".claude"
    swaps = [
        (folder / name, str(target))
        for name in ("settings.json", RECORD)
        for target in (machine.victim / "settings.json", machine.victim / "new.json", machine.top / "open.json")
    ]
    before = machine.others()
    with swapping(machine, swaps):
        for step in range(60):
            call(env={"A": str(step)})
    assert machine.others() == before


def test_the_directory_swapped_while_we_work(machine: Machine, call: Any) -> None:
    folder = machine.home / ".claude"
    aside = machine.home / "aside"
    child = os.fork()
    if child == 0:
        os.setgid(MALLORY)
        os.setuid(MALLORY)
        while True:
            for step in (
                lambda: os.rename(folder, aside),
                lambda: os.symlink(machine.victim, folder),
                lambda: os.unlink(folder),
                lambda: os.rename(aside, folder),
            ):
                with contextlib.suppress(OSError):
                    step()
    before = machine.others()
    try:
        for step in range(60):
            call(env={"A": str(step)})
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    assert machine.others() == before
