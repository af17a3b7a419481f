# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Until its input ends, reads what every process shows; then prints each text once.

Usage: sample_processes.py cmdline|environ...
"""

from __future__ import annotations

import select
import sys
from pathlib import Path

# Seconds. What lives shorter may be missed; the journal has the arguments of modules.
PAUSE = 0.02

shown = set()
while not select.select([sys.stdin], [], [], PAUSE)[0]:
    for process in Path("/proc").glob("[0-9]*"):
        for name in sys.argv[1:]:
            try:
                shown.add((process / name).read_bytes())
            except OSError:
                # It has ended, or is not ours to see.
                continue
sys.stdout.buffer.write(b"\n".join(shown))
