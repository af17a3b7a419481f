# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes the data of a component at one moment, while it is paused, and archives it while it runs on.

A paused program has its files as `kill -9` would leave them at that moment, which every component recovers from.
"""

from __future__ import annotations

import contextlib
import fnmatch
import gzip
import hashlib
import os
import shutil
import stat
import subprocess
import tarfile
import time
from collections.abc import Iterator, Sequence
from typing import IO, Any, NamedTuple

from ansible_collections.claude_code.observability.plugins.module_utils._data_dir import (
    DataError,
    as_owner,
    data_names,
    only_one,
    remove_tree,
)

SNAPSHOT = ".backup"
# On a host that has better to do, the archive can wait.
NICE = 10


class Entry(NamedTuple):
    """A file or directory as it was at the moment of the snapshot. size: bytes, 0 of a directory."""

    name: str
    mode: int
    modified: float
    size: int

    @property
    def is_directory(self) -> bool:
        return stat.S_ISDIR(self.mode)


def back_up(path: str, dest: str, linked: Sequence[str], pause: Sequence[str], resume: Sequence[str]) -> dict[str, Any]:
    """Archives a data directory as `dest`, a new file for the owner of its folder. Raises DataError.

    linked: patterns of paths (* takes slashes too) that are only ever appended to, or replaced by another file of that
    name; these get a hard link in the snapshot and others a copy. pause and resume are commands, empty if nothing runs.
    """
    snapshot = os.path.join(path, SNAPSHOT)
    with only_one(path):
        _refuse_without_room(path, os.path.dirname(dest))
        try:
            with as_owner(path):
                remove_tree(snapshot)
                os.mkdir(snapshot, 0o700)
            begun = time.monotonic()
            with paused(pause, resume), as_owner(path):
                entries = list(_take(path, snapshot, linked))
            seconds = time.monotonic() - begun
            os.nice(NICE)
            sha256, size = _archive(snapshot, entries, dest, as_owner_of=path)
        finally:
            with as_owner(path):
                remove_tree(snapshot)
    files = [entry for entry in entries if not entry.is_directory]
    return {
        "sha256": sha256,
        "archive_bytes": size,
        "data_bytes": sum(entry.size for entry in files),
        "files": len(files),
        "paused_seconds": round(seconds, 3) if pause else 0.0,
    }


def data_bytes(path: str) -> int:
    """What a data directory holds, as the sizes of its files. Files that go away meanwhile count nothing."""
    total = 0
    wanted = data_names(path)
    for folder, folders, files in os.walk(path):
        if folder == path:
            folders[:] = [name for name in folders if name in wanted]
            files = [name for name in files if name in wanted]
        for name in files:
            with contextlib.suppress(FileNotFoundError):
                total += os.lstat(os.path.join(folder, name)).st_size
    return total


@contextlib.contextmanager
def paused(pause: Sequence[str], resume: Sequence[str]) -> Iterator[None]:
    """While it lasts, the program stands still. It goes on however this ends, kill -9 included. Raises DataError."""
    if not pause:
        yield
        return
    # Whoever reads a pipe learns that its writer is gone.
    guard = subprocess.Popen(  # pylint: disable=ansible-bad-function
        ["/bin/sh", "-c", 'cat; exec "$@"', "sh", *resume],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        _command(pause)
    except DataError:
        guard.communicate()
        raise
    try:
        yield
    finally:
        _nothing, error = guard.communicate()
        if guard.returncode:
            raise DataError(
                f"still paused, end it by hand: {' '.join(resume)}: {error.decode(errors='replace').strip()}"
            )


def _command(argv: Sequence[str]) -> None:
    try:
        done = subprocess.run(argv, capture_output=True, check=False)  # pylint: disable=ansible-bad-function
    except OSError as exc:
        raise DataError(f"cannot be paused: {argv[0]}: {exc.strerror}") from exc
    if done.returncode:
        raise DataError(f"cannot be paused: {' '.join(argv)}: {done.stderr.decode(errors='replace').strip()}")


def _refuse_without_room(path: str, folder: str) -> None:
    needed, free = data_bytes(path), shutil.disk_usage(folder).free
    if needed > free:
        raise DataError(
            f"the archive may take {needed} bytes and {folder} has {free}: set backup_remote_tmp to another place"
        )


def _take(path: str, snapshot: str, linked: Sequence[str]) -> Iterator[Entry]:
    """Makes the snapshot; yields what is in it, directories before what they hold."""
    waiting = list(reversed(data_names(path)))
    while waiting:
        name = waiting.pop()
        source, copy = os.path.join(path, name), os.path.join(snapshot, name)
        now = os.lstat(source)
        if stat.S_ISDIR(now.st_mode):
            os.mkdir(copy, 0o700)
            waiting += [os.path.join(name, below) for below in sorted(os.listdir(source), reverse=True)]
            yield Entry(name, now.st_mode, now.st_mtime, 0)
        elif stat.S_ISREG(now.st_mode):
            _link_or_copy(source, copy, link=any(fnmatch.fnmatchcase(name, pattern) for pattern in linked))
            yield Entry(name, now.st_mode, now.st_mtime, now.st_size)
        elif stat.S_ISLNK(now.st_mode):
            raise DataError(
                f"{source} is a link, and what it leads to would not be in the backup: mount it there instead"
            )


def _link_or_copy(source: str, copy: str, link: bool) -> None:
    if link:
        # Another disk is mounted there, or its file system has no links.
        with contextlib.suppress(OSError):
            os.link(source, copy, follow_symlinks=False)
            return
    shutil.copyfile(source, copy, follow_symlinks=False)


class _Digest:
    """A file to write to that knows the SHA-256 and the size of what was written."""

    def __init__(self, out: IO[bytes]) -> None:
        self._out = out
        self._sha256 = hashlib.sha256()
        self.size = 0

    def write(self, chunk: bytes) -> int:
        self._sha256.update(chunk)
        self.size += len(chunk)
        return self._out.write(chunk)

    def flush(self) -> None:
        self._out.flush()

    @property
    def hexdigest(self) -> str:
        return self._sha256.hexdigest()


def _archive(snapshot: str, entries: Sequence[Entry], dest: str, as_owner_of: str) -> tuple[str, int]:
    """Writes the archive; returns its SHA-256 and size. Each file goes in at the size it had in the snapshot."""
    folder = os.stat(os.path.dirname(dest))
    fd = os.open(dest, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(fd, "wb") as out, as_owner(as_owner_of):
        digest = _Digest(out)
        with gzip.GzipFile("", "wb", 1, digest, mtime=0) as packed, tarfile.open(fileobj=packed, mode="w|") as tar:
            for entry in entries:
                _add(tar, os.path.join(snapshot, entry.name), entry)
    # Whoever logs in fetches it.
    os.chown(dest, folder.st_uid, folder.st_gid)
    return digest.hexdigest, digest.size


def _add(tar: tarfile.TarFile, path: str, entry: Entry) -> None:
    info = tarfile.TarInfo(entry.name)
    info.mode, info.mtime, info.size = stat.S_IMODE(entry.mode), entry.modified, entry.size
    if entry.is_directory:
        info.type = tarfile.DIRTYPE
        tar.addfile(info)
        return
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as content:
            tar.addfile(info, content)
    except OSError as exc:
        raise DataError(f"{entry.name} cannot be read: {exc}: run the backup again") from exc
