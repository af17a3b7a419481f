# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes single members of an object in a JSON text and leaves every other character as it was.

The texts are strict JSON. Nothing here touches files, and nothing re-serialises what it did not write: an edit
replaces one value, adds one member in the style of its neighbours, or takes one member out.
The model is modify() and applyEdits() of microsoft/jsonc-parser.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from json.decoder import scanstring  # type: ignore[attr-defined]
from typing import NamedTuple

_SPACE = " \t\n\r"
_BLANK = re.compile(r"[ \t\n\r]*")
_LINE_END = re.compile(r"\r\n|\n|\r")
_ATOM = re.compile(r"true|false|null|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")


class JsonError(ValueError):
    """The text is not what was expected at `position`, an offset in characters."""

    def __init__(self, message: str, position: int) -> None:
        super().__init__(message)
        self.message = message
        self.position = position


class Member(NamedTuple):
    """One `"key": value` of an object, as offsets into the text it was read from."""

    key: str
    key_start: int
    key_end: int
    start: int
    end: int


@dataclass(frozen=True)
class Object:
    """The span of an object, braces included, and its members in file order."""

    start: int
    end: int
    members: tuple[Member, ...]

    def find(self, key: str) -> Member | None:
        """The only member of that name. With a second one it would be unclear which to edit: refused."""
        found = [member for member in self.members if member.key == key]
        if len(found) > 1:
            raise JsonError(f"the key {json.dumps(key)} stands here a second time", found[1].key_start)
        return found[0] if found else None


@lru_cache(maxsize=4)
def read_document(text: str) -> Object | None:
    """The object a whole text consists of, None for a blank text. Anything else raises JsonError."""
    start = _skip_blank(text, 0)
    if start == len(text):
        return None
    if text[start] != "{":
        _skip_value(text, start)
        raise JsonError("the top level is not an object", start)
    found = read_object(text, start)
    rest = _skip_blank(text, found.end)
    if rest != len(text):
        raise JsonError("there is more text after the end of the object", rest)
    return found


def read_object(text: str, start: int) -> Object:
    """The object whose brace is at `start`, fully checked, nested values included."""
    members = []
    position = _skip_blank(text, start + 1)
    if text[position : position + 1] == "}":
        return Object(start, position + 1, ())
    while True:
        key_start = position
        key, key_end = _string(text, position)
        value = _skip_colon(text, key_end)
        end = _skip_value(text, value)
        members.append(Member(key, key_start, key_end, value, end))
        position = _skip_blank(text, end)
        if text[position : position + 1] == "}":
            return Object(start, position + 1, tuple(members))
        position = _skip_comma(text, position, "}")


def find_object(text: str, key: str) -> Object | None:
    """The object that is the value of a top-level key, None if there is no such key."""
    top = read_document(text)
    member = top.find(key) if top else None
    if member is None:
        return None
    if text[member.start] != "{":
        raise JsonError(f"the value of {json.dumps(key)} is not an object", member.start)
    return read_object(text, member.start)


def edit_object(text: str, key: str, changes: Mapping[str, str | None]) -> str:
    """The text with members of the object under a top-level key set to raw JSON values, or taken out (None).

    The object is created when it is missing, and stays when it becomes empty.
    """
    top = read_document(text)
    style = _style_of(text, top)
    found = find_object(text, key)
    if found is not None:
        body = text[found.start : found.end]
        pad = _indent_before(text, _only(top, key).key_start)
        for name, raw in changes.items():
            body = _edit_member(body, name, raw, style, pad)
        return text[: found.start] + body + text[found.end :]
    new = {name: raw for name, raw in changes.items() if raw is not None}
    if not new:
        return text
    if top is None:
        return style.object({key: style.object(new, style.indent)}, "") + style.newline
    if not top.members:
        return text[: top.start] + style.object({key: style.object(new, style.indent)}, "") + text[top.end :]
    pad = _indent_before(text, top.members[-1].key_start)
    return _add_member(text, top, key, style.object(new, pad))


def edit_top(text: str, key: str, raw: str | None) -> str:
    """The text with a top-level key set to a raw JSON value, or taken out (None)."""
    top = read_document(text)
    if raw is None:
        return remove_key(text, key)
    style = _style_of(text, top)
    if top is None:
        return style.object({key: raw}, "") + style.newline
    return text[: top.start] + _edit_member(text[top.start : top.end], key, raw, style, "") + text[top.end :]


def remove_key(text: str, key: str) -> str:
    """The text without that top-level key."""
    top = read_document(text)
    return _remove_member(text, top, key) if top else text


def json_string(value: str) -> str:
    """The value as a JSON string, readable unless it can't be encoded."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return json.dumps(value)
    return json.dumps(value, ensure_ascii=False)


def line_column(text: str, position: int) -> tuple[int, int]:
    """Line and column of an offset, both counted from 1; LF, CRLF and CR end a line."""
    lines = _LINE_END.split(text[:position])
    return len(lines), len(lines[-1]) + 1


@dataclass(frozen=True)
class _Style:
    """The layout of new members where no neighbour shows it."""

    newline: str = "\n"
    indent: str = "  "
    colon: str = ": "
    one_line: bool = False

    def object(self, members: Mapping[str, str], pad: str) -> str:
        """A new object of raw values, its closing brace indented by `pad`."""
        rows = [json_string(key) + self.colon + raw for key, raw in members.items()]
        if self.one_line:
            return "{" + ("," + self.colon.partition(":")[2]).join(rows) + "}"
        row = self.newline + pad + self.indent
        return "{" + row + ("," + row).join(rows) + self.newline + pad + "}"


def _style_of(text: str, top: Object | None) -> _Style:
    newline = _LINE_END.search(text)
    line_end = newline.group() if newline else "\n"
    if top is None or not top.members:
        return _Style(line_end)
    first = top.members[0]
    one_line = not _LINE_END.search(text, top.start, top.end)
    return _Style(line_end, _indent_before(text, first.key_start) or "  ", _colon_of(text, first), one_line)


def _edit_member(text: str, key: str, raw: str | None, style: _Style, pad: str) -> str:
    """`text` is one object and nothing else."""
    target = read_object(text, 0)
    if raw is None:
        return _remove_member(text, target, key)
    member = target.find(key)
    if member:
        return text[: member.start] + raw + text[member.end :]
    if not target.members:
        return style.object({key: raw}, pad)
    return _add_member(text, target, key, raw)


def _add_member(text: str, target: Object, key: str, raw: str) -> str:
    last = target.members[-1]
    lead = text[len(text[: last.key_start].rstrip(_SPACE)) : last.key_start]
    line_ends = list(_LINE_END.finditer(lead))
    if line_ends:
        lead = lead[line_ends[-1].start() :]
    elif len(target.members) == 1:
        # The blank after the opening brace says nothing about the one after a comma.
        lead = " " if text[last.key_end : last.start].endswith(" ") else ""
    return text[: last.end] + "," + lead + json_string(key) + _colon_of(text, last) + raw + text[last.end :]


def _remove_member(text: str, target: Object, key: str) -> str:
    """The exact reverse of adding."""
    member = target.find(key)
    if member is None:
        return text
    if len(target.members) == 1:
        return text[: target.start] + "{}" + text[target.end :]
    index = target.members.index(member)
    if index == 0:
        return text[: member.key_start] + text[target.members[1].key_start :]
    return text[: target.members[index - 1].end] + text[member.end :]


def _only(top: Object | None, key: str) -> Member:
    member = top.find(key) if top else None
    if member is None:
        raise KeyError(key)
    return member


def _colon_of(text: str, member: Member) -> str:
    colon = text[member.key_end : member.start]
    return ": " if _LINE_END.search(colon) else colon


def _indent_before(text: str, position: int) -> str:
    """The blanks between the start of the line and `position`, or nothing if there is more than blanks."""
    start = max(text.rfind("\n", 0, position), text.rfind("\r", 0, position)) + 1
    lead = text[start:position]
    return lead if start and not lead.strip(" \t") else ""


def _skip_blank(text: str, position: int) -> int:
    found = _BLANK.match(text, position)
    return found.end() if found else position


def _skip_value(text: str, position: int) -> int:
    """The end of any value."""
    try:
        return _FAST.raw_decode(text, position)[1]
    except (ValueError, RecursionError):
        return _skip_value_slowly(text, position)


def _skip_value_slowly(text: str, position: int) -> int:
    """The end of a value that is broken, too deep for Python's stack, or holds numbers Python will not read."""
    closers: list[str] = []
    while True:
        char = text[position : position + 1]
        if char == '"':
            position = _string(text, position)[1]
        elif char in ("{", "["):
            closer = "}" if char == "{" else "]"
            position = _skip_blank(text, position + 1)
            if text[position : position + 1] != closer:
                closers.append(closer)
                position = _skip_key(text, position) if char == "{" else position
                continue
            position += 1
        else:
            position = _skip_atom(text, position)
        while closers:
            position = _skip_blank(text, position)
            if text[position : position + 1] != closers[-1]:
                position = _skip_comma(text, position, closers[-1])
                position = _skip_key(text, position) if closers[-1] == "}" else position
                break
            closers.pop()
            position += 1
        else:
            return position


def _refuse_constant(name: str) -> None:
    """NaN and its like, which Python would take."""
    raise ValueError(name)


_FAST = json.JSONDecoder(parse_constant=_refuse_constant)


def _skip_atom(text: str, position: int) -> int:
    found = _ATOM.match(text, position)
    if found is None:
        raise _unexpected(text, position, "a value")
    return found.end()


def _skip_key(text: str, position: int) -> int:
    return _skip_colon(text, _string(text, position)[1])


def _skip_colon(text: str, position: int) -> int:
    position = _skip_blank(text, position)
    if text[position : position + 1] != ":":
        raise _unexpected(text, position, "a colon")
    return _skip_blank(text, position + 1)


def _skip_comma(text: str, position: int, closer: str) -> int:
    if text[position : position + 1] != ",":
        raise _unexpected(text, position, f"a comma or {closer}")
    after = _skip_blank(text, position + 1)
    if text[after : after + 1] == closer:
        raise JsonError(f"there is a comma before {closer}, which JSON does not allow", position)
    return after


def _string(text: str, position: int) -> tuple[str, int]:
    if text[position : position + 1] != '"':
        raise _unexpected(text, position, "a string in double quotes")
    try:
        value, end = scanstring(text, position + 1, True)
    except json.JSONDecodeError as error:
        raise JsonError(error.msg[:1].lower() + error.msg[1:], error.pos) from error
    return value, end


def _unexpected(text: str, position: int, wanted: str) -> JsonError:
    if position >= len(text):
        return JsonError(f"the text ends where {wanted} should stand", len(text))
    if text[position] == "/":
        return JsonError("there is a comment, which JSON does not allow", position)
    word = re.match(r"[\w.+-]{1,20}|.", text[position : position + 20], re.DOTALL)
    return JsonError(f"expected {wanted}, found {json.dumps(word.group() if word else '')}", position)
