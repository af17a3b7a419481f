# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads and replaces small files in directories where others may put links, pipes and devices.

A file is replaced at one stroke: a temporary file `<name>.tmp.<pid>.<hex>` beside it, fsync, rename.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import stat
import time
from dataclasses import dataclass

MAX_BYTES = 64 * 1024 * 1024
# Seconds after which whatever a writer left was left by a dead one.
STALE = 60.0


class FileError(Exception):
    """The file can't be read or written. The text names it and says what to do."""


def read_file(path: str) -> bytes | None:
    """The content, None if there is no such file. What is no ordinary file, or huge, raises FileError."""
    try:
        # Without O_NONBLOCK a FIFO in a user's home would hold us for ever.
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise FileError(f"{path}: is not a regular file")
        if status.st_size > MAX_BYTES:
            raise FileError(f"{path}: is larger than {MAX_BYTES} bytes")
        with os.fdopen(handle, "rb", closefd=False) as stream:
            # Some files tell no size.
            return stream.read(MAX_BYTES)
    finally:
        os.close(handle)


def replace_file(path: str, data: bytes | None, seen: os.stat_result | None, mode: int | None = None) -> bool:
    """Puts new content (None: nothing) in place at one stroke. False if it is no longer the one that was seen.

    With a mode the file is ours and has that mode. Without, it keeps owner and mode, and a new one is private.
    """
    if data is None:
        if not _unchanged(path, seen):
            return False
        os.unlink(path)
        _sync_directory(path)
        return True
    temporary = f"{path}.tmp.{os.getpid()}.{secrets.token_hex(6)}"
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        try:
            if mode is not None:
                # Some directories hand on their group.
                os.fchown(handle, os.geteuid(), os.getegid())
                os.fchmod(handle, mode)
            elif seen is not None:
                _keep_owner_and_mode(path, handle, seen)
            view = memoryview(data)
            while view:
                view = view[os.write(handle, view) :]
            os.fsync(handle)
        finally:
            os.close(handle)
        if not _unchanged(path, seen):
            os.unlink(temporary)
            return False
        os.rename(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    _sync_directory(path)
    return True


def _keep_owner_and_mode(path: str, handle: int, seen: os.stat_result) -> None:
    own = os.fstat(handle)
    if own.st_uid != seen.st_uid:
        try:
            os.fchown(handle, seen.st_uid, -1)
        except PermissionError as error:
            raise FileError(
                f"{path}: belongs to uid {seen.st_uid}, not to uid {own.st_uid}; a new version could not. "
                f"Give it to its user first: chown {own.st_uid} {path}"
            ) from error
    if own.st_gid != seen.st_gid:
        # A group the user is not in can't be given; the client loses it as well.
        with contextlib.suppress(PermissionError):
            os.fchown(handle, -1, seen.st_gid)
    os.fchmod(handle, stat.S_IMODE(seen.st_mode))


@dataclass(frozen=True)
class OwnFile:
    """A file that is ours as a whole, of a given mode. Without content there is to be none by that name."""

    path: str
    content: bytes | None
    mode: int

    def is_right(self) -> bool:
        """Whether it is as it shall be, and nobody else's."""
        try:
            seen = os.lstat(self.path)
        except FileNotFoundError:
            return self.content is None
        if self.content is None:
            return not stat.S_ISREG(seen.st_mode)
        right = (seen.st_mode, seen.st_uid) == (stat.S_IFREG | self.mode, os.geteuid())
        return right and read_file(self.path) == self.content

    def put(self) -> None:
        """Writes it, if it is to be there and is not right."""
        if self.content is not None and not self.is_right():
            replace_file(self.path, self.content, status_of(self.path), self.mode)

    def remove(self) -> None:
        """Takes it away, if it is not to be there."""
        if self.content is None and not self.is_right():
            os.unlink(self.path)


def sweep(path: str) -> None:
    """Removes the temporary files of writers that were killed long ago."""
    directory, name = os.path.split(path)
    left = re.compile(re.escape(name) + r"\.tmp\.\d+\.[0-9a-f]+")
    for entry in os.listdir(directory):
        place = os.path.join(directory, entry)
        if left.fullmatch(entry) and age_of(place) > STALE:
            with contextlib.suppress(OSError):
                os.unlink(place)


def status_of(path: str) -> os.stat_result | None:
    """The status of what a path leads to, None if it leads nowhere."""
    try:
        return os.stat(path)
    except FileNotFoundError:
        return None


def age_of(path: str) -> float:
    """Seconds since the last change of a file or link."""
    try:
        return time.time() - os.lstat(path).st_mtime
    except OSError:
        return 0.0


def _unchanged(path: str, seen: os.stat_result | None) -> bool:
    now = status_of(path)
    if now is None or seen is None:
        return now is seen
    return (now.st_ino, now.st_mtime_ns, now.st_size) == (seen.st_ino, seen.st_mtime_ns, seen.st_size)


def _sync_directory(path: str) -> None:
    handle = os.open(os.path.dirname(path), os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
