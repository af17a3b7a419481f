# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must hold for every settings file.

FUZZ_FILES sets how many valid and how many broken ones are drawn, FUZZ_SEED where the row starts.
"""

from __future__ import annotations

import json
import os
import re
from random import Random
from typing import Any

import pytest
from ansible_collections.claude_code.observability.plugins.module_utils import _resource_attributes as attributes
from ansible_collections.claude_code.observability.plugins.module_utils._settings_plan import (
    HELPER,
    PlanError,
    Record,
    Wanted,
    make_plan,
)
from settings_files import KEYS, File, broken

FILES = int(os.environ.get("FUZZ_FILES", "10000"))
SEED = int(os.environ.get("FUZZ_SEED", "20261124"))
PARTS = 10
TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]:,]|[^\s"{}\[\]:,]+|[ \t\r\n]+')
NOTHING = Wanted()


def wanted_by(draw: Random) -> Wanted:
    names = [*KEYS[:3], "NEW_ONE", "é"]
    env = {
        name: draw.choice(("1", "otlp", "http://localhost:4317", "é😀", "")) for name in names if draw.random() < 0.5
    }
    items = {name: draw.choice(("old", "alice", "t1")) for name in ("developer", "team") if draw.random() < 0.5}
    if not env and not items:
        env = {"NEW_ONE": "1"}
    names = [*env, *([KEYS[-1]] if items else [])]
    if_absent = frozenset(name for name in names if draw.random() < 0.3)
    return Wanted(env, items, if_absent=if_absent, helper=draw.choice(("", "", "", "/x/headers")))


def load(data: bytes | None) -> Any:
    """By the standard library, numbers as written: the judge, not the code under test."""
    text = (data or b"").decode("utf-16" if (data or b"").startswith(b"\xff\xfe") else "utf-8-sig")
    return json.loads(text, parse_int=Number, parse_float=Number) if text.strip() else {}


class Number(str):
    """A number by its letters, never equal to a string of the same letters."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Number) and str(self) == str(other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = str.__hash__


def merged(before: Any, wanted: Wanted) -> Any:
    """The intended value, by plain dictionaries."""
    env = dict(before.get("env", {}))
    for name, value in wanted.env.items():
        if name not in env or name not in wanted.if_absent:
            env[name] = value
    if wanted.attributes:
        text = env.get(KEYS[-1], "")
        new = {}
        for name, value in wanted.attributes.items():
            item = attributes.item_of(text, name)
            stays = item is not None and (KEYS[-1] in wanted.if_absent or attributes.value_of(item) == value)
            new |= {} if stays else {name: f"{name}={value}"}
        if new or KEYS[-1] not in env:
            env[KEYS[-1]] = attributes.change(text, new)
    helper = {HELPER: wanted.helper} if wanted.helper else {}
    return {**before, **({"env": env} if env or "env" in before else {}), **helper}


def left_by(before: Any, wanted: Wanted) -> set[str]:
    """The variables that hold another value than the one asked for, and may."""
    env = before.get("env", {})
    left = {name for name in wanted.if_absent if name in env and name in wanted.env and env[name] != wanted.env[name]}
    if KEYS[-1] in wanted.if_absent and KEYS[-1] in env:
        found = [(attributes.item_of(env[KEYS[-1]], name), value) for name, value in wanted.attributes.items()]
        if any(item is not None and attributes.value_of(item) != value for item, value in found):
            left.add(KEYS[-1])
    return left


@pytest.mark.parametrize("part", range(PARTS))
def test_valid_files(part: int) -> None:
    for seed in range(SEED + part, SEED + FILES, PARTS):
        file = File(seed)
        wanted = wanted_by(file.random)
        other = wanted_by(file.random)
        try:
            check(file, wanted, other)
        except Exception as error:
            raise AssertionError(f"FUZZ_SEED={seed} FUZZ_FILES=1: {file.data!r} {wanted}") from error


def check(file: File, wanted: Wanted, other: Wanted) -> None:
    before = load(file.data)
    done = make_plan("f", file.data, None, wanted)
    assert done.after is not None

    after = load(done.after)
    assert after == merged(before, wanted)
    assert set(done.left) == left_by(before, wanted)
    new = ["env", *([HELPER] if wanted.helper else [])]
    assert list(after) == list(before) + [name for name in new if name not in before]
    env = before.get("env", {})
    assert [key for key in after["env"] if key in env] == list(env)
    if not done.changed:
        assert done.record is None and after == before
        return

    if not wanted.helper:
        check_untouched(file, done.after, wanted)

    again = make_plan("f", done.after, done.record, wanted)
    assert (again.changed, again.left) == (False, done.left)

    back = make_plan("f", done.after, done.record, NOTHING)
    assert (back.after, back.record, back.kept) == (file.data, None, ())

    second = make_plan("f", done.after, done.record, other)
    assert load(second.after) == merged(before, other)
    if second.record is not None:
        assert make_plan("f", second.after, second.record, NOTHING).after == file.data

    foreign_write(file, done.after, done.record, before)


def members(text: str, start: int) -> tuple[list[tuple[str, int, int]], int]:
    """Key, start and end of each value of the object at `start`, and the place of its closing brace. By counting."""
    found: list[tuple[str, int, int]] = []
    depth, key, value_start, value_end = 0, "", 0, 0
    for token in TOKEN.finditer(text, start):
        word = token.group()
        if word.isspace():
            continue
        if word in "}]":
            depth -= 1
        if depth == 1 and word == ":":
            key, value_start = json.loads(text[value_start:value_end]), 0
            found.append((key, 0, 0))
        elif depth == 0 or (depth == 1 and word == ","):
            if found:
                found[-1] = (found[-1][0], value_start, value_end)
            value_start = 0
        elif token.start() > start:
            value_start = value_start or token.start()
            value_end = token.end()
        if depth == 0 and word == "}":
            return found, token.start()
        if word in "{[":
            depth += 1
    raise AssertionError(text)


def check_untouched(file: File, data: bytes, wanted: Wanted) -> None:
    """The new text is the old one, with values of ours exchanged, and new members in one place, behind the last one."""
    assert data.startswith(file.mark)
    before, after = file.text, data[len(file.mark) :].decode(file.codec)
    if not before.strip():
        return
    names = ["env"]
    opening = before.index("{")
    old, closing = members(before, opening)
    env = value_place(before, "env")
    if env is not None:
        names = [*wanted.env, *([KEYS[-1]] if wanted.attributes else [])]
        # What stands there and may stay is no place of ours to write.
        stays = wanted.if_absent - {KEYS[-1]}
        names = [name for name in names if name not in stays or name not in json_env(before, env)]
        new_env = value_place(after, "env") or 0
        new = {key: after[start:end] for key, start, end in members(after, new_env)[0]}
        for key, start, end in reversed(members(before, env)[0]):
            before = before[:start] + new[key] + before[end:] if key in names else before
        opening = env
        old, closing = members(before, env)
    missing = [name for name in names if name not in [key for key, _start, _end in old]]
    if not missing:
        assert after == before
        return
    head, tail = (before[: old[-1][2]], before[old[-1][2] :]) if old else (before[: opening + 1], before[closing:])
    assert after.startswith(head) and after.endswith(tail)
    inserted = after[len(head) : len(after) - len(tail)]
    assert list(json.loads("{" + inserted.lstrip(",") + "}")) == missing


def json_env(text: str, start: int) -> list[str]:
    """The names in the object at `start`."""
    return [key for key, _start, _end in members(text, start)[0]]


def value_place(text: str, name: str) -> int | None:
    top, _closing = members(text, text.index("{"))
    return next((start for key, start, _end in top if key == name), None)


def foreign_write(file: File, data: bytes, record: Record | None, before: Any) -> None:
    """The client rewrites the whole file and adds a key: only our values go back."""
    try:
        body = json.loads(data.decode("utf-16" if file.codec == "utf-16-le" else "utf-8-sig"), parse_float=lambda x: 0)
        text = json.dumps({**body, "theme": "dark"}, indent=2)
    except ValueError:
        return
    back = make_plan("f", text.encode(), record, NOTHING)
    assert back.kept == ()
    expected = json.loads(file.text, parse_float=lambda x: 0) if file.text.strip() else {}
    assert json.loads(back.after or b"", parse_float=lambda x: 0) == {**expected, "theme": "dark"}


@pytest.mark.parametrize("part", range(PARTS))
def test_broken_files(part: int) -> None:
    """Refused exactly when the standard library, made strict, refuses."""
    for seed in range(SEED + part, SEED + FILES, PARTS):
        data = broken(seed)
        assert accepted(data) == valid(data), f"FUZZ_SEED={seed} FUZZ_FILES=1: {data!r}"


def accepted(data: bytes) -> bool:
    try:
        make_plan("f", data, None, Wanted({"NEW_ONE": "1"}))
    except PlanError as error:
        assert str(error).startswith("f:")
        return False
    return True


def valid(data: bytes) -> bool:
    def refuse(name: str) -> None:
        raise ValueError(name)

    def pairs(members: list[tuple[str, Any]]) -> Members:
        return Members(members)

    text = data.decode("utf-8-sig")
    if not text.strip(" \t\r\n"):
        return True
    try:
        body = json.loads(text, parse_int=str, parse_float=str, parse_constant=refuse, object_pairs_hook=pairs)
    except ValueError:
        return False
    env = [value for key, value in body if key == "env"] if isinstance(body, Members) else [1, 2]
    return not env or (
        len(env) == 1 and isinstance(env[0], Members) and [key for key, _value in env[0]].count("NEW_ONE") < 2
    )


class Members(list):  # type: ignore[type-arg]
    """The members of an object, duplicates included."""
