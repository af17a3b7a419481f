# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Puts the data of a backup in the place of what a component has, and back again.

The steps are directories beside the data, so that a run that was killed leaves no doubt about which files are whose:

    .restored.part     is being unpacked
    .restored          is unpacked, and waits for its turn
    .former.part       the component's own data, on its way out or back in
    .former            all of it, set aside: what is in place is the backup's
"""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
import tarfile
import zlib
from typing import IO

from ansible_collections.claude_code.observability.plugins.module_utils._data_dir import (
    DataError,
    as_owner,
    data_names,
    only_one,
    remove_tree,
)

CHUNK = 1 << 20
RESTORED, FORMER, PART = ".restored", ".former", ".part"


def stage(path: str, archive: str, sha256: str, data_bytes: int) -> None:
    """Unpacks an archive beside the data, once its checksum is right and there is room. Raises DataError."""
    restored = os.path.join(path, RESTORED)
    with only_one(path), open(archive, "rb") as source:
        found = _sha256(source)
        if found != sha256:
            raise DataError(f"the SHA-256 of {archive} is {found}, but the backup says {sha256}: nothing was changed")
        source.seek(0)
        with as_owner(path):
            remove_tree(restored + PART)
            remove_tree(restored)
            free = shutil.disk_usage(path).free
            if data_bytes > free:
                raise DataError(
                    f"the backup takes {data_bytes} bytes beside the present data and {path} has {free} free"
                )
            os.mkdir(restored + PART, 0o700)
            try:
                _unpack(source, restored + PART)
            except (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError) as exc:
                raise DataError(f"{archive} cannot be unpacked: {exc}: nothing was changed") from exc
            os.sync()
            os.rename(restored + PART, restored)


def switch(path: str) -> None:
    """What is staged takes the place of the data of the stopped component. Raises DataError."""
    restored, former = os.path.join(path, RESTORED), os.path.join(path, FORMER)
    with only_one(path), as_owner(path):
        if not os.path.isdir(restored):
            raise DataError(f"nothing is staged in {path}")
        _put_back(path)
        os.mkdir(former + PART, 0o700)
        _move(path, former + PART)
        os.rename(former + PART, former)
        _move(restored, path)
        os.rmdir(restored)
        os.sync()


def undo(path: str) -> None:
    """The former data is back, wherever a restore was interrupted, and nothing is staged."""
    with only_one(path), as_owner(path):
        _put_back(path)
        remove_tree(os.path.join(path, RESTORED + PART))
        remove_tree(os.path.join(path, RESTORED))


def finish(path: str) -> None:
    """The former data is gone."""
    with only_one(path), as_owner(path):
        remove_tree(os.path.join(path, FORMER))


def _put_back(path: str) -> None:
    former = os.path.join(path, FORMER)
    if os.path.isdir(former):
        for name in data_names(path):
            _remove(os.path.join(path, name))
        # From here on nothing in place is the backup's.
        os.rename(former, former + PART)
    if os.path.isdir(former + PART):
        _move(former + PART, path)
        os.rmdir(former + PART)


def _move(source: str, target: str) -> None:
    for name in data_names(source):
        os.rename(os.path.join(source, name), os.path.join(target, name))


def _remove(path: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    else:
        os.unlink(path)


def _sha256(source: IO[bytes]) -> str:
    digest = hashlib.sha256()
    for chunk in iter(lambda: source.read(CHUNK), b""):
        digest.update(chunk)
    return digest.hexdigest()


def _unpack(source: IO[bytes], tree: str) -> None:
    with gzip.GzipFile(fileobj=source, mode="rb") as packed, tarfile.open(fileobj=packed, mode="r|") as tar:
        for info in tar:
            parts = info.name.split("/")
            if not (info.isreg() or info.isdir()) or set(parts) & {"", ".", ".."}:
                raise DataError(f"{info.name!r} in the archive is not of a backup: nothing was changed")
            path = os.path.join(tree, *parts)
            if info.isdir():
                os.mkdir(path, info.mode & 0o777 | 0o700)
                continue
            content = tar.extractfile(info)
            with open(path, "xb") as out:
                os.fchmod(out.fileno(), info.mode & 0o777)
                if content:
                    shutil.copyfileobj(content, out, CHUNK)
            # Loki goes by the time of its index files.
            os.utime(path, (info.mtime, info.mtime))
