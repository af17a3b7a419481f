# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The real programs of the bundle, run on loopback without root or containers."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import subprocess
import time
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "claude_code.observability" / "bundle"
START_TIMEOUT = 300.0
# The last host of a ring to go waits for others to take note.
END_TIMEOUT = 180


def program(name: str) -> str:
    """The newest build of a program, such as promtool. Raises FileNotFoundError."""
    found = sorted(CACHE.glob(f"*-programs-*/{name}"), key=lambda path: path.stat().st_mtime)
    native = [path for path in found if _runs_here(path)]
    if not native:
        raise FileNotFoundError(f"no {name} in {CACHE}: make test-bundle builds it")
    return str(native[-1])


def _runs_here(path: Path) -> bool:
    arm = os.uname().machine in ("aarch64", "arm64")
    return ("-arm64-" in path.parent.name) == arm


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class Running:
    """One program that can be killed and started again with the same arguments."""

    def __init__(self, argv: Sequence[str], ready_url: str, log: Path, tls: ssl.SSLContext | None = None) -> None:
        self.argv, self.ready_url, self.log, self.tls = list(argv), ready_url, log, tls
        self.environment: Mapping[str, str] = {}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait for its own word. Raises RuntimeError with the end of its log."""
        environment = {**os.environ, **self.environment}
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self.argv, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=environment
            )
        handlers = (urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=self.tls))
        opener = urllib.request.build_opener(*handlers)
        end = time.monotonic() + START_TIMEOUT
        while True:
            try:
                with opener.open(self.ready_url, timeout=5):
                    return
            except OSError as error:
                if self._process.poll() is not None or time.monotonic() > end:
                    raise RuntimeError(f"{self.argv[0]}: {error}\n{self.log.read_text()[-3000:]}") from error
            time.sleep(0.1)

    @property
    def pid(self) -> int:
        assert self._process
        return self._process.pid

    def kill(self) -> None:
        """kill -9, as a power cut would end it."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it in order."""
        self._end(signal.SIGTERM)

    def reload(self) -> None:
        """Let it read its configuration again."""
        assert self._process
        self._process.send_signal(signal.SIGHUP)

    def _end(self, how: signal.Signals) -> None:
        if self._process:
            self._process.send_signal(how)
            self._process.wait(END_TIMEOUT)
            self._process = None
