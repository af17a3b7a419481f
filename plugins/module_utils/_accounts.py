# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The accounts of a host that people work with, those of a directory service included."""

from __future__ import annotations

import os
import pwd
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass

from ._run_as import RunAsError, User, invoking_user

LOGIN_DEFS = "/etc/login.defs"
MACOS = sys.platform == "darwin"
HOMES = "/Users" if MACOS else "/home"
NO_LOGIN = ("nologin", "false")


@dataclass(frozen=True)
class Skipped:
    """An account in the range of people's that none works with, and why so."""

    name: str
    reason: str


def chosen(names: Iterable[str], all_users: bool) -> tuple[list[User | str], list[Skipped]]:
    """Those named, everybody, or else the user we run as; and who is left out of everybody. Raises RunAsError."""
    people: list[User | str] = [*dict.fromkeys(names)]
    if not all_users:
        return people or [invoking_user()], []
    if people:
        raise RunAsError("all_users and users exclude each other: leave one of them out")
    if not is_root():
        raise RunAsError("only root can act for all users: set become to true")
    found, skipped = human_users()
    return [*found], skipped


def is_root() -> bool:
    return os.geteuid() == 0


def human_users() -> tuple[list[User], list[Skipped]]:
    """Those with a login shell, by uid; the homes are for the users themselves to look at.

    Directory services such as SSSD often do not list their users. So whoever owns a directory beside a known home is
    asked for by number.
    """
    lowest = lowest_uid()
    entries = {entry.pw_uid: entry for entry in pwd.getpwall() if entry.pw_uid >= lowest}
    skipped = []
    parents = {os.path.dirname(entry.pw_dir) for entry in entries.values() if _has_login(entry)}
    for uid, home in _owners({HOMES, *parents}, lowest).items():
        if uid not in entries:
            try:
                entries[uid] = pwd.getpwuid(uid)
            except KeyError:
                skipped.append(Skipped(str(uid), f"owns {home}, but the host knows no such account"))
    people = []
    for _uid, entry in sorted(entries.items()):
        if _has_login(entry):
            people.append(User(entry.pw_name, entry.pw_uid, entry.pw_gid, entry.pw_dir))
        else:
            skipped.append(Skipped(entry.pw_name, f"its shell is {entry.pw_shell}"))
    return people, skipped


def lowest_uid() -> int:
    """The first number the system gives to people."""
    if MACOS:
        return 500
    try:
        with open(LOGIN_DEFS, encoding="utf-8", errors="replace") as stream:
            found = re.search(r"^\s*UID_MIN\s+(\d+)", stream.read(), re.MULTILINE)
    except OSError:
        found = None
    return int(found.group(1)) if found else 1000


def home_problem(home: str) -> str | None:
    """Why the user we run as has no home to put settings into, None if they have one."""
    try:
        owner = os.stat(home).st_uid
    except OSError as error:
        return f"{home}: {error.strerror}"
    if not os.path.isdir(home):
        return f"{home} is not a directory"
    return None if owner == os.geteuid() else f"{home} belongs to uid {owner}"


def _has_login(entry: pwd.struct_passwd) -> bool:
    return os.path.basename(entry.pw_shell) not in NO_LOGIN


def _owners(parents: Iterable[str], lowest: int) -> dict[int, str]:
    """Who owns a directory in one of these, and the first such directory."""
    owners: dict[int, str] = {}
    for parent in sorted(set(parents) - {"", "/"}):
        try:
            entries = sorted(os.scandir(parent), key=lambda entry: entry.name)
        except OSError:
            continue
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                uid = entry.stat(follow_symlinks=False).st_uid
                if uid >= lowest:
                    owners.setdefault(uid, entry.path)
    return owners
