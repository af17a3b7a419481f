# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run on a test host: kills the writing of managed settings at each step, and starts the client on what is left.

Prints a line of JSON for each: what came of the files the client reads, and of the client.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

sys.path += ["/opt/collections", "/opt/tools"]

from ansible_collections.claude_code.observability.plugins.module_utils._settings_managed import (
    managed_directory,
    update_managed,
)
from ansible_collections.claude_code.observability.plugins.module_utils._settings_plan import Wanted
from killed import killed_at

MANAGED = Path(managed_directory())
VALUES = {"nothing": None, "old": "1", "new": "2"}


def put(value: str | None) -> None:
    update_managed(str(MANAGED), Wanted({"A": value}, {"team": "t"}) if value else Wanted())


def left_behind() -> str:
    """All files and directories, but for what is random in their names."""
    found = [(str(path), path.read_text() if path.is_file() else "") for path in sorted(MANAGED.rglob("*"))]
    return re.sub(r"\.tmp\.\d+\.[0-9a-f]+", ".tmp.N", f"{MANAGED.exists()} {found}")


@cache
def client(files: str) -> tuple[int, str]:
    """Exit status and complaints of a client that starts, looks at itself and ends. Once for the same files."""
    done = subprocess.run(
        ["/client/claude", "doctor"],
        env={**os.environ, "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1", "HOME": "/root"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stderr


def main(before: str, after: str) -> None:
    step, killed = 0, True
    while killed:
        shutil.rmtree(MANAGED, ignore_errors=True)
        put(VALUES[before])
        killed = killed_at(step, lambda: put(VALUES[after]))
        files = {path.name: path.read_text() for path in MANAGED.glob("managed-settings.d/[!.]*.json")}
        left = sorted(path.name for path in MANAGED.glob("managed-settings.d/*.tmp.*"))
        code, complaints = client(left_behind())
        print(json.dumps({"killed": killed, "files": files, "left": left, "code": code, "complaints": complaints}))
        step += 1


if __name__ == "__main__":
    main(*sys.argv[1:])
