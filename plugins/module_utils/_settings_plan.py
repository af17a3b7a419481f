# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a settings file should become: bytes in, bytes out. Nothing here touches files.

A record, kept beside the settings file, remembers what was there before us. `absent` is a plan with nothing wanted:
the file goes back to its former bytes if it is just as we wrote it, else each value goes back that is still ours.
"""

from __future__ import annotations

import codecs
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from . import _json_splice as splice
from . import _resource_attributes as attributes
from ._settings_ca import Authority

ENV = "env"
ATTRIBUTES = "OTEL_RESOURCE_ATTRIBUTES"
# A top-level key: the command whose answer are further headers. Kept like the variables.
HELPER = "otelHeadersHelper"
ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
# These beat the general endpoint for their signal.
SIGNAL_ENDPOINTS = ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT")
_SECRET = re.compile(r"HEADERS|TOKEN|KEY|SECRET|PASSWORD")
_USERINFO = re.compile(r"(?<=://)[^/@\s]+(?=@)")


class PlanError(ValueError):
    """The file can't be edited safely. The text names file, line and column."""


@dataclass(frozen=True)
class Wanted:
    """What we want in the file. Empty: nothing of ours.

    Of the variables in `if_absent`, for OTEL_RESOURCE_ATTRIBUTES of its items, those that stand there without us stay.
    `headers` are what our script says, `helper` is the command that runs it. `authority` goes into a file of ours,
    to which its variables lead.
    """

    env: Mapping[str, str] = field(default_factory=dict)
    attributes: Mapping[str, str] = field(default_factory=dict)
    refuse_foreign_endpoint: bool = False
    if_absent: frozenset[str] = frozenset()
    headers: Mapping[str, str] = field(default_factory=dict)
    helper: str = ""
    authority: Authority = field(default_factory=Authority)

    @property
    def values(self) -> dict[str, str]:
        """The variables, and the key beside them."""
        return {**self.env, **({HELPER: self.helper} if self.helper else {})}


@dataclass(frozen=True)
class Owned:
    """A value we set: what stood there before (raw), and which values are ours.

    Two of them only while a write is under way: the one in the file and the one about to be.
    """

    before: str | None
    ours: tuple[str, ...]


@dataclass(frozen=True)
class Undo:
    """How a file of ours, known by its hash, goes back: put `text` in place of `length` characters at `start`."""

    sha256: str
    start: int
    length: int
    text: str


@dataclass(frozen=True)
class Record:
    """What we did to a settings file."""

    created_directory: bool = False
    created_file: bool = False
    created_env: bool = False
    values: Mapping[str, Owned] = field(default_factory=dict)
    items: Mapping[str, Owned] = field(default_factory=dict)
    undo: tuple[Undo, ...] = ()

    def joined(self, new: Record) -> Record:
        """True both before and after the write that leads from this record to the new one."""
        return replace(
            new,
            values=_joined(self.values, new.values),
            items=_joined(self.items, new.items),
            undo=tuple(dict.fromkeys(self.undo + new.undo)),
        )


@dataclass(frozen=True)
class Change:
    """One managed key, raw JSON values, None = not there."""

    key: str
    before: str | None
    after: str | None


@dataclass(frozen=True)
class Plan:
    """`after` None: the file goes. `record` None: nothing in the file is ours any more.

    `kept`: given another value since, though we go. `left`: stood there with another value before us.
    `before_is_ours`: the file is just as we wrote it, so the record alone brings its former content back.
    """

    before: bytes | None
    after: bytes | None
    record: Record | None
    changes: tuple[Change, ...] = ()
    kept: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    before_is_ours: bool = False

    @property
    def changed(self) -> bool:
        return self.before != self.after


def make_plan(path: str, data: bytes | None, record: Record | None, wanted: Wanted) -> Plan:
    """The plan for a file (None: it does not exist). Raises PlanError."""
    if record is None and not wanted.values and not wanted.attributes:
        return Plan(data, data, None)
    mark, codec, text = decode(path, data or b"")
    try:
        return _plan(path, data, mark, codec, text, record or Record(), wanted)
    except splice.JsonError as error:
        line, column = splice.line_column(text, error.position)
        raise PlanError(f"{path}:{line}:{column}: {error.message}") from error


def load_record(path: str, data: bytes) -> Record:
    """The record from its file. Raises PlanError."""
    try:
        body = json.loads(data)
        if body["version"] != 1:
            raise ValueError(f"version {body['version']!r}")
        return Record(
            created_directory=bool(body["created_directory"]),
            created_file=bool(body["created_file"]),
            created_env=bool(body["created_env"]),
            values=_load_owned(body["values"]),
            items=_load_owned(body["resource_attributes"]),
            undo=tuple(
                Undo(str(one["sha256"]), int(one["start"]), int(one["length"]), str(one["text"]))
                for one in body["undo"]
            ),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise PlanError(
            f"{path}: this record of what stood in the settings before can't be read ({error!r}). "
            "Move it away: the settings are then taken as they are."
        ) from error


def dump_record(record: Record) -> bytes:
    """The record as the content of its file."""
    body = {
        "about": "What claude_code.observability changed in settings.json here, and what stood there before.",
        "version": 1,
        "created_directory": record.created_directory,
        "created_file": record.created_file,
        "created_env": record.created_env,
        "values": _dump_owned(record.values),
        "resource_attributes": _dump_owned(record.items),
        "undo": [vars(one) for one in record.undo],
    }
    return (json.dumps(body, indent=2) + "\n").encode()


def is_secret(key: str) -> bool:
    """Whether the value of an environment variable is kept out of output."""
    return bool(_SECRET.search(key.upper()))


def display(key: str, raw: str, hidden: str = "(hidden)") -> str:
    """A raw value as people may see it."""
    return hidden if is_secret(key) else _USERINFO.sub("***", raw)


@dataclass(frozen=True)
class _Base:
    """What the edits start from: `text`, with the values that each of our keys would have without us.

    `pristine`: nothing in the text is ours. `is_former`: it came from a record, the file is just as we wrote it.
    """

    text: str
    without: Mapping[str, str | None]
    pristine: bool
    is_former: bool
    created_file: bool
    created_env: bool


def _plan(path: str, data: bytes | None, mark: bytes, codec: str, text: str, record: Record, wanted: Wanted) -> Plan:
    names = list(dict.fromkeys([*wanted.values, *([ATTRIBUTES] if wanted.attributes else []), *record.values]))
    now = _values_of(text, names)
    warnings = _check_endpoints(path, text, now, record, wanted)
    base = _base_of(data, text, now, names, record)
    if wanted.attributes and not (base.without[ATTRIBUTES] or '"').startswith('"'):
        found = base.without[ATTRIBUTES]
        raise splice.JsonError(f"{ATTRIBUTES} is {found}, not a string", _position_of(text, ATTRIBUTES))

    goal = {key: _goal(key, base.without[key], wanted) for key in names}
    base_env = _values_of(base.text)
    edits = {key: raw for key, raw in goal.items() if not _same(raw, base_env.get(key))}
    ours = {key: raw for key, raw in goal.items() if raw is not None and not _same(raw, base.without[key])}
    after_text = _edited(base.text, edits)
    _verify(base.text, after_text, edits)
    exists = data is not None or bool(ours)
    if not ours:
        after_text, exists = _without_empty_objects(after_text, base, exists, bool(edits))
    after = mark + after_text.encode(codec) if exists else None

    then = _values_of(after_text) if exists else {}
    return Plan(
        before=data,
        after=after,
        record=_record_of(base, after_text, after or b"", ours, record, wanted) if ours else None,
        changes=tuple(Change(key, now.get(key), then.get(key)) for key in names if now.get(key) != then.get(key)),
        kept=tuple(key for key in record.values if _left_alone(key, now, record, wanted)),
        left=tuple(key for key in names if _left(key, base.without[key], wanted)),
        warnings=warnings,
        before_is_ours=base.is_former,
    )


def _base_of(data: bytes | None, text: str, now: Mapping[str, str], names: list[str], record: Record) -> _Base:
    undo = next((one for one in record.undo if data is not None and one.sha256 == _sha256(data)), None)
    if undo is not None:
        text = text[: undo.start] + undo.text + text[undo.start + undo.length :]
        created_file = record.created_file
    elif _holds_ours(now, record):
        without = {key: _without_us(key, now.get(key), record) for key in names}
        return _Base(text, without, False, False, record.created_file, record.created_env)
    else:
        created_file = data is None
    env = _values_of(text, names)
    created_env = splice.find_object(text, ENV) is None
    return _Base(text, {key: env.get(key) for key in names}, True, undo is not None, created_file, created_env)


def _without_empty_objects(text: str, base: _Base, exists: bool, edited: bool) -> tuple[str, bool]:
    """The text without an env that we made, and whether anything but what we made is left."""
    env = splice.find_object(text, ENV)
    if base.created_env and edited and env is not None and not env.members:
        text = splice.remove_key(text, ENV)
    top = splice.read_document(text)
    return text, exists and not (base.created_file and (top is None or not top.members))


def _record_of(base: _Base, text: str, data: bytes, ours: Mapping[str, str], record: Record, wanted: Wanted) -> Record:
    return Record(
        created_directory=record.created_directory,
        created_file=base.created_file,
        created_env=base.created_env,
        values={key: Owned(base.without[key], (raw,)) for key, raw in ours.items()},
        items=_owned_items(base.without[ATTRIBUTES], wanted) if ATTRIBUTES in ours else {},
        undo=(_undo(base.text, text, data),) if base.pristine else (),
    )


def _goal(key: str, without: str | None, wanted: Wanted) -> str | None:
    if key in wanted.values:
        left = without is not None and key in wanted.if_absent
        return without if left else splice.json_string(wanted.values[key])
    if key == ATTRIBUTES and wanted.attributes:
        text = _text(without) if without is not None else ""
        return splice.json_string(attributes.change(text, _item_changes(text, wanted)))
    return without


def _item_changes(text: str, wanted: Wanted) -> dict[str, str | None]:
    """Items that already say the same are not touched."""
    other = _other_items(text, wanted)
    return {
        key: f"{key}={value}"
        for key, value in wanted.attributes.items()
        if attributes.item_of(text, key) is None or (key in other and ATTRIBUTES not in wanted.if_absent)
    }


def _other_items(text: str, wanted: Wanted) -> list[str]:
    """Items of the names we want, with other values."""
    found = {key: attributes.item_of(text, key) for key in wanted.attributes}
    return [key for key, item in found.items() if item and attributes.value_of(item) != wanted.attributes[key]]


def _left(key: str, without: str | None, wanted: Wanted) -> bool:
    """Whether a value that somebody else set stays in place of the one we want."""
    if without is None or key not in wanted.if_absent:
        return False
    if key in wanted.env:
        return not _same(without, splice.json_string(wanted.env[key]))
    return key == ATTRIBUTES and bool(_other_items(_text(without), wanted))


def _owned_items(without: str | None, wanted: Wanted) -> dict[str, Owned]:
    text = _text(without) if without is not None else ""
    return {key: Owned(attributes.item_of(text, key), (wanted.attributes[key],)) for key in _item_changes(text, wanted)}


def _without_us(key: str, raw: str | None, record: Record) -> str | None:
    """What a key holds when our part of it is taken back."""
    owned = record.values.get(key)
    if owned is None or raw is None:
        return raw
    if _is_ours(raw, owned):
        return owned.before
    if key == ATTRIBUTES and raw.startswith('"'):
        text = _text(raw)
        back: dict[str, str | None] = {}
        for name, item in record.items.items():
            found = attributes.item_of(text, name)
            if found is not None and attributes.value_of(found) in item.ours:
                back[name] = item.before
        if back:
            text = attributes.change(text, back)
            return None if owned.before is None and not text.strip() else splice.json_string(text)
    return raw


def _holds_ours(now: Mapping[str, str], record: Record) -> bool:
    return any(not _same(_without_us(key, now.get(key), record), now.get(key)) for key in record.values)


def _left_alone(key: str, now: Mapping[str, str], record: Record, wanted: Wanted) -> bool:
    """The user gave it another value since, and it is not wanted any more."""
    raw = now.get(key)
    owned = record.values[key]
    if key in wanted.values or (key == ATTRIBUTES and wanted.attributes) or _same(raw, owned.before):
        return False
    return raw is not None and _same(_without_us(key, raw, record), raw)


def _check_endpoints(path: str, text: str, now: Mapping[str, str], record: Record, wanted: Wanted) -> tuple[str, ...]:
    """Endpoints in the file that neither we nor this call set."""
    warnings = []
    for key in (ENDPOINT, *SIGNAL_ENDPOINTS):
        raw = now.get(key)
        target = wanted.env.get(key)
        owned = record.values.get(key)
        if ENDPOINT not in wanted.env or raw is None or raw == '""' or (owned and _is_ours(raw, owned)):
            continue
        if key in wanted.if_absent:
            # Asked for, and reported as left.
            continue
        if target is not None and _same(raw, splice.json_string(target)):
            continue
        line, column = splice.line_column(text, _position_of(text, key))
        shown = display(key, raw)
        if wanted.refuse_foreign_endpoint:
            raise PlanError(
                f"{path}:{line}:{column}: {key} is {shown}, set by somebody else. "
                "Take it out, or allow it to be replaced with endpoint_conflict: overwrite."
            )
        if target is None:
            warnings.append(f"{path}:{line}:{column}: {key} is {shown} and beats {ENDPOINT}: that signal goes there")
    return tuple(warnings)


def _position_of(text: str, key: str) -> int:
    env = splice.find_object(text, ENV)
    member = env.find(key) if env else None
    return member.key_start if member else 0


def _values_of(text: str, ours: Iterable[str] = ()) -> dict[str, str]:
    """The raw values under env, and that of the key beside it. Duplicates are refused among ours, others are theirs."""
    top = splice.read_document(text)
    env = splice.find_object(text, ENV)
    for key in ours:
        place = top if key == HELPER else env
        if place is not None:
            place.find(key)
    variables = [member for member in (env.members if env else ()) if member.key != HELPER]
    beside = [member for member in (top.members if top else ()) if member.key == HELPER]
    return {member.key: text[member.start : member.end] for member in variables + beside}


def _edited(text: str, edits: Mapping[str, str | None]) -> str:
    variables = {key: raw for key, raw in edits.items() if key != HELPER}
    if variables:
        text = splice.edit_object(text, ENV, variables)
    return splice.edit_top(text, HELPER, edits[HELPER]) if HELPER in edits else text


def _verify(before: str, after: str, edits: Mapping[str, str | None]) -> None:
    """Every member but the edited ones is there, in order, letter by letter."""

    def members(text: str) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
        top = splice.read_document(text)
        env = splice.find_object(text, ENV)
        return (
            [
                (one.key, text[one.start : one.end])
                for one in (top.members if top else ())
                if one.key != ENV and not (one.key == HELPER and HELPER in edits)
            ],
            [
                (one.key, text[one.start : one.end])
                for one in (env.members if env else ())
                if one.key == HELPER or one.key not in edits
            ],
        )

    values = _values_of(after)
    if members(before) != members(after) or any(values.get(key) != raw for key, raw in edits.items()):
        raise splice.JsonError("the edit would not give what was intended, so nothing was written", 0)


def _undo(before: str, after: str, data: bytes) -> Undo:
    start = 0
    limit = min(len(before), len(after))
    while start < limit and before[start] == after[start]:
        start += 1
    end = 0
    while end < limit - start and before[-1 - end] == after[-1 - end]:
        end += 1
    return Undo(_sha256(data), start, len(after) - start - end, before[start : len(before) - end])


def decode(path: str, data: bytes) -> tuple[bytes, str, str]:
    """Byte order mark, codec and text of a settings file, as the client reads it. Raises PlanError."""
    mark, codec = b"", "utf-8"
    for known, name in ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le")):
        if data.startswith(known):
            mark, codec = known, name
    try:
        return mark, codec, data[len(mark) :].decode(codec)
    except UnicodeDecodeError as error:
        readable = data[len(mark) : len(mark) + error.start].decode(codec)
        line, column = splice.line_column(readable, len(readable))
        raise PlanError(f"{path}:{line}:{column}: these bytes are not {codec.upper()} text") from error


def _text(raw: str) -> str:
    """The value of a raw JSON string."""
    value = json.loads(raw)
    if not isinstance(value, str):
        raise TypeError(raw)
    return value


def _same(one: str | None, other: str | None) -> bool:
    """Equal as JSON values, types included: "1" is not 1."""
    if one is None or other is None or one[0] != '"' or other[0] != '"':
        return one == other
    return one == other or _text(one) == _text(other)


def _is_ours(raw: str, owned: Owned) -> bool:
    return any(_same(raw, ours) for ours in owned.ours)


def _joined(old: Mapping[str, Owned], new: Mapping[str, Owned]) -> dict[str, Owned]:
    both = {
        key: replace(owned, ours=old[key].ours + owned.ours if key in old else owned.ours) for key, owned in new.items()
    }
    return {**old, **both}


def _load_owned(body: Mapping[str, Any]) -> dict[str, Owned]:
    owned = {key: Owned(one["before"], tuple(one["ours"])) for key, one in body.items()}
    for one in owned.values():
        known = one.ours if one.before is None else (one.before, *one.ours)
        if not all(isinstance(value, str) and value for value in known):
            raise TypeError(one)
    return owned


def _dump_owned(owned: Mapping[str, Owned]) -> dict[str, Any]:
    return {key: {"before": one.before, "ours": list(one.ours)} for key, one in owned.items()}


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
