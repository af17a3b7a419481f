# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs that only tests need, from their Go modules."""

from __future__ import annotations

import fcntl
import subprocess
import sys
from pathlib import Path

from tests.tools.programs import CACHE

ROOT = Path(__file__).parents[2]


def go_tool(package: str, version: str) -> str:
    """The program of a package, such as example.org/module/cmd/program, built once."""
    name = package.rpartition("/")[2]
    place = CACHE.parent / "tools" / f"{name}-{version}"
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.with_name(f"{place.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not place.exists():
            _build(f"{package}@v{version}", name, place)
    return str(place)


def _build(wanted: str, name: str, place: Path) -> None:
    sys.path.insert(0, str(ROOT / "bundle"))
    import golang  # type: ignore[import-not-found]

    go = golang.find_go(CACHE, golang.Report())
    staging = place.with_name(f"{place.name}.new")
    environment = {**golang.environment(), "GOBIN": str(staging)}
    subprocess.run([go, "install", wanted], env=environment, check=True, capture_output=True)
    (staging / name).replace(place)
    staging.rmdir()
