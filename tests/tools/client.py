# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The real client: Claude Code, pinned, from npm, kept in the cache folder."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import tempfile
from pathlib import Path

VERSION = "2.1.330"
PACKAGE = "@anthropic-ai/claude-code"
ARCHITECTURES = {"x86_64": "x64", "aarch64": "arm64"}
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "claude_code.observability" / "client"


def install(version: str = VERSION) -> Path:
    """The client's program, downloaded on the first call.

    npm's postinstall would link the platform's binary; newer versions of npm block it, so the binary is run as it is.
    """
    target = CACHE / version
    program = target / "node_modules" / f"{PACKAGE}-linux-{ARCHITECTURES[platform.machine()]}" / "claude"
    if program.is_file():
        return program
    CACHE.mkdir(parents=True, exist_ok=True)
    staged = Path(tempfile.mkdtemp(prefix=".staged-", dir=CACHE))
    quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock", "--loglevel=error"]
    subprocess.run(["npm", "install", "--prefix", str(staged), *quiet, f"{PACKAGE}@{version}"], check=True)
    shutil.rmtree(target, ignore_errors=True)
    staged.rename(target)
    return program
