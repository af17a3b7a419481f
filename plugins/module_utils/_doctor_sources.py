# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads every place that can set a telemetry variable of one user's client. Runs as that user, and runs no shell."""

from __future__ import annotations

import glob
import json
import os
import pwd
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from . import _json_splice as splice
from ._run_as import User
from ._safe_files import FileError, read_file
from ._settings_lint import KNOWN
from ._settings_managed import BASE, FOLDER, managed_directory
from ._settings_plan import PlanError, decode

MANAGED, LOCAL, PROJECT, USER, SHELL = "managed", "local", "project", "user", "shell"
LAYERS = (MANAGED, LOCAL, PROJECT, USER, SHELL)
REPOSITORY = (LOCAL, PROJECT)
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")
CONFIG_DIR = "CLAUDE_CONFIG_DIR"
WATCHED = {*KNOWN, *PROXIES, "NODE_EXTRA_CA_CERTS", CONFIG_DIR}
# With another type there Claude Code ignores the whole file. Seen with 2.1.330; in managed files only the key.
TYPES: dict[str, tuple[type, ...]] = {
    "env": (dict,),
    "permissions": (dict,),
    "cleanupPeriodDays": (int, float),
    "model": (str,),
    "includeCoAuthoredBy": (bool,),
    "statusLine": (dict,),
    "otelHeadersHelper": (str,),
}


@dataclass(frozen=True)
class Setting:
    """A value and its place. `computed`: a shell would make something else of it."""

    value: str
    where: str
    computed: bool = False


@dataclass(frozen=True)
class Source:
    """One file, or the environment. `problem` says why nothing of it counts."""

    layer: str
    path: str
    env: Mapping[str, Setting] = field(default_factory=dict)
    headers_helper: str = ""
    problem: str = ""


def managed_sources() -> list[Source]:
    """The managed files, the strongest first: drop-ins in reverse order, then the base file."""
    directory = managed_directory()
    drop_ins = sorted(glob.glob(os.path.join(glob.escape(directory), FOLDER, "*.json")), reverse=True)
    return _settings(MANAGED, [*drop_ins, os.path.join(directory, BASE)])


def project_sources(directory: str) -> list[Source]:
    """The settings of a repository."""
    folder = os.path.join(directory, ".claude")
    return [
        *_settings(LOCAL, [os.path.join(folder, "settings.local.json")]),
        *_settings(PROJECT, [os.path.join(folder, "settings.json")]),
    ]


def user_sources(config_directory: str) -> list[Source]:
    return _settings(USER, [os.path.join(config_directory, "settings.json")])


def shell_sources(user: User, environment: Mapping[str, str]) -> list[Source]:
    """The environment of our own process and the files the user's login shell reads, the last one read first."""
    inherited = {name: Setting(value, "environment") for name, value in environment.items() if is_watched(name)}
    sources = [Source(SHELL, "environment", inherited)] if inherited else []
    for path in _shell_files(user):
        text = _text(path)
        if text is not None:
            env = assignments(text, path, user.home)
            if env:
                sources.append(Source(SHELL, path, env))
    return sources[::-1]


def is_watched(name: str) -> bool:
    """Whether a variable has to do with where telemetry goes."""
    return name in WATCHED or name.startswith("OTEL_")


def read_settings(layer: str, path: str) -> Source | None:
    """One settings file, None if there is none."""
    try:
        data = read_file(path)
        if data is None:
            return None
        text = decode(path, data)[2]
    except (FileError, PlanError) as error:
        return Source(layer, path, problem=str(error))
    except OSError as error:
        return Source(layer, path, problem=f"{path}: {error.strerror}")
    try:
        return _source(layer, path, text)
    except splice.JsonError as error:
        line, column = splice.line_column(text, error.position)
        return Source(layer, path, problem=f"{path}:{line}:{column}: {error.message}")


def assignments(text: str, path: str, home: str) -> dict[str, Setting]:
    """What a shell script exports, as far as reading tells. /etc/environment exports all of its lines."""
    exported: dict[str, Setting] = {}
    plain: dict[str, Setting] = {}
    for number, line in enumerate(text.splitlines(), 1):
        for words in _commands(line):
            export = words[0] == "export" or path == "/etc/environment"
            for word in words:
                name, equals, value = word.partition("=")
                if not is_watched(name):
                    continue
                if equals:
                    value = _expanded(value, home)
                    setting = Setting(value, f"{path}:{number}", "$" in value or "`" in value)
                    (exported if export or name in exported else plain)[name] = setting
                elif export and name in plain:
                    exported[name] = plain[name]
    return exported


def _settings(layer: str, paths: list[str]) -> list[Source]:
    found = (read_settings(layer, path) for path in paths)
    return [source for source in found if source is not None]


def _source(layer: str, path: str, text: str) -> Source:
    document = splice.read_document(text)
    if document is None:
        return Source(layer, path)
    body = json.loads(text)
    places = {member.key: member.key_start for member in document.members}
    wrong = [key for key, types in TYPES.items() if key in body and not isinstance(body[key], types)]
    if wrong and layer != MANAGED:
        raise splice.JsonError(f"{wrong[0]} is no {_kind(wrong[0])}", places[wrong[0]])
    env = {} if "env" in wrong else body.get("env", {})
    spots = splice.find_object(text, "env") if env else None
    lines = {one.key: splice.line_column(text, one.key_start)[0] for one in (spots.members if spots else ())}
    return Source(
        layer,
        path,
        {
            name: Setting(_string(value), f"{path}:{lines[name]}")
            for name, value in env.items()
            if is_watched(name) and isinstance(value, (str, int, float))
        },
        "" if "otelHeadersHelper" in wrong else body.get("otelHeadersHelper", ""),
    )


def _kind(key: str) -> str:
    return {dict: "object", str: "string", bool: "truth value"}.get(TYPES[key][0], "number")


def _string(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _shell_files(user: User) -> Iterator[str]:
    """In the order in which a login shell, then an interactive one, reads them."""
    try:
        shell = os.path.basename(pwd.getpwuid(user.uid).pw_shell)
    except KeyError:
        shell = ""
    yield "/etc/environment"
    if shell == "zsh":
        yield from ("/etc/zshenv", "/etc/zsh/zshenv")
        yield from (os.path.join(user.home, name) for name in (".zshenv", ".zprofile", ".zshrc"))
        return
    yield "/etc/profile"
    yield from sorted(glob.glob("/etc/profile.d/*.sh"))
    login = [os.path.join(user.home, name) for name in (".bash_profile", ".bash_login", ".profile")]
    yield from [path for path in login if os.path.exists(path)][:1]
    yield from ("/etc/bash.bashrc", os.path.join(user.home, ".bashrc"))


def _text(path: str) -> str | None:
    try:
        data = read_file(path)
    except (FileError, OSError):
        return None
    return None if data is None else data.decode(errors="replace")


def _commands(line: str) -> Iterator[list[str]]:
    """The simple commands of a line of shell, without quotes. A line that is only part of something is skipped."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=";&|(){}")
    lexer.whitespace_split = True
    commands: list[list[str]] = [[]]
    try:
        for word in lexer:
            if not word.strip(";&|(){}"):
                commands.append([])
            elif commands[-1] or word not in ("then", "do", "else"):
                commands[-1].append(word)
    except ValueError:
        return
    yield from filter(None, commands)


def _expanded(value: str, home: str) -> str:
    if value.startswith("~/"):
        value = home + value[1:]
    return value.replace("${HOME}", home).replace("$HOME", home)
