# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module claude_settings in a process of its own, called at given moments without the time Ansible takes to start.

Run as a program it is that process: a line of JSON in for each call, a line of JSON out.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Answer:
    """What the module said, and how many times it found the lock of the settings held by somebody else."""

    result: dict[str, Any]
    waits: int


class ModuleCalls:
    """The process. Use as a context manager."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.client.module_calls"],
            env=environment,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> ModuleCalls:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(30)

    def call(self, options: Mapping[str, Any], at: float = 0.0) -> Answer:
        """Call the module when the monotonic clock shows `at`."""
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps({"options": options, "at": at}) + "\n")
        self._process.stdin.flush()
        return Answer(**json.loads(self._process.stdout.readline()))


def serve() -> None:
    """The loop of the process. Each call is a child, as each of Ansible's is a process: nothing remains of it."""
    sys.path.insert(0, str(ROOT / ".collections"))
    from ansible.module_utils.testing import patch_module_args
    from ansible_collections.claude_code.observability.plugins.modules import claude_settings

    attempts: list[str] = []

    def note(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "os.mkdir" and str(arguments[0]).endswith("settings.json.lock"):
            attempts.append(arguments[0])

    sys.addaudithook(note)
    for line in sys.stdin:
        if os.fork():
            _pid, status = os.wait()
            assert status == 0, f"the call ended with status {status}"
            continue
        order = json.loads(line)
        time.sleep(max(0.0, order["at"] - time.monotonic()))
        output = io.StringIO()
        with (
            contextlib.redirect_stdout(output),
            contextlib.suppress(SystemExit),
            patch_module_args(order["options"]),
        ):
            claude_settings.main()
        waits = max(0, len(attempts) - 1)
        print(json.dumps({"result": json.loads(output.getvalue()), "waits": waits}), flush=True)
        os._exit(0)


if __name__ == "__main__":
    serve()
