# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What config_files and preflight both need: the marker, names of users, atomic small writes."""

from __future__ import annotations

import contextlib
import grp
import json
import os
import pwd
import stat
from typing import Any

COLLECTION = "claude_code.observability"
MARKER = f".{COLLECTION}.json"


class HostError(Exception):
    """Something on the host that stops us; the text says what, whose, and what to do."""


def user_id(name: str | None) -> int:
    """The uid of a user name or number; the invoking user's for None; -1 if there is no such user."""
    if name is None:
        return os.geteuid()
    if name.isdigit():
        return int(name)
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        return -1


def group_id(name: str | None) -> int:
    """The gid of a group name or number; the invoking user's for None; -1 if there is no such group."""
    if name is None:
        return os.getegid()
    if name.isdigit():
        return int(name)
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        return -1


def owner_name(uid: int) -> str:
    """The name of a uid, or the number itself."""
    if uid < 0:
        return "(new user)"
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def group_name(gid: int) -> str:
    """The name of a gid, or the number itself."""
    if gid < 0:
        return "(new group)"
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def read_marker(directory: str) -> dict[str, Any] | None:
    """What our marker in a directory says; None without one. A link is not taken for a marker."""
    path = os.path.join(directory, MARKER)
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as exc:
        raise HostError(f"cannot read the marker {path}: {exc.strerror}") from exc
    with os.fdopen(fd, encoding="utf-8") as handle:
        try:
            content = json.load(handle)
        except ValueError as exc:
            raise HostError(f"the marker {path} is not JSON: restore it, or remove it if {directory} is empty") from exc
    if not isinstance(content, dict):
        raise HostError(f"the marker {path} is not a JSON object")
    return content


def is_foreign(directory: str) -> bool:
    """True for anything that is there, is not empty and does not carry our marker.

    A run killed while it wrote the marker leaves a directory with only that: still ours to take. So is an empty disk.
    """
    if not os.path.lexists(directory):
        return False
    if not os.path.isdir(directory):
        return True
    if read_marker(directory) is not None:
        return False
    try:
        return any(name != "lost+found" and not name.startswith(MARKER) for name in os.listdir(directory))
    except PermissionError:
        return True


def fsync_dir(path: str) -> None:
    """Makes renames in a directory survive a power cut."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def write_new(path: str, content: bytes, uid: int, gid: int, mode: int) -> None:
    """Writes a file that must not exist yet, owner and mode set before it is done, synced."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(fd, "wb") as handle:
        handle.write(content)
        handle.flush()
        set_attributes(fd, uid, gid, mode)
        os.fsync(fd)


def set_attributes(fd: int, uid: int, gid: int, mode: int) -> None:
    """Owner, group and mode of an open file or directory, touched only where they differ."""
    now = os.fstat(fd)
    if (now.st_uid, now.st_gid) != (uid, gid):
        os.fchown(fd, uid, gid)
    # chown clears set-id bits, so the mode comes second.
    if stat.S_IMODE(os.fstat(fd).st_mode) != mode:
        os.fchmod(fd, mode)


def write_marker(directory: str, content: dict[str, Any], uid: int, gid: int) -> None:
    """Replaces the marker of a directory in one step."""
    path = os.path.join(directory, MARKER)
    temporary = path + ".tmp"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(temporary)
    text = json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    write_new(temporary, text.encode(), uid, gid, 0o640)
    os.replace(temporary, path)
    fsync_dir(directory)
