# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""release_archive killed at any point, and two runs at once."""

from __future__ import annotations

import itertools
import os
import signal
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.claude_code.observability.plugins.module_utils._archive import Release, inspect
from ansible_collections.claude_code.observability.plugins.modules import release_archive
from archive_mirror import sha256, tarball

PROGRAM = os.urandom(50_000)
RELEASE = tarball({"prog-1.0/prog": PROGRAM, "prog-1.0/lib/a": b"a", "prog-1.0/lib/b": b"b"})
SUM = sha256(RELEASE)
WANTED = Release("prog", "1.0", "prog-1.0.tar.gz", SUM, strip_components=1)


def arguments(dest: Path, url: str, **changes: Any) -> dict[str, Any]:
    return {
        "name": "prog",
        "version": "1.0",
        "url": url,
        "checksum": SUM,
        "dest": str(dest),
        "members": {},
        "strip_components": 1,
        "timeout": 60,
        **changes,
    }


def in_a_child(args: dict[str, Any], watch: Callable[[str, tuple[Any, ...]], None] = lambda *_: None) -> int:
    """Starts the module in a process of its own; watch sees every audit event there."""
    pid = os.fork()
    if pid:
        return pid
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.addaudithook(watch)
        with patch_module_args(args):
            release_archive.main()
    except SystemExit as exc:
        os._exit(int(exc.code or 0))
    finally:
        os._exit(99)


def died_of(pid: int) -> int:
    """Waits for a child: minus the signal it died of, or its exit code."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def kill_at(step: int, dest: Path) -> Callable[[str, tuple[Any, ...]], None]:
    """Ends the process, as kill -9 does, before the step-th thing it does to something in dest."""
    steps = itertools.count()
    changes = {"open", "os.rename", "os.mkdir", "os.rmdir", "os.remove", "os.symlink"}

    def watch(event: str, args: tuple[Any, ...]) -> None:
        ours = event == "fcntl.flock" or (event in changes and str(args[0]).startswith(str(dest)))
        if ours and next(steps) == step:
            os.kill(os.getpid(), signal.SIGKILL)

    return watch


def damage(dest: Path) -> None:
    (dest / "1.0" / "lib" / "b").unlink()


@pytest.mark.parametrize("broken_before", [False, True], ids=["nothing there", "a broken version there"])
def test_killed_at_any_step_it_leaves_no_half_version_and_the_next_run_converges(tmp_path, run, broken_before) -> None:
    (tmp_path / "prog-1.0.tar.gz").write_bytes(RELEASE)
    url = f"file://{tmp_path}/prog-1.0.tar.gz"
    flaws = set()
    for step in itertools.count():
        dest = tmp_path / f"opt{step}"
        args = arguments(dest, url)
        if broken_before:
            run(**args)
            damage(dest)
        code = died_of(in_a_child(args, kill_at(step, dest)))
        if code == 0:
            break
        assert code == -signal.SIGKILL
        flaws.add(inspect(str(dest / "1.0"), WANTED).flaw)
        assert "failed" not in run(**args), step
        assert inspect(str(dest / "1.0"), WANTED).flaw == ""
        assert (dest / "1.0" / "prog").read_bytes() == PROGRAM
        assert sorted(os.listdir(dest)) == [".claude_code.observability.json", "1.0"]
    assert step > 15
    assert flaws == {"absent", ""} | ({"lib/b is missing"} if broken_before else set())


class Gate:
    """A page that sends half of the release, says so, and waits."""

    def __init__(self) -> None:
        self.reached, self.open = threading.Event(), threading.Event()

    def __call__(self, handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(RELEASE)))
        handler.end_headers()
        handler.wfile.write(RELEASE[:1000])
        self.reached.set()
        self.open.wait()
        handler.wfile.write(RELEASE[1000:])


@pytest.fixture
def gate(mirror, request) -> Gate:
    gate = Gate()
    request.addfinalizer(gate.open.set)
    mirror.pages["/prog-1.0.tar.gz"] = gate
    return gate


def test_killed_in_the_middle_of_a_download(tmp_path, authority, mirror, gate, run) -> None:
    args = arguments(tmp_path / "opt", f"{mirror.url}/prog-1.0.tar.gz", ca_path=str(authority.ca))
    pid = in_a_child(args)
    assert gate.reached.wait(60)
    os.kill(pid, signal.SIGKILL)
    assert died_of(pid) == -signal.SIGKILL
    assert not (tmp_path / "opt" / "1.0").exists()
    assert len(list((tmp_path / "opt").glob(".release_archive-*"))) == 1

    mirror.pages["/prog-1.0.tar.gz"] = RELEASE
    assert run(**args)["changed"] is True
    assert sorted(os.listdir(tmp_path / "opt")) == [".claude_code.observability.json", "1.0"]


def test_of_two_runs_at_once_one_downloads(tmp_path, authority, mirror, gate) -> None:
    args = arguments(tmp_path / "opt", f"{mirror.url}/prog-1.0.tar.gz", ca_path=str(authority.ca))
    first = in_a_child(args)
    assert gate.reached.wait(60)

    waits, tell = os.pipe()
    second = in_a_child(args, lambda event, _: event == "fcntl.flock" and os.write(tell, b"x"))
    assert os.read(waits, 1) == b"x"
    gate.open.set()
    assert (died_of(first), died_of(second)) == (0, 0)
    assert mirror.requests == ["/prog-1.0.tar.gz"]
    assert inspect(str(tmp_path / "opt" / "1.0"), WANTED).flaw == ""
