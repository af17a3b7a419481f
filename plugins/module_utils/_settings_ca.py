# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file of certificates that a client is led to by one variable, which others may use already.

A company that inspects TLS leads its clients to its own authority by the same variable, and without that they reach
nothing. So a file that is named anywhere goes into ours, or nothing is written.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ._safe_files import FileError, read_file

# Which certificates count, by the kind of protocol.
VARIABLES = {"grpc": "OTEL_EXPORTER_OTLP_CERTIFICATE", "http": "NODE_EXTRA_CA_CERTS"}
_BLOCK = re.compile(
    rb"^-----BEGIN ((?:X509 |TRUSTED )?CERTIFICATE)-----\s(.*?)^-----END \1-----[ \t]*\r?$", re.MULTILINE | re.DOTALL
)


@dataclass(frozen=True)
class Named:
    """A file that a variable leads to, and the place that says so. `computed`: only a shell knows which file it is."""

    path: str
    where: str
    computed: bool = False


@dataclass(frozen=True)
class Authority:
    """Who signed the collector's certificate: PEM, the variables that shall lead there, and what they name elsewhere.

    `everybody`: the file is for all users of the host, so that nobody but root may have a say in it.
    """

    pem: str = ""
    variables: tuple[str, ...] = ()
    named: tuple[Named, ...] = ()
    everybody: bool = False

    @property
    def key(self) -> str:
        """The variable that stands for the file."""
        return next(iter(self.variables), VARIABLES["http"])


def certificates(data: bytes) -> list[bytes]:
    """The certificates in a file, each in PEM. What else is in it, a private key say, is left out."""
    return [found.group().replace(b"\r\n", b"\n").rstrip() + b"\n" for found in _BLOCK.finditer(data)]


def fingerprints(data: bytes) -> list[str]:
    """The SHA-256 of each certificate."""
    return [hashlib.sha256(_der(one)).hexdigest() for one in certificates(data)]


def is_sound(pem: str) -> bool:
    """Whether it is made of certificates alone, as far as that is seen without decoding them."""
    data = pem.encode()
    try:
        return bool(fingerprints(data)) and b"PRIVATE KEY" not in data
    except ValueError:
        return False


def bundle(path: str, authority: Authority, held: Sequence[Named] = ()) -> bytes:
    """What the file at `path` shall hold: the authority, and the files that its variables name without us.

    What the settings `held` beats what is named elsewhere. Raises FileError.
    """
    parts = certificates(authority.pem.encode())
    for one in held or authority.named:
        if one.path and os.path.normpath(one.path) != path:
            parts += _read(one, authority)
    return b"".join(dict.fromkeys(parts))


def holds(named: Named, authority: Authority) -> bool:
    """Whether a file that is named elsewhere has our certificates in it already."""
    try:
        data = None if named.computed else read_file(named.path)
    except (FileError, OSError):
        return False
    return set(fingerprints(authority.pem.encode())) <= set(fingerprints(data or b""))


def _read(one: Named, authority: Authority) -> Sequence[bytes]:
    what = f"{one.path} ({one.where})"
    instead = (
        "Claude Code may need it, and the collector's authority has to go into the same file. Correct that place or "
        "take it out, or use a collector whose certificate a public authority signed, or an agent on this host"
    )
    if one.computed:
        raise FileError(f"{what}: only a shell knows which file of certificates that is. {instead}")
    if not os.path.isabs(one.path):
        raise FileError(f"{what}: which file of certificates that is depends on where Claude Code starts. {instead}")
    try:
        if authority.everybody and not _is_of_root(one.path):
            raise FileError(
                f"{what}: others than root can write it, and managed settings would make everybody on the host trust "
                f"these certificates. Let root own it, or use scope user. {instead}"
            )
        data = read_file(one.path)
    except OSError as error:
        raise FileError(f"{what}: {error.strerror}. {instead}") from error
    if data is None:
        raise FileError(f"{what}: there is no such file. {instead}")
    found = certificates(data)
    if not found:
        raise FileError(f"{what}: there is no certificate in PEM in it. {instead}")
    return found


def _is_of_root(path: str) -> bool:
    """Whether root alone decides what is in a file, if there is one."""
    if not os.path.exists(path):
        return True
    places = [os.path.realpath(path)]
    while places[-1] != "/":
        places.append(os.path.dirname(places[-1]))
    seen = [os.stat(place) for place in places]
    return all(one.st_uid == os.geteuid() or one.st_uid == 0 for one in seen) and not any(
        one.st_mode & 0o022 and not one.st_mode & stat.S_ISVTX for one in seen
    )


def _der(pem: bytes) -> bytes:
    return base64.b64decode(b"".join(pem.split(b"-----")[2].split()), validate=True)


def variables_for(protocols: Iterable[str]) -> tuple[str, ...]:
    """The variables that lead to certificates with these protocols."""
    return tuple(dict.fromkeys(VARIABLES[one.partition("/")[0]] for one in protocols))
