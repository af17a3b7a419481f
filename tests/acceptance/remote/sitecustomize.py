# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stops a module on the test host right before it does something, so that it can be killed there.

/run/stop-at holds a pattern for a Python audit event and its arguments. The first process that gets there writes its
pid into the pipe /run/stopped and waits for its end.
"""

from __future__ import annotations

import os
import re
import signal
import sys
from typing import Any

STOP_AT = "/run/stop-at"


def stop_at(pattern: re.Pattern[str]) -> None:
    def hook(event: str, args: tuple[Any, ...]) -> None:
        if pattern.search(f"{event} {args}"):
            try:
                os.unlink(STOP_AT)
            except FileNotFoundError:
                return
            with open("/run/stopped", "w") as told:
                told.write(str(os.getpid()))
            while True:
                signal.pause()

    sys.addaudithook(hook)


if os.path.exists(STOP_AT):
    with open(STOP_AT) as point:
        stop_at(re.compile(point.read().strip()))
