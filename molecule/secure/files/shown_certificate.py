# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prints the SHA-256 of the certificate that a server shows: shown_certificate.py HOST:PORT"""

from __future__ import annotations

import hashlib
import socket
import ssl
import sys


def main() -> None:
    host, port = sys.argv[1].split(":")
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    # Who wants one of the client says so only after the handshake.
    with socket.create_connection((host, int(port)), timeout=20) as plain, context.wrap_socket(plain) as secure:
        print(hashlib.sha256(secure.getpeercert(binary_form=True) or b"").hexdigest())


if __name__ == "__main__":
    main()
