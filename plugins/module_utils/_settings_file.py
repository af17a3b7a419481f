# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads and writes one user's settings.json, as that user.

Locks and writes as the client does: a directory `settings.json.lock`, a re-read under it, a temporary file
`settings.json.tmp.<pid>.<hex>` in the same directory, fsync, rename. A kill leaves the old file or the new one.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from ._safe_files import STALE, FileError, OwnFile, age_of, read_file, replace_file, status_of, sweep
from ._settings_ca import Named, bundle, fingerprints
from ._settings_plan import HELPER, Change, Plan, Record, Wanted, dump_record, load_record, make_plan

# Made, and taken away, with the settings. The script holds a credential.
SCRIPT_NAME = "claude_code.observability-headers"
CA_NAME = "claude_code.observability-ca.pem"
RECORD_NAME = ".claude_code.observability.json"
BACKUPS = 3
LOCK_WAIT = 0.8
LOCK_POLL = 0.05
_TRIES = 3
_BACKUP = re.compile(r"settings\.json\.\d{8}T\d{6}Z\.\d{9}\.bak")


@dataclass(frozen=True)
class Outcome:
    """What was, or in check mode would be, done. `trusted`: the certificates in our file, before and after."""

    path: str
    plan: Plan
    changed: bool
    backup_file: str = ""
    trusted: tuple[list[str], list[str]] = ([], [])


@dataclass(frozen=True)
class _Look:
    """What is to become of the settings, and of our files beside them, each by a key that leads to it."""

    plan: Plan
    record: Record | None
    beside: Mapping[str, OwnFile]

    @property
    def wrong(self) -> list[str]:
        return [key for key, file in self.beside.items() if not file.is_right()]


def update(directory: str, wanted: Wanted, backup: bool = False, check: bool = False) -> Outcome:
    """Brings the settings in a client's configuration directory to what is wanted. Raises FileError and PlanError."""
    path = os.path.join(directory, "settings.json")
    try:
        trusted = fingerprints(read_file(os.path.join(directory, CA_NAME)) or b"")
        look = _look(directory, path, wanted)
        plan, wrong = look.plan, look.wrong
        changed = plan.changed or (plan.record is None and look.record is not None) or bool(wrong)
        if changed:
            _refuse_foreign_directory(directory)
        if changed and not check:
            plan, backup_file = _write(directory, path, wanted, backup)
        else:
            backup_file = ""
        for key in wrong:
            if all(change.key != key for change in plan.changes):
                raw = json.dumps(look.beside[key].path)
                plan = replace(plan, changes=(*plan.changes, Change(key, raw, raw)))
        return Outcome(
            path, plan, changed, backup_file, (trusted, fingerprints(look.beside[wanted.authority.key].content or b""))
        )
    except OSError as error:
        raise FileError(f"{error.filename or path}: {error.strerror or error}") from error


def _look(directory: str, path: str, wanted: Wanted) -> _Look:
    script, ca = (os.path.join(directory, name) for name in (SCRIPT_NAME, CA_NAME))
    authority = wanted.authority
    record_path = os.path.join(directory, RECORD_NAME)
    data = read_file(record_path)
    record = None if data is None else load_record(record_path, data)
    goal = replace(
        wanted,
        env={**wanted.env, **dict.fromkeys(authority.variables, ca)},
        helper=shlex.quote(script) if wanted.headers else "",
    )
    plan = make_plan(path, read_file(path), record, goal)
    owned = plan.record.values if plan.record else {}
    former = {name: owned[name].before for name in authority.variables if name in owned}
    former.update((name, json.dumps(wanted.env[name])) for name in authority.variables if name in wanted.env)
    held = [Named(json.loads(raw), f"{name} of {path}") for name, raw in former.items() if raw and raw[0] == '"']
    return _Look(
        plan,
        record,
        {
            HELPER: OwnFile(script, _script(wanted.headers) if wanted.headers else None, 0o700),
            authority.key: OwnFile(ca, bundle(ca, authority, held) if authority.pem else None, 0o600),
        },
    )


def _write(directory: str, path: str, wanted: Wanted, backup: bool) -> tuple[Plan, str]:
    """The plan that was carried out, and the backup."""
    made = _make_directory(directory)
    target = os.path.realpath(path)
    record_path = os.path.join(directory, RECORD_NAME)
    backup_file = ""
    with contextlib.ExitStack() as locks:
        for place in dict.fromkeys((path, target)):
            locks.enter_context(_lock(place))
        for place in (target, record_path, *(os.path.join(directory, name) for name in (SCRIPT_NAME, CA_NAME))):
            sweep(place)
        for _attempt in range(_TRIES):
            seen = status_of(target)
            look = _look(directory, path, wanted)
            plan, old = look.plan, look.record
            for file in look.beside.values():
                file.put()
            new = plan.record and replace(plan.record, created_directory=made or plan.record.created_directory)
            if not plan.changed:
                break
            if new is not None:
                replace_file(record_path, dump_record(old.joined(new) if old else new), status_of(record_path))
            if backup and plan.before is not None and not plan.before_is_ours:
                backup_file = _back_up(directory, plan.before)
            if replace_file(target, plan.after, seen):
                break
        else:
            raise FileError(f"{path}: somebody else keeps writing it; run this again")
        for file in look.beside.values():
            file.remove()
        if new is None and old is not None:
            replace_file(record_path, None, status_of(record_path))
            _drop_backups(directory, plan.after)
        elif new is not None and old is not None and plan.changed:
            replace_file(record_path, dump_record(new), status_of(record_path))
    if new is None and (made or (old is not None and old.created_directory)):
        # Others may have put something there since: then it stays.
        with contextlib.suppress(OSError):
            os.rmdir(directory)
    return plan, backup_file


def _script(headers: Mapping[str, str]) -> bytes:
    return f"#!/bin/sh\ncat <<'HEADERS'\n{json.dumps(headers)}\nHEADERS\n".encode()


def _refuse_foreign_directory(directory: str) -> None:
    """Record, lock and backup would lie in it: a link may lead into a directory that everybody may write."""
    if os.path.lexists(directory) and not os.path.isdir(directory):
        raise FileError(f"{directory}: is not a directory, and no link to one")
    seen = status_of(directory)
    if seen is not None and seen.st_uid != os.geteuid():
        raise FileError(
            f"{directory}: belongs to uid {seen.st_uid}, not to uid {os.geteuid()}. "
            f"Give it to its user first: chown {os.geteuid()} {os.path.realpath(directory)}"
        )


def _make_directory(directory: str) -> bool:
    if os.path.isdir(directory):
        return False
    os.mkdir(directory, 0o700)
    return True


@contextlib.contextmanager
def _lock(path: str) -> Iterator[None]:
    """The client's lock. Like the client: a stale one goes, a fresh one is waited for, then left to its owner."""
    lock = path + ".lock"
    held = False
    deadline = time.monotonic() + LOCK_WAIT
    while not held:
        try:
            os.mkdir(lock, 0o700)
            held = True
        except FileExistsError:
            if age_of(lock) > STALE:
                with contextlib.suppress(OSError):
                    os.rmdir(lock)
            if time.monotonic() >= deadline:
                break
            time.sleep(LOCK_POLL)
    try:
        yield
    finally:
        if held:
            with contextlib.suppress(OSError):
                os.rmdir(lock)


def _back_up(directory: str, data: bytes) -> str:
    """A copy of the file as it was, readable by its owner only. The newest few are kept."""
    # One reading of the clock: two could lie on both sides of a second, and the names out of order.
    seconds, nanoseconds = divmod(time.time_ns(), 10**9)
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(seconds))
    path = os.path.join(directory, f"settings.json.{stamp}.{nanoseconds:09d}.bak")
    replace_file(path, data, None)
    for old in _backups(directory)[:-BACKUPS]:
        os.unlink(old)
    return path


def _drop_backups(directory: str, data: bytes | None) -> None:
    """Copies that say no more than the file itself."""
    for path in _backups(directory):
        if read_file(path) == data:
            os.unlink(path)


def _backups(directory: str) -> list[str]:
    """Oldest first. What is no file of that name is none of ours."""
    with os.scandir(directory) as entries:
        return sorted(
            entry.path for entry in entries if _BACKUP.fullmatch(entry.name) and entry.is_file(follow_symlinks=False)
        )
