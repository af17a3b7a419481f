# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does something as a user: root drops to the user before it touches the user's home."""

from __future__ import annotations

import json
import os
import pwd
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

SECONDS = 60


class RunAsError(Exception):
    """The user can't be acted for. The text names the user and says what to do."""


@dataclass(frozen=True)
class User:
    """An account. `home` is $HOME for the user we run as, the passwd entry's for others."""

    name: str
    uid: int
    gid: int
    home: str

    @property
    def invoking(self) -> bool:
        """Whether this is the user we run as."""
        return self.uid == os.geteuid()


def invoking_user() -> User:
    """The user we run as; an account without a passwd entry goes by its number."""
    uid = os.geteuid()
    try:
        return _user(pwd.getpwuid(uid))
    except KeyError:
        return User(str(uid), uid, os.getegid(), os.path.expanduser("~"))


def named_user(name: str) -> User:
    """The account of that name. Raises RunAsError."""
    try:
        return _user(pwd.getpwnam(name))
    except KeyError as error:
        raise RunAsError("there is no such user on this host") from error


def run_as(user: User, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The result of `work`, done as that user in a child process unless we are that user. Raises RunAsError.

    Everything `work` imports must be imported before: the user may not read the directory the module runs from.
    """
    if user.invoking:
        return work()
    if os.geteuid() != 0:
        raise RunAsError(f"only root can act for another user (we are {invoking_user().name}): set become to true")
    reader, writer = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _child(user, work, writer)
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        answer = stream.read()
    _pid, status = os.waitpid(child, 0)
    if status:
        raise RunAsError(f"the work as {user.name} ended with status {status} (limit: {SECONDS} s)")
    body: dict[str, Any] = json.loads(answer)
    return body


def _user(entry: pwd.struct_passwd) -> User:
    home = os.path.expanduser("~") if entry.pw_uid == os.geteuid() else entry.pw_dir
    return User(entry.pw_name, entry.pw_uid, entry.pw_gid, home)


def _child(user: User, work: Callable[[], dict[str, Any]], writer: int) -> NoReturn:
    code = 1
    try:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(SECONDS)
        os.chdir("/")
        os.initgroups(user.name, user.gid)
        # From root these set the real, effective and saved ids; setresuid does not exist on macOS.
        os.setgid(user.gid)
        os.setuid(user.uid)
        with os.fdopen(writer, "wb") as stream:
            stream.write(json.dumps(work()).encode())
        code = 0
    finally:
        os._exit(code)
