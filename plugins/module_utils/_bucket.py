# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups in a bucket of S3 or of a store that speaks like it. The manifest says that one is whole: it comes last."""

from __future__ import annotations

import os
import re
import traceback
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

try:
    import boto3  # type: ignore[import-untyped]
    from boto3.exceptions import Boto3Error  # type: ignore[import-untyped]
    from botocore.config import Config  # type: ignore[import-untyped]
    from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]

    BOTO3_ERROR = ""
    FAILURES: tuple[type[Exception], ...] = (Boto3Error, BotoCoreError, ClientError, OSError, ValueError)
except ImportError:
    BOTO3_ERROR = traceback.format_exc()
    FAILURES = (OSError, ValueError)

MANIFEST = "manifest.json"
NAME = re.compile(r"\d{8}T\d{6}Z")


class BucketError(Exception):
    """What went wrong, for the user."""


class Bucket:
    """The backups below a prefix of a bucket. Credentials are where boto3 looks for them.

    What fails raises BucketError.
    """

    def __init__(self, bucket: str, prefix: str = "", endpoint: str = "", region: str = "", ca_path: str = "") -> None:
        self.bucket, self.prefix = bucket, f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self.shown = f"s3://{bucket}/{self.prefix}"
        # Stores other than Amazon's do not all know the checksums that boto3 sends and expects by default.
        config = Config(
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            retries={"mode": "standard", "max_attempts": 5},
        )
        try:
            self._s3 = boto3.session.Session().client(
                "s3",
                endpoint_url=endpoint or None,
                region_name=region or None,
                verify=ca_path or None,
                config=config,
            )
        except FAILURES as error:
            raise self._failure("reach", error) from error

    def backups(self) -> dict[str, dict[str, int]]:
        """The files of each backup, whole or not, with their sizes in bytes. By name, so from the oldest on."""
        found: dict[str, dict[str, int]] = defaultdict(dict)
        try:
            for page in self._s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=self.prefix):
                for entry in page.get("Contents", []):
                    name, _slash, file = entry["Key"][len(self.prefix) :].partition("/")
                    if NAME.fullmatch(name) and file:
                        found[name][file] = entry["Size"]
        except FAILURES as error:
            raise self._failure("list", error) from error
        return dict(sorted(found.items()))

    def whole(self) -> list[str]:
        """The names of the whole backups, the newest last."""
        return [name for name, files in self.backups().items() if MANIFEST in files]

    def push(self, directory: Path) -> bool:
        """Puts the files of a backup there that are not; returns whether there were any."""
        name = directory.name
        there = self.backups().get(name, {})
        wanted = {str(path.relative_to(directory)): path for path in directory.rglob("*") if path.is_file()}
        missing = [file for file, path in wanted.items() if there.get(file) != path.stat().st_size]
        if MANIFEST in there and not missing:
            return False
        for file in _manifest_last(missing):
            try:
                self._s3.upload_file(str(wanted[file]), self.bucket, self._key(name, file))
            except FAILURES as error:
                raise self._failure(f"write {name}/{file} to", error) from error
        stored = self.backups().get(name, {})
        short = [file for file, path in wanted.items() if stored.get(file) != path.stat().st_size]
        if short:
            raise BucketError(f"{self.shown}{name} has not the size it should have: {', '.join(sorted(short))}")
        return True

    def pull(self, name: str, directory: Path) -> bool:
        """Brings a whole backup below the directory, unless it is there; returns whether it was not."""
        files = self.backups().get(name, {})
        if MANIFEST not in files:
            raise BucketError(f"{self.shown} has no whole backup {name}. It has {', '.join(self.whole()) or 'none'}.")
        target = directory / name
        if (target / MANIFEST).exists():
            return False
        for file in _manifest_last(files):
            path = target / file
            if target not in Path(os.path.normpath(path)).parents:
                raise BucketError(f"{self.shown}{name} has a file whose name leaves its directory: {file}")
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                part = path.with_name(f"{path.name}.part")
                with open(part, "wb", opener=_private) as handle:
                    self._s3.download_fileobj(self.bucket, self._key(name, file), handle)
                    os.fsync(handle.fileno())
                part.rename(path)
            except FAILURES as error:
                raise self._failure(f"read {name}/{file} from", error) from error
        return True

    def keep(self, number: int, newest: str) -> list[str]:
        """Deletes all whole backups but so many, and what failed ones left before the newest; returns their names."""
        backups = self.backups()
        kept = [name for name, files in backups.items() if MANIFEST in files][-number:]
        gone = [name for name in backups if name not in kept and name < newest]
        for name in gone:
            # Without its manifest it is no backup any more.
            for file in reversed(list(_manifest_last(backups[name]))):
                try:
                    self._s3.delete_object(Bucket=self.bucket, Key=self._key(name, file))
                except FAILURES as error:
                    raise self._failure(f"delete {name}/{file} in", error) from error
        return gone

    def _key(self, name: str, file: str) -> str:
        return f"{self.prefix}{name}/{file}"

    def _failure(self, what: str, error: Exception) -> BucketError:
        text = str(error)
        hint = ""
        if "redential" in text or "AccessDenied" in text or "InvalidAccessKeyId" in text or "Signature" in text:
            hint = " Credentials come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or the machine."
        elif "NoSuchBucket" in text:
            hint = " Make the bucket first, or set backup_bucket to one that is there."
        elif "Could not connect" in text or "endpoint" in text.lower():
            hint = " Is backup_s3_endpoint right?"
        return BucketError(f"cannot {what} {self.shown}: {text}{hint}")


def _manifest_last(files: Any) -> Iterator[str]:
    yield from sorted(file for file in files if file != MANIFEST)
    if MANIFEST in files:
        yield MANIFEST


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
