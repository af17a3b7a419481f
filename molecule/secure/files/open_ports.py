# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prints the TCP ports on which a host answers: open_ports.py HOST"""

from __future__ import annotations

import contextlib
import socket
import sys
from concurrent.futures import ThreadPoolExecutor


def is_open(address: str, port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((address, port), timeout=20):
        return True
    return False


def main() -> None:
    address = socket.gethostbyname(sys.argv[1])
    ports = range(1, 65536)
    with ThreadPoolExecutor(50) as pool:
        found = pool.map(lambda port: is_open(address, port), ports)
    print(*(port for port, is_there in zip(ports, found) if is_there))


if __name__ == "__main__":
    main()
