# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kills a piece of work at each of its steps, in a child process."""

from __future__ import annotations

import itertools
import os
import signal
from collections.abc import Callable
from typing import Any

# What may change something, and what comes right after a change.
STEPS = ("mkdir", "rmdir", "open", "write", "fsync", "rename", "unlink", "chmod", "fchmod", "fchown", "close")


def killed_at(step: int, work: Callable[[], Any]) -> bool:
    """Runs the work in a child that kills itself before the nth such call, half through if it is a write.

    False: it got through.
    """
    child = os.fork()
    if child == 0:
        count = itertools.count()

        def deadly(name: str) -> Callable[..., Any]:
            real = getattr(os, name)

            def call(*args: Any, **options: Any) -> Any:
                if next(count) == step:
                    if name == "write":
                        real(args[0], bytes(args[1])[: len(args[1]) // 2])
                    os.kill(os.getpid(), signal.SIGKILL)
                return real(*args, **options)

            return call

        try:
            for name in STEPS:
                setattr(os, name, deadly(name))
            work()
        finally:
            os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])
