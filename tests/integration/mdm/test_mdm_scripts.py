# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shell scripts of Linux and macOS below another root."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from mdm_files import DROP_IN, contents

FOLDERS = {
    "linux": Path("etc/claude-code/managed-settings.d"),
    "macos": Path("Library/Application Support/ClaudeCode/managed-settings.d"),
}


def run(script: Path | str, root: Path) -> subprocess.CompletedProcess[str]:
    """A script by its path, or its text as a management would hand it to the shell."""
    return subprocess.run(
        ["sh", *([] if isinstance(script, str) else [str(script)])],
        input=script if isinstance(script, str) else "",
        env={"PATH": os.environ["PATH"], "DESTDIR": str(root)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def tree(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*"))


@pytest.mark.parametrize("platform", FOLDERS)
def test_scripts_leave_what_they_should(written: Path, tmp_path: Path, platform: str) -> None:
    folder = FOLDERS[platform]
    (tmp_path / folder).parents[1].mkdir(parents=True)
    before = tree(tmp_path)
    for _round in range(2):
        done = run(written / platform / "install.sh", tmp_path)
        assert done.returncode == 0, done.stderr
        expected = (written / platform / DROP_IN).read_bytes()
        assert contents(tmp_path) == {str(folder / DROP_IN): (0o644, expected)}
        modes = {path.stat().st_mode & 0o777 for path in (tmp_path / folder, (tmp_path / folder).parent)}
        assert modes == {0o755}
    # As a kill would leave it.
    (tmp_path / folder / f".{DROP_IN}.abc123").touch()
    for _round in range(2):
        done = run(written / platform / "uninstall.sh", tmp_path)
        assert done.returncode == 0, done.stderr
        assert tree(tmp_path) == before


def test_what_is_of_others_stays(written: Path, tmp_path: Path) -> None:
    other = tmp_path / FOLDERS["linux"] / "10-permissions.json"
    other.parent.mkdir(parents=True)
    other.write_text("{}")
    before = contents(tmp_path)
    for script in ("install.sh", "uninstall.sh"):
        assert run(written / "linux" / script, tmp_path).returncode == 0
        assert other.read_text() == "{}"
    assert contents(tmp_path) == before


def test_a_script_that_was_cut_off_does_nothing(written: Path, tmp_path: Path) -> None:
    for script in ("install.sh", "uninstall.sh"):
        lines = (written / "linux" / script).read_text().splitlines(keepends=True)
        (tmp_path / FOLDERS["linux"]).mkdir(parents=True, exist_ok=True)
        (tmp_path / FOLDERS["linux"] / DROP_IN).write_text("{}")
        before = contents(tmp_path)
        for end in range(len(lines)):
            run("".join(lines[:end]), tmp_path)
            assert contents(tmp_path) == before, f"{script} after {end} lines"


def test_a_script_that_was_changed_installs_nothing(written: Path, tmp_path: Path) -> None:
    script = (written / "linux" / "install.sh").read_text()
    done = run(script.replace('",\n', '",\r\n'), tmp_path)
    assert done.returncode == 1
    assert "changed on its way" in done.stderr
    assert contents(tmp_path) == {}
