# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real S3 server, versitygw from its Go module, over a directory."""

from __future__ import annotations

import os
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.tools.go_tools import go_tool
from tests.tools.programs import free_port

VERSION = "1.8.0"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "backups", "AWS_SECRET_ACCESS_KEY": "a secret of the tests"}
PATIENCE = 60


@dataclass(frozen=True)
class Server:
    """Where it answers, and the directory in which every bucket is a directory."""

    url: str
    directory: Path

    def files(self, bucket: str) -> set[str]:
        """The objects of a bucket."""
        top = self.directory / bucket
        found = (path.relative_to(top) for path in top.rglob("*") if path.is_file())
        return {str(path) for path in found if not path.parts[0].startswith(".")}


def program() -> str:
    """The server, built once."""
    return go_tool("github.com/versity/versitygw/cmd/versitygw", VERSION)


@contextmanager
def served(folder: Path) -> Iterator[Server]:
    """The server over a directory below the folder, until the block ends."""
    directory, port = folder / "s3", free_port()
    directory.mkdir()
    access, secret = CREDENTIALS.values()
    argv = [program(), "--access", access, "--secret", secret, "--port", f"127.0.0.1:{port}", "posix", str(directory)]
    with (folder / "s3.log").open("w") as log:
        process = subprocess.Popen(argv, stdout=log, stderr=log, cwd=folder, env={**os.environ, "HOME": str(folder)})
    try:
        url, end = f"http://127.0.0.1:{port}", time.monotonic() + PATIENCE
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        while True:
            try:
                opener.open(url, timeout=5)
            except urllib.error.HTTPError:
                break
            except OSError:
                assert process.poll() is None and time.monotonic() < end, (folder / "s3.log").read_text()
                time.sleep(0.1)
        yield Server(url, directory)
    finally:
        process.terminate()
        process.wait(PATIENCE)
