# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our drop-in among the managed settings of a host, which are the same for all its users and beat their own.

A managed file that is no JSON object keeps the client from starting, for everybody on the host. So the drop-in is
generated as a whole, parsed back before it is written, and put in place by a rename; the client ignores the names that
a kill may leave behind. Nothing of ours goes beside a file that is broken already.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from . import _json_splice as splice
from ._safe_files import FileError, OwnFile, read_file, replace_file, status_of, sweep
from ._settings_ca import Named, bundle, fingerprints
from ._settings_file import CA_NAME, RECORD_NAME, Outcome
from ._settings_plan import (
    ATTRIBUTES,
    ENDPOINT,
    ENV,
    SIGNAL_ENDPOINTS,
    Change,
    Plan,
    PlanError,
    Wanted,
    decode,
    display,
)

BASE = "managed-settings.json"
FOLDER = "managed-settings.d"
# Read in the order of names, the last value wins: ours leaves room for 60-local.json and the like.
NAME = "50-claude_code.observability.json"
FILE_MODE = 0o644
DIRECTORY_MODE = 0o755


@dataclass(frozen=True)
class _Document:
    """Another managed file, and whether the client reads it after ours."""

    path: str
    env: Mapping[str, Any]
    later: bool


def managed_directory() -> str:
    """Where the client of this system has its managed settings."""
    return "/Library/Application Support/ClaudeCode" if sys.platform == "darwin" else "/etc/claude-code"


def drop_in(directory: str) -> str:
    """The path of our drop-in below the directory of the managed settings."""
    return os.path.join(directory, FOLDER, NAME)


def update_managed(directory: str, wanted: Wanted, check: bool = False) -> Outcome:
    """Brings our drop-in to what is wanted, nothing wanted: away. Raises FileError and PlanError."""
    path = drop_in(directory)
    marker = os.path.join(directory, FOLDER, RECORD_NAME)
    place = os.path.join(directory, FOLDER, CA_NAME)
    variables = wanted.authority.variables
    try:
        _refuse_unsafe_directories(path)
        trusted = fingerprints(read_file(place) or b"")
        plan = _plan(directory, path, replace(wanted, env={**wanted.env, **dict.fromkeys(variables, place)}))
        ca = OwnFile(place, _bundle(directory, place, wanted) if variables else None, FILE_MODE)
        changed = plan.changed or not ca.is_right()
        changed = changed or (os.path.exists(marker) if plan.after is None else not _is_right(path))
        if changed and not check:
            if plan.after is None:
                _remove(path, marker, ca)
            else:
                _write(path, marker, plan.after, ca)
        return Outcome(path, plan, changed, trusted=(trusted, fingerprints(ca.content or b"")))
    except OSError as error:
        raise FileError(f"{error.filename or path}: {error.strerror or error}") from error


def _plan(directory: str, path: str, wanted: Wanted) -> Plan:
    data = read_file(path)
    goal = dict(wanted.env)
    if wanted.attributes:
        goal[ATTRIBUTES] = ",".join(f"{key}={value}" for key, value in wanted.attributes.items())
    others = _others(directory) if goal else []
    theirs = {key for key in wanted.if_absent if any(key in one.env for one in others)}
    left = [key for key in goal if key in theirs and any(one.env.get(key, goal[key]) != goal[key] for one in others)]
    goal = {key: value for key, value in goal.items() if key not in theirs}
    warnings = [*_endpoints(others, goal, wanted), *_overridden(others, goal), *_hidden(path)] if goal else []
    now = {key: json.dumps(value) for key, value in _own_env(path, data).items()}
    then = {key: json.dumps(value) for key, value in goal.items()}
    return Plan(
        before=data,
        after=_content(goal) if goal else None,
        record=None,
        changes=tuple(
            Change(key, now.get(key), then.get(key))
            for key in dict.fromkeys([*then, *now])
            if now.get(key) != then.get(key)
        ),
        left=tuple(left),
        warnings=tuple(warnings),
    )


def _bundle(directory: str, place: str, wanted: Wanted) -> bytes:
    """The certificates, with those that other managed files and the users of the host are led to."""
    names = wanted.authority.variables
    named = [Named(wanted.env[name], f"{name} in this call") for name in names if name in wanted.env]
    named += [
        Named(str(one.env[name]), f"{name} of {one.path}")
        for one in _others(directory)
        for name in names
        if name in one.env
    ]
    return bundle(place, replace(wanted.authority, named=(*named, *wanted.authority.named)))


def _content(env: Mapping[str, str]) -> bytes:
    data = (json.dumps({ENV: env}, indent=2) + "\n").encode()
    if json.loads(data) != {ENV: env}:
        raise PlanError("the drop-in would not hold what was intended, so nothing was written")
    return data


def _own_env(path: str, data: bytes | None) -> Mapping[str, Any]:
    """What our drop-in holds now. A broken one holds nothing, and is replaced."""
    try:
        return _env_of(path, data or b"")
    except PlanError:
        return {}


def _others(directory: str) -> list[_Document]:
    """The other managed files in the order in which the client reads them. Raises PlanError at a broken one."""
    folder = os.path.join(directory, FOLDER)
    names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    drop_ins = [name for name in names if name.endswith(".json") and not name.startswith(".") and name != NAME]
    places = [(os.path.join(directory, BASE), False)]
    places += [(os.path.join(folder, name), name > NAME) for name in drop_ins]
    found = []
    for path, later in places:
        try:
            found.append(_Document(path, _env_of(path, read_file(path) or b""), later))
        except (FileError, PlanError) as error:
            raise PlanError(f"{error}. Claude Code starts for nobody on this host until this is mended") from error
    return found


def _env_of(path: str, data: bytes) -> Mapping[str, Any]:
    _mark, _codec, text = decode(path, data)
    try:
        splice.read_document(text)
    except splice.JsonError as error:
        line, column = splice.line_column(text, error.position)
        raise PlanError(f"{path}:{line}:{column}: {error.message}") from error
    try:
        env = json.loads(text).get(ENV) if text.strip() else None
    except (ValueError, RecursionError):
        # Valid, as was just seen, yet more than Python reads: numbers of thousands of digits, deep nesting.
        env = None
    return env if isinstance(env, dict) else {}


def _endpoints(others: list[_Document], goal: Mapping[str, str], wanted: Wanted) -> list[str]:
    """Endpoints in other managed files that differ from ours."""
    warnings = []
    for one in others:
        for key in (ENDPOINT, *SIGNAL_ENDPOINTS):
            value = one.env.get(key)
            if ENDPOINT not in goal or value in (None, "", goal.get(key)):
                continue
            shown = display(key, json.dumps(value))
            if wanted.refuse_foreign_endpoint:
                raise PlanError(
                    f"{one.path}: {key} is {shown}, set by somebody else. "
                    "Take it out, or allow it to be overridden with endpoint_conflict: overwrite."
                )
            if key not in goal:
                warnings.append(f"{one.path}: {key} is {shown} and beats {ENDPOINT}: that signal goes there")
    return warnings


def _overridden(others: list[_Document], goal: Mapping[str, str]) -> list[str]:
    return [
        f"{one.path}: sets {key} too, is read after {NAME} and wins"
        for one in others
        for key, value in goal.items()
        if one.later and one.env.get(key, value) != value
    ]


def _hidden(path: str) -> list[str]:
    """Directories that a client run by another user can't look into."""
    return [
        f"{place}: not every user may read it, whose Claude Code may then miss the managed settings: chmod 0755 {place}"
        for place in _directories(path)
        if os.path.isdir(place) and stat.S_IMODE(os.stat(place).st_mode) & 0o005 != 0o005
    ]


def _directories(path: str) -> tuple[str, str]:
    """The two above our drop-in that we may have to make, outermost first."""
    folder = os.path.dirname(path)
    return os.path.dirname(folder), folder


def _refuse_unsafe_directories(path: str) -> None:
    """Whoever may write there decides what every client on the host does."""
    for place in _directories(path):
        seen = status_of(place)
        if seen is None:
            continue
        if not stat.S_ISDIR(seen.st_mode):
            raise FileError(f"{place}: is not a directory")
        if seen.st_uid != os.geteuid() or seen.st_mode & 0o022:
            raise FileError(
                f"{place}: others than its owner may write there (owner: uid {seen.st_uid}, mode "
                f"{stat.S_IMODE(seen.st_mode):04o}). Correct it: chown {os.geteuid()} {place}; chmod 0755 {place}"
            )


def _is_right(path: str) -> bool:
    """Everybody can read it, only its owner can write it."""
    seen = os.lstat(path)
    return (seen.st_mode, seen.st_uid, seen.st_gid) == (stat.S_IFREG | FILE_MODE, os.geteuid(), os.getegid())


def _write(path: str, marker: str, data: bytes, ca: OwnFile) -> None:
    made = [place for place in _directories(path) if _make_directory(place)]
    if made:
        body = {"about": "Directories that claude_code.observability made.", "created": made}
        replace_file(marker, (json.dumps(body, indent=2) + "\n").encode(), status_of(marker), FILE_MODE)
    for place in (path, ca.path):
        sweep(place)
    ca.put()
    if not replace_file(path, data, status_of(path), FILE_MODE):
        raise FileError(f"{path}: somebody else keeps writing it; run this again")
    ca.remove()


def _make_directory(place: str) -> bool:
    if os.path.isdir(place):
        return False
    os.mkdir(place)
    os.chmod(place, DIRECTORY_MODE)
    return True


def _remove(path: str, marker: str, ca: OwnFile) -> None:
    created = _created(marker)
    if os.path.isdir(os.path.dirname(path)):
        for place in (path, ca.path):
            sweep(place)
    for place in (path, marker):
        if os.path.lexists(place):
            replace_file(place, None, status_of(place))
    ca.remove()
    for place in reversed(_directories(path)):
        if place in created:
            # Others may have put something there since: then it stays.
            with contextlib.suppress(OSError):
                os.rmdir(place)


def _created(marker: str) -> list[str]:
    try:
        body = json.loads(read_file(marker) or b"{}")
        return [str(place) for place in body["created"]]
    except (ValueError, KeyError, TypeError):
        return []
