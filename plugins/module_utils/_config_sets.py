# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole configuration of a program as one set of files, made current by one rename.

    <path>/sets/<name>/...      a set; the name is a hash, so it says what is inside
    <path>/current              link to the set in force
    <path>/applied              link to the set with which the service was last known to work
    <path>/restart-due          there while the service may run with another set than C(applied), though that is current

A set is written and checked under a temporary name and gets its own only afterwards. Whatever stops a run,
C(current) leads to one whole set.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Callable

from ansible_collections.claude_code.observability.plugins.module_utils._util import (
    COLLECTION,
    MARKER,
    HostError,
    fsync_dir,
    group_name,
    is_foreign,
    owner_name,
    read_marker,
    set_attributes,
    write_marker,
    write_new,
)

FILE_MODE = 0o640
DIR_MODE = 0o750
STAGE = ".stage-"
# Names the secret files of a set, so that a later diff knows what it must not show.
SECRET_NAMES = ".secrets"
RESTART_DUE = "restart-due"
LOCK_SECONDS = 60


@dataclass(frozen=True)
class Directory:
    """A directory to ensure; uid or gid -1 is one that does not exist yet (check mode)."""

    path: str
    uid: int
    gid: int
    mode: int = DIR_MODE
    marker: bool = False


@dataclass(frozen=True)
class Request:
    """What the host shall hold. Link texts of None are links that shall be gone."""

    path: str
    files: Mapping[str, bytes]
    secrets: Mapping[str, bytes] = field(default_factory=dict)
    uid: int = -1
    gid: int = -1
    directories: tuple[Directory, ...] = ()
    links: Mapping[str, str | None] = field(default_factory=dict)
    checkers: tuple[tuple[str, ...], ...] = ()
    marker: Mapping[str, Any] = field(default_factory=dict)
    keep: int = 3

    @property
    def sets(self) -> str:
        return os.path.join(self.path, "sets")

    @property
    def contents(self) -> dict[str, bytes]:
        """Every file of the set as it lies on disk."""
        contents = {**self.files, **self.secrets}
        if self.secrets:
            contents[SECRET_NAMES] = "".join(f"{name}\n" for name in sorted(self.secrets)).encode()
        return contents

    @property
    def all_directories(self) -> tuple[Directory, ...]:
        own = (self.path, self.sets)
        return (*(Directory(path, self.uid, self.gid) for path in own), *self.directories)


@dataclass
class Plan:
    """What is there and what is to be done about it."""

    name: str
    previous: str | None
    applied: str | None
    restart_due: bool
    whole: bool
    marker: dict[str, Any]
    leftovers: bool
    changed_files: list[str]
    diff: list[dict[str, str]]

    @property
    def pending(self) -> bool:
        """Whether the service may run with anything but this set, once it is in force."""
        return not (self.whole and self.applied == self.name) or self.restart_due

    @property
    def changed(self) -> bool:
        return bool(self.diff)


# --- pure -----------------------------------------------------------------------------------------------------------


def check_names(files: Mapping[str, Any], secrets: Mapping[str, Any]) -> None:
    """Refuses names that leave the set, collide, or are not text."""
    for option, texts in (("files", files), ("secrets", secrets)):
        for name, text in texts.items():
            if not name or name.startswith("/") or os.path.normpath(name) != name or name.split("/")[0] == "..":
                raise HostError(f"{option}: {name!r} is not a plain relative path below the set")
            if name == SECRET_NAMES:
                raise HostError(f"{option}: the name {name!r} is taken by the set itself")
            if not isinstance(text, str):
                raise HostError(f"{option}: {name!r} must be text, not {type(text).__name__}")
    names = sorted([*files, *secrets])
    for name in names:
        if name in files and name in secrets:
            raise HostError(f"{name!r} stands in files and in secrets: keep one")
        if any(other.startswith(name + "/") for other in names):
            raise HostError(f"{name!r} is a file and a directory")
    if not names:
        raise HostError("files and secrets are both empty: a set needs at least one file")


def set_name(request: Request) -> str:
    """The name of a set: a hash over names, contents, modes, and the checkers it passed.

    The checkers count because a new version of the program must see the configuration before it runs with it.
    """
    parts: list[Any] = [FILE_MODE, DIR_MODE, request.checkers]
    for name in sorted(request.files):
        parts.append([name, hashlib.sha256(request.files[name]).hexdigest()])
    for name in sorted(request.secrets):
        # The name of a set is printed in logs: a short secret must not be guessable from it.
        slow = hashlib.pbkdf2_hmac("sha256", request.secrets[name], name.encode(), 100_000)
        parts.append([name, "secret", slow.hex()])
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def _access(uid: int, gid: int, mode: int) -> str:
    return f"{owner_name(uid)} {group_name(gid)} {mode:04o}\n"


def _inside(path: str, top: str) -> bool:
    return path == top or path.startswith(top.rstrip("/") + "/")


def _parents(names: Any) -> set[str]:
    """Every directory that the files need, relative, without the top."""
    found: set[str] = set()
    for name in names:
        parent = os.path.dirname(name)
        while parent:
            found.add(parent)
            parent = os.path.dirname(parent)
    return found


# --- reading --------------------------------------------------------------------------------------------------------


def _read(path: str) -> bytes:
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    with os.fdopen(fd, "rb") as handle:
        return handle.read()


def read_tree(top: str) -> dict[str, os.stat_result]:
    """Everything below a directory by relative name, links not followed; empty if it is not there."""
    found: dict[str, os.stat_result] = {}
    for folder, directories, files in os.walk(top):
        for name in (*directories, *files):
            path = os.path.join(folder, name)
            found[os.path.relpath(path, top)] = os.lstat(path)
    return found


def read_set(top: str) -> tuple[dict[str, bytes], set[str]]:
    """The regular files of a set, and the names of those that are secret."""
    files = {
        name: _read(os.path.join(top, name)) for name, info in read_tree(top).items() if stat.S_ISREG(info.st_mode)
    }
    secrets = set(files.pop(SECRET_NAMES, b"").decode(errors="replace").splitlines())
    return files, secrets


def problems(top: str, request: Request) -> list[str]:
    """Names below a set that are missing, altered or too many ("." is the set's own directory)."""
    tree = read_tree(top)
    contents = request.contents
    directories = _parents(contents)
    found = sorted(set(tree) - set(contents) - directories)
    with contextlib.suppress(FileNotFoundError):
        tree["."] = os.lstat(top)
    for name in sorted({".", *directories}):
        info = tree.get(name)
        if info is None or not stat.S_ISDIR(info.st_mode) or not _has(info, request.uid, request.gid, DIR_MODE):
            found.append(name)
    for name, content in sorted(contents.items()):
        info = tree.get(name)
        if (
            info is None
            or not stat.S_ISREG(info.st_mode)
            or not _has(info, request.uid, request.gid, FILE_MODE)
            or info.st_size != len(content)
            or _read(os.path.join(top, name)) != content
        ):
            found.append(name)
    return found


def _has(info: os.stat_result, uid: int, gid: int, mode: int) -> bool:
    return (info.st_uid, info.st_gid, stat.S_IMODE(info.st_mode)) == (uid, gid, mode)


def pointed(path: str, link: str) -> str | None:
    """The name of the set that C(current) or C(applied) leads to."""
    where = os.path.join(path, link)
    try:
        text = os.readlink(where)
    except FileNotFoundError:
        return None
    except OSError as exc:
        raise HostError(f"{where} is not a link, so it is not ours: move it away") from exc
    match = re.fullmatch(r"sets/([0-9a-f]{16})", text)
    if not match:
        raise HostError(f"{where} leads to {text!r}, which is not a set of ours: move it away")
    return match.group(1)


def current_set(path: str) -> str | None:
    """The set in force below a configuration directory, None if there is none of ours."""
    with contextlib.suppress(HostError):
        return pointed(path, "current")
    return None


def restart_due(path: str) -> bool:
    """Whether the service has to be started with the current set, even if that is the applied one."""
    return os.path.lexists(os.path.join(path, RESTART_DUE))


def _directory_change(wanted: Directory) -> str | None:
    """What is there instead of a directory, None if it is as wanted."""
    try:
        info = os.lstat(wanted.path)
    except FileNotFoundError:
        return ""
    except NotADirectoryError as exc:
        raise HostError(f"{wanted.path}: a part of this path is not a directory") from exc
    if stat.S_ISLNK(info.st_mode):
        # A service could plant a link in its own data directory and have root hand it the target.
        if info.st_uid not in (0, os.geteuid()):
            raise HostError(f"{wanted.path} is a link made by {owner_name(info.st_uid)}: remove it")
        if not os.path.exists(wanted.path):
            raise HostError(f"{wanted.path} is a link that leads nowhere: remove it")
        info = os.stat(wanted.path)
    if not stat.S_ISDIR(info.st_mode):
        raise HostError(f"{wanted.path} is there and is not a directory: move it away")
    if wanted.marker and is_foreign(wanted.path):
        raise HostError(
            f"{wanted.path} holds files of {owner_name(info.st_uid)} and not our marker: "
            "move them away or take another directory"
        )
    if _has(info, wanted.uid, wanted.gid, wanted.mode) and not (wanted.marker and read_marker(wanted.path) is None):
        return None
    return _access(info.st_uid, info.st_gid, stat.S_IMODE(info.st_mode))


def _link_change(link: str, text: str | None, request: Request) -> str | None:
    """What is there instead of a link, None if it is as wanted. Files and links that are not ours are refused."""
    if not os.path.lexists(link):
        return None if text is None else ""
    if not os.path.islink(link):
        if text is None:
            return None
        raise HostError(f"{link} is a file of {owner_name(os.lstat(link).st_uid)}, not our link: move it away")
    now = os.readlink(link)
    if now == text:
        return None

    def target(of: str, content: str) -> str:
        return os.path.normpath(os.path.join(os.path.dirname(of), content))

    ours = {target(link, text)} if text else set()
    if _inside(target(link, now), request.path) or target(link, now) in {*ours, *request.links}:
        return now
    if text is None:
        return None
    raise HostError(f"{link} already leads to {now!r}, which is not ours: remove that link first")


def plan(request: Request) -> Plan:
    """Reads the host and says what is to be done; refuses what is not ours. Writes nothing."""
    if is_foreign(request.path):
        raise HostError(
            f"{request.path} holds files of {owner_name(os.lstat(request.path).st_uid)} and not our marker: "
            "move them away or take another directory"
        )
    name = set_name(request)
    previous, applied = pointed(request.path, "current"), pointed(request.path, "applied")
    final = os.path.join(request.sets, name)
    wrong = problems(final, request)
    existing = read_marker(request.path)
    marker = {**_owner(request), **request.marker, **(existing or {})}

    diff: list[dict[str, str]] = []

    def differs(header: str, before: str, after: str) -> None:
        diff.append({"before_header": header, "after_header": header, "before": before, "after": after})

    for directory in request.all_directories:
        now = _directory_change(directory)
        if now is not None:
            after = _access(directory.uid, directory.gid, directory.mode)
            differs(directory.path, now, after if now != after else after + "marked as ours\n")
    if marker != existing:
        differs(os.path.join(request.path, "(marker)"), _json(existing), _json(marker))
    before = os.path.join(request.sets, previous) if previous else ""
    _diff_files(request, before, differs)
    if previous != name:
        differs(os.path.join(request.path, "current"), f"sets/{previous}\n" if previous else "", f"sets/{name}\n")
    elif wrong:
        differs(final, f"altered: {', '.join(wrong)}\n", "whole\n")
    for link, text in request.links.items():
        was = _link_change(link, text, request)
        if was is not None:
            differs(link, f"{was}\n" if was else "", f"{text}\n" if text else "")

    return Plan(
        name=name,
        previous=previous,
        applied=applied,
        restart_due=restart_due(request.path),
        whole=previous == name and not wrong,
        marker=marker,
        leftovers=bool(_leftovers(request.sets)),
        changed_files=_changed_files(request, applied, previous),
        diff=diff,
    )


def _leftovers(sets: str) -> list[str]:
    """What an interrupted run left."""
    if not os.path.isdir(sets):
        return []
    return [os.path.join(sets, name) for name in os.listdir(sets) if name.startswith(STAGE)]


def _owner(request: Request) -> dict[str, str]:
    return {"collection": COLLECTION, "name": os.path.basename(request.path)}


def _json(value: Any) -> str:
    return "" if value is None else json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _changed_files(request: Request, applied: str | None, previous: str | None) -> list[str]:
    """Names of the files that differ from what the service may run with.

    After an interrupted run that is the applied set, or the current one if the service was restarted since.
    """
    wanted = {**request.files, **request.secrets}
    changed: set[str] = set() if applied and not restart_due(request.path) else set(wanted)
    for name in {applied, previous} - {None}:
        before = read_set(os.path.join(request.sets, str(name)))[0]
        changed.update(name for name in {*before, *wanted} if before.get(name) != wanted.get(name))
    return sorted(changed)


def _diff_files(request: Request, before_top: str, differs: Callable[[str, str, str], None]) -> None:
    files, secret = read_set(before_top) if before_top else ({}, set())
    after = {**request.files, **request.secrets}
    for name in sorted({*files, *after}):
        old, new = files.get(name), after.get(name)
        if old == new:
            continue
        header = os.path.join(request.path, "current", name)
        if name in secret or name in request.secrets:
            differs(header, "" if old is None else "(secret)\n", "" if new is None else _secret(old))
        else:
            differs(header, (old or b"").decode(errors="replace"), (new or b"").decode(errors="replace"))


def _secret(old: bytes | None) -> str:
    return "(secret)\n" if old is None else "(changed secret)\n"


# --- writing --------------------------------------------------------------------------------------------------------


def stage(request: Request, where: str) -> str:
    """Writes the set below a directory under a temporary name, synced; returns its path."""
    top = tempfile.mkdtemp(prefix=STAGE, dir=where)
    try:
        _fill(request, top)
    except BaseException:
        shutil.rmtree(top)
        raise
    return top


def _fill(request: Request, top: str) -> None:
    contents = request.contents
    for parent in sorted(_parents(contents)):
        os.mkdir(os.path.join(top, parent), 0o700)
    for name, content in contents.items():
        write_new(os.path.join(top, name), content, request.uid, request.gid, FILE_MODE)
    for parent in (*sorted(_parents(contents), reverse=True), "."):
        _seal(os.path.join(top, parent), request.uid, request.gid)


def _seal(path: str, uid: int, gid: int, mode: int = DIR_MODE, follow: bool = False) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | (0 if follow else os.O_NOFOLLOW))
    try:
        set_attributes(fd, uid, gid, mode)
        os.fsync(fd)
    finally:
        os.close(fd)


def apply(request: Request, check: Callable[[str], None]) -> None:
    """Brings the host to what is asked. C(check) gets the staged set and raises to stop everything."""
    plan(request)  # whatever is refused is refused before the first write
    created: list[str] = []
    try:
        _make_own(request.all_directories[0], created)
        if read_marker(request.path) is None:
            # First of all, so that a run killed later leaves something the next one knows as its own.
            write_marker(request.path, {**_owner(request), **request.marker}, request.uid, request.gid)
            created.append(os.path.join(request.path, MARKER))
        with locked(request.path):
            _apply_locked(request, check, created)
    except BaseException:
        _undo(created)
        raise


def _apply_locked(request: Request, check: Callable[[str], None], created: list[str]) -> None:
    now = plan(request)
    for leftover in _leftovers(request.sets):
        shutil.rmtree(leftover)
    if not now.whole:
        _make_own(request.all_directories[1], created)
        staged = stage(request, request.sets)
        try:
            check(staged)
        except BaseException:
            shutil.rmtree(staged)
            raise
        created.clear()
        if now.applied == now.name:
            # Back to it, or altered since: the service has to be started with it again, whatever stops us from here on.
            _note_restart(request.path)
        _install(request, staged, now)
    for directory in request.all_directories:
        if _directory_change(directory) is not None:
            _ensure(directory, request)
    if now.marker != read_marker(request.path):
        write_marker(request.path, now.marker, request.uid, request.gid)
    if now.previous != now.name:
        os.utime(os.path.join(request.sets, now.name))
        point(os.path.join(request.path, "current"), f"sets/{now.name}")
    for link, text in request.links.items():
        if _link_change(link, text, request) is not None:
            if text is None:
                os.unlink(link)
            else:
                _make(os.path.dirname(link), [])
                point(link, text)
    if now.previous != now.name:
        _prune(request, {now.name, pointed(request.path, "applied")})


def _note_restart(path: str) -> None:
    with open(os.path.join(path, RESTART_DUE), "wb"):
        pass
    fsync_dir(path)


def note_applied(path: str) -> None:
    """Notes that the service works with the current set."""
    with locked(path):
        point(os.path.join(path, "applied"), os.readlink(os.path.join(path, "current")))
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(path, RESTART_DUE))
            fsync_dir(path)


def revert(path: str) -> None:
    """Makes the applied set current again. The service has to be started with it, whatever stops us from here on."""
    with locked(path):
        _note_restart(path)
        point(os.path.join(path, "current"), os.readlink(os.path.join(path, "applied")))


def _make(path: str, created: list[str]) -> bool:
    """Makes a directory and its parents, noting what was new. A service has to pass them, whatever the umask."""
    missing = []
    while not os.path.lexists(path):
        missing.append(path)
        path = os.path.dirname(path)
    for new in reversed(missing):
        os.mkdir(new)
        created.append(new)
        os.chmod(new, 0o755)
    return bool(missing)


def _make_own(directory: Directory, created: list[str]) -> None:
    if _make(directory.path, created):
        _seal(directory.path, directory.uid, directory.gid, directory.mode)


def _ensure(directory: Directory, request: Request) -> None:
    _make(directory.path, [])
    _seal(directory.path, directory.uid, directory.gid, directory.mode, follow=os.path.islink(directory.path))
    if directory.marker and read_marker(directory.path) is None:
        write_marker(directory.path, _owner(request), directory.uid, directory.gid)


def _undo(created: list[str]) -> None:
    """Takes back what a failed run made, up to what cannot be taken back: the marker stays with it."""
    with contextlib.suppress(OSError):
        for path in reversed(created):
            if os.path.basename(path) == MARKER:
                os.unlink(path)
            else:
                os.rmdir(path)


def _install(request: Request, staged: str, now: Plan) -> None:
    """Gives a checked set its name, over whatever stands there."""
    final = os.path.join(request.sets, now.name)
    if not problems(final, request):
        shutil.rmtree(staged)
    elif now.name in (now.previous, now.applied) and os.path.isdir(final):
        # In force, but altered: it cannot be swapped as a whole, so each file is.
        _restore(request, staged, final)
    else:
        if os.path.lexists(final):
            os.rename(final, f"{staged}-old")
        os.rename(staged, final)
        shutil.rmtree(f"{staged}-old", ignore_errors=True)
    fsync_dir(request.sets)


def _restore(request: Request, staged: str, final: str) -> None:
    contents = request.contents
    directories = _parents(contents)
    tree = read_tree(final)
    away = tempfile.mkdtemp(prefix=STAGE, dir=request.sets)
    for number, name in enumerate(sorted(tree)):
        is_dir = stat.S_ISDIR(tree[name].st_mode)
        if (is_dir and name in directories) or (not is_dir and name in contents):
            continue
        with contextlib.suppress(FileNotFoundError):  # gone with its parent
            os.rename(os.path.join(final, name), os.path.join(away, str(number)))
    for parent in sorted(directories):
        with contextlib.suppress(FileExistsError):
            os.mkdir(os.path.join(final, parent), 0o700)
    for name in contents:
        os.replace(os.path.join(staged, name), os.path.join(final, name))
    for parent in (*sorted(directories, reverse=True), "."):
        _seal(os.path.join(final, parent), request.uid, request.gid)
    shutil.rmtree(staged)
    shutil.rmtree(away)


def _prune(request: Request, protected: set[str | None]) -> None:
    names = [name for name in os.listdir(request.sets) if not name.startswith(STAGE)]
    names.sort(key=lambda name: os.lstat(os.path.join(request.sets, name)).st_mtime_ns, reverse=True)
    old = [name for name in names if name not in protected]
    room = max(0, request.keep - (len(names) - len(old)))
    for name in old[room:]:
        # Renamed first: half a set must never stand under a set's name.
        away = os.path.join(request.sets, f"{STAGE}{name}")
        os.rename(os.path.join(request.sets, name), away)
        shutil.rmtree(away)


def point(link: str, text: str) -> None:
    """Makes or replaces a link in one step."""
    folder = os.path.dirname(link)
    temporary = os.path.join(folder, f".{os.path.basename(link)}.new")
    with contextlib.suppress(FileNotFoundError):
        os.unlink(temporary)
    os.symlink(text, temporary)
    os.replace(temporary, link)
    fsync_dir(folder)


@contextlib.contextmanager
def locked(path: str) -> Iterator[None]:
    """One run at a time; the lock is on the directory itself and dies with the process."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        end = time.monotonic() + LOCK_SECONDS
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as exc:
                if time.monotonic() > end:
                    raise HostError(f"another run has worked in {path} for {LOCK_SECONDS} s: try again later") from exc
                time.sleep(0.1)
        yield
    finally:
        os.close(fd)
