# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What starts Prometheus is its process for everybody else: signals, exit codes, room on the disk."""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

STARTER = Path(__file__).parents[3] / "roles" / "prometheus" / "files" / "run-while-there-is-room.sh"
# Writes what happens to it into the file "said".
PROGRAM = 'trap "echo reloaded >>said" HUP; echo "started $*" >>said; while :; do sleep 0.1; done'
# As df says it of a disk whose free blocks are in a file.
DF = '#!/bin/sh\nfree=$(cat "{0}/free")\necho Head\necho /dev/sda 1000 $((1000 - free)) $free 50% /data\n'
SHELLS = [shell for shell in (["/bin/sh"], ["busybox", "sh"]) if shutil.which(shell[0])]


def until(ready: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not ready():
        assert time.monotonic() < end
        time.sleep(0.05)


def has(folder: Path, free: int) -> None:
    """Thousandths of the disk."""
    (folder / "new").write_text(str(free))
    (folder / "new").replace(folder / "free")


class Started:
    def __init__(self, shell: list[str], folder: Path, program: str = PROGRAM, least: int = 5) -> None:
        self.folder, self.said = folder, folder / "said"
        self.said.touch()
        if not (folder / "free").exists():
            has(folder, 500)
        (folder / "keep-unwritten-samples.sh").write_text(f"echo marked $1 >>{self.said}\n")
        starter = shutil.copy(STARTER, folder)
        # busybox takes its own df unless its path says otherwise.
        df = folder / "df"
        df.write_text(DF.format(folder))
        df.chmod(0o755)
        text = Path(starter).read_text(encoding="utf-8").replace("$(df ", f"$({df} ")
        Path(starter).write_text(text, encoding="utf-8")
        arguments = [str(least), str(folder), str(folder / "reports"), "/bin/sh", "-c", program, "program", "a b"]
        # A shell cannot trap what nohup, or whatever else runs the tests, has ignored.
        before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
        self.process = subprocess.Popen(
            [*shell, starter, *arguments], cwd=folder, stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        signal.signal(signal.SIGHUP, before)

    def has_said(self, *lines: str) -> bool:
        return self.said.read_text().splitlines() == [f"marked {self.folder}", "started a b", *lines]

    def report(self) -> dict[str, str]:
        return dict(line.split() for line in (self.folder / "reports" / "disk.txt").read_text().splitlines())

    def end(self) -> tuple[int, str]:
        self.process.send_signal(signal.SIGTERM)
        error = self.process.communicate(timeout=60)[1]
        return self.process.returncode, error


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell[0])
def test_signals_reach_the_program(tmp_path: Path, shell: list[str]) -> None:
    started = Started(shell, tmp_path)
    until(started.has_said)
    for times in (1, 2):
        started.process.send_signal(signal.SIGHUP)
        until(lambda times=times: started.has_said(*["reloaded"] * times))
    until((tmp_path / "reports" / "disk.txt").exists)
    until(lambda: len(started.report()) == 3)
    assert started.report() == {
        "disk_free_bytes": "512000",
        "disk_size_bytes": "1024000",
        "disk_min_free_ratio": "0.05",
    }
    assert started.end()[0] == 0
    # Nothing of it is left.
    until(
        lambda: subprocess.run(["pgrep", "--session", str(started.process.pid)], stdout=subprocess.PIPE).returncode == 1
    )


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell[0])
@pytest.mark.parametrize(("program", "code"), [("exit 3", 3), ("exit 0", 0), ("kill -9 $$", 137)])
def test_it_ends_as_the_program_does(tmp_path: Path, shell: list[str], program: str, code: int) -> None:
    assert Started(shell, tmp_path, program).process.wait(60) == code


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell[0])
def test_it_runs_only_while_there_is_room(tmp_path: Path, shell: list[str]) -> None:
    started = Started(shell, tmp_path)
    until(started.has_said)
    again = (f"marked {tmp_path}", "started a b")
    has(tmp_path, 49)
    time.sleep(5)
    started.process.send_signal(signal.SIGHUP)
    assert started.has_said() and started.process.poll() is None
    has(tmp_path, 59)
    time.sleep(3)
    assert started.has_said(), "it starts again with what stopped it"
    (tmp_path / "free").write_text("no number")
    time.sleep(3)
    assert started.has_said(), "it starts again, knowing nothing of the disk"
    has(tmp_path, 60)
    until(lambda: started.has_said(*again))
    code, error = started.end()
    assert code == 0
    assert "less than 5 % of the disk" in error and "until 6 % of the disk" in error and "it is 4 %" in error


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell[0])
def test_without_room_it_does_not_begin_and_can_be_stopped(tmp_path: Path, shell: list[str]) -> None:
    has(tmp_path, 10)
    started = Started(shell, tmp_path)
    time.sleep(1)
    code, error = started.end()
    assert (code, started.said.read_text()) == (0, "")
    assert "it is 1 %" in error


def test_switched_off_it_only_reports(tmp_path: Path) -> None:
    has(tmp_path, 0)
    started = Started(SHELLS[0], tmp_path, least=0)
    until(started.has_said)
    code, error = started.end()
    assert code == 0 and "Prometheus" not in error
