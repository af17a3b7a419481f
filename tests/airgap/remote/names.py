#!/usr/bin/env python3
# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A name server that knows nothing, and writes down what it is asked.

usage: names.py FILE
"""

from __future__ import annotations

import socket
import sys


def asked(query: bytes) -> str:
    """The name in a DNS query."""
    labels, at = [], 12
    while query[at]:
        labels.append(query[at + 1 : at + 1 + query[at]].decode())
        at += 1 + query[at]
    return ".".join(labels)


def main() -> None:
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 53))
    with open(sys.argv[1], "a", buffering=1) as log:
        while True:
            query, client = server.recvfrom(4096)
            log.write(f"{asked(query)}\n")
            # The same question, answered with "no such name".
            server.sendto(query[:2] + b"\x81\x83" + query[4:], client)


if __name__ == "__main__":
    main()
