# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The directory on the controller that keeps what the safety of a stack rests on (stack_secrets_dir)."""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ansible.errors import AnsibleError
from ansible_collections.claude_code.observability.plugins.module_utils._safe_files import (
    FileError,
    read_file,
    replace_file,
    status_of,
)

LOCK = ".lock"
# It often lies beside the inventory, in somebody's repository.
IGNORE = ".gitignore"
# What check mode would have written, in this process.
DRY: dict[Path, bytes] = {}


class SecretsDir:
    """Files of mode 0600 in a directory of mode 0700, which the first write makes.

    With `dry` (check mode) no file is written: this process alone keeps what would be.
    A directory that others may read, or that belongs to somebody else, raises AnsibleError.
    """

    def __init__(self, path: str, dry: bool = False) -> None:
        self.path = Path(path).expanduser().absolute()
        self.dry = dry

    def read(self, name: str) -> bytes | None:
        """The content of a file, None if there is none."""
        self._refuse_unsafe()
        if self.dry and self.path / name in DRY:
            return DRY[self.path / name]
        try:
            return read_file(str(self.path / name))
        except (OSError, FileError) as error:
            raise AnsibleError(f"stack_secrets_dir: {error}") from error

    def write(self, name: str, data: bytes) -> None:
        """Replaces a file at one stroke. The caller holds the lock."""
        if self.dry:
            DRY[self.path / name] = data
            return
        self._create()
        path = str(self.path / name)
        try:
            replaced = replace_file(path, data, status_of(path), 0o600)
        except (OSError, FileError) as error:
            raise AnsibleError(f"stack_secrets_dir: {error}") from error
        if not replaced:
            raise AnsibleError(f"{path} was changed by something else at this very moment. Run it again.")

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keeps other processes out between reading and writing. It can't be taken twice by one process."""
        if self.dry:
            yield
            return
        self._create()
        handle = os.open(self.path / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def _create(self) -> None:
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._refuse_unsafe()
            if not (self.path / IGNORE).exists():
                (self.path / IGNORE).write_text("*\n", encoding="utf-8")
        except OSError as error:
            raise AnsibleError(
                f"stack_secrets_dir is {self.path}, which can't be written: {error.strerror}. "
                "Set it to a directory of yours on the controller."
            ) from error

    def _refuse_unsafe(self) -> None:
        status = status_of(str(self.path))
        if status is None:
            return
        if status.st_uid != os.geteuid():
            raise AnsibleError(
                f"stack_secrets_dir is {self.path}, which belongs to uid {status.st_uid}, not to you "
                f"(uid {os.geteuid()}). Run as its user, or set it to a directory of yours."
            )
        if stat.S_IMODE(status.st_mode) & 0o077:
            raise AnsibleError(
                f"stack_secrets_dir is {self.path}, which others may read (mode {stat.S_IMODE(status.st_mode):04o}). "
                f"Close it: chmod 700 {self.path}"
            )
