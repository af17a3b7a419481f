# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the stack under test is: the environment that tests/e2e/run sets."""

from __future__ import annotations

import os
import shlex
import subprocess
import time
import urllib.request

READY = {"prometheus": "/-/ready", "loki": "/ready"}


def setting(name: str) -> str:
    """CCOBS_<name>. Raises RuntimeError if it is not set."""
    value = os.environ.get(f"CCOBS_{name}", "")
    if not value:
        raise RuntimeError(f"CCOBS_{name} is not set: start these tests with tests/e2e/run")
    return value


def kill(component: str) -> None:
    """kill -9 a component of the stack, by CCOBS_KILL, a command that takes its name."""
    subprocess.run([*shlex.split(setting("KILL")), component], check=True)


def wait_until_ready(component: str, timeout: float = 90) -> None:
    """Wait for the component's own word. Raises TimeoutError."""
    url = setting(component.upper()) + READY[component]
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    end = time.monotonic() + timeout
    while True:
        try:
            with opener.open(url, timeout=5):
                return
        except OSError as error:
            if time.monotonic() > end:
                raise TimeoutError(f"{url}: {error}") from error
        time.sleep(0.5)


def flush_loki() -> None:
    """Make Loki write its chunks out."""
    call = urllib.request.Request(setting("LOKI") + "/flush", method="POST")
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(call, timeout=60):
        pass
