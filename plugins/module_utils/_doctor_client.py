# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The client's program and the script for its headers, both run as the user, with a time limit."""

from __future__ import annotations

import glob
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping

# Where installers put it, beside what the search path names.
PLACES = (
    "~/.local/bin/claude",
    "~/.claude/local/claude",
    "~/.npm-global/bin/claude",
    "~/.nvm/versions/node/*/bin/claude",
    "/usr/local/bin/claude",
    "/opt/homebrew/bin/claude",
)
SEARCH_PATH = "/usr/local/bin:/usr/bin:/bin"
VERSION_SECONDS = 20
# What the client gives it in a short session before it ends.
HELPER_SECONDS = 2
_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)")
# Resource attributes on data points.
OLDEST = (2, 1, 161)
# First and last version, by reports; see github.com/anthropics/claude-code/issues/50567 and 91165.
BROKEN = (((2, 1, 113), (2, 1, 179)), ((2, 1, 252), (2, 1, 252)))


class HelperError(Exception):
    """The script gave no headers. The text says why, and shows nothing of its output."""


def find_program(home: str, search_path: str) -> str:
    """The client's program, empty if there is none."""
    found = shutil.which("claude", path=search_path or SEARCH_PATH)
    if found:
        return found
    for place in PLACES:
        path = home + place[1:] if place.startswith("~") else place
        for match in sorted(glob.glob(path), reverse=True):
            if os.access(match, os.X_OK):
                return match
    return ""


def version_of(program: str, environment: Mapping[str, str]) -> str:
    """What `claude --version` says, empty if it says nothing in time."""
    try:
        done = _run([program, "--version"], environment, VERSION_SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    found = _VERSION.search(done.stdout)
    return found.group() if found else ""


def numbers(version: str) -> tuple[int, ...]:
    found = _VERSION.search(version)
    return tuple(int(number) for number in found.groups()) if found else ()


def is_old(version: str) -> bool:
    return bool(version) and numbers(version) < OLDEST


def is_broken(version: str) -> bool:
    """Whether users reported that builds of this version send nothing. Those for Linux do send."""
    return sys.platform != "linux" and any(first <= numbers(version) <= last for first, last in BROKEN)


def headers_of(helper: str, environment: Mapping[str, str]) -> dict[str, str]:
    """The headers that the script prints. Raises HelperError."""
    try:
        done = _run(["/bin/sh", "-c", helper], environment, HELPER_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise HelperError(f"it takes more than {HELPER_SECONDS} s") from error
    except OSError as error:
        raise HelperError(error.strerror or str(error)) from error
    if done.returncode:
        meaning = {126: ": not executable", 127: ": not found"}.get(done.returncode, "")
        raise HelperError(f"it exits with {done.returncode}{meaning}")
    try:
        headers = json.loads(done.stdout)
    except ValueError as error:
        raise HelperError("its output is not JSON") from error
    if not isinstance(headers, dict) or not all(isinstance(value, str) for value in headers.values()):
        raise HelperError("its output is not a JSON object of strings")
    return headers


def _run(argv: list[str], environment: Mapping[str, str], seconds: float) -> subprocess.CompletedProcess[str]:
    # AnsibleModule.run_command would wait for a program that hangs.
    return subprocess.run(  # pylint: disable=ansible-bad-function
        argv,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        encoding="utf-8",
        errors="replace",
        timeout=seconds,
        check=False,
    )
