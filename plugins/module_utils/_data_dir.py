# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The data directory of a component, and how we act in it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator


class DataError(Exception):
    """A backup or a restore that is refused or failed; the text says why, and what to do."""


def data_names(path: str) -> list[str]:
    """What a component keeps at the top of its directory. Our own names there begin with a dot."""
    return sorted(name for name in os.listdir(path) if not name.startswith(".") and name != "lost+found")


def remove_tree(path: str) -> None:
    """Removes a directory with all it holds, if it is there."""
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(path)


@contextlib.contextmanager
def only_one(path: str) -> Iterator[None]:
    """Refuses a second backup or restore of the same data. Raises DataError."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError as exc:
        raise DataError(f"there is no data directory {path}: install the component first") from exc
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as exc:
        raise DataError(f"another backup or restore is at work in {path}: wait for it") from exc
    finally:
        os.close(fd)


@contextlib.contextmanager
def as_owner(path: str) -> Iterator[None]:
    """Root acts as the owner of a directory.

    A service that was broken into may have laid links there; it gains nothing by what its own user does with them.
    """
    if os.geteuid() != 0:
        yield
        return
    owner, groups = os.stat(path), os.getgroups()
    os.setgroups([])
    os.setegid(owner.st_gid)
    os.seteuid(owner.st_uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)
