# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""OTEL_RESOURCE_ATTRIBUTES: one string, `key=value` items joined by commas, shared between us and the user."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote, unquote_to_bytes

_KEY = re.compile(r"[A-Za-z0-9_.\-/]+")
# What both of the client's two parsers keep as it is.
_VALUE = re.compile(r"(?:[!#$&'()*+\-./0-9:<>?@A-Z\[\]^_`a-z{|}~]|%[0-9A-Fa-f]{2})+")


def problem_with(key: str, value: str) -> str | None:
    """What the client would drop or misread in an item, with the way out. None if the item arrives as it stands."""
    if not _KEY.fullmatch(key):
        return f"the name {key!r} may hold only ASCII letters, digits and _ . - /"
    if not _VALUE.fullmatch(value):
        if not value:
            return f"{key} has no value: give it one, or leave the item out"
        return f"{key}={value!r} would be dropped by Claude Code. Percent-encode it: {encode(value)}"
    try:
        unquote_to_bytes(value).decode()
    except UnicodeDecodeError:
        return f"{key}={value!r} is not UTF-8 once its percent codes are resolved"
    return None


def encode(value: str) -> str:
    """The value with percent codes in place of what the client would drop."""
    return quote(value, safe="!$&()*+-./:@_~")


def parse(text: str) -> dict[str, str]:
    """The items of a string of ours. Items without `=` are refused, blank ones skipped."""
    items = {}
    for item in text.split(","):
        key, equals, value = item.partition("=")
        if not item.strip():
            continue
        if not equals:
            raise ValueError(f"the item {item.strip()!r} has no '='")
        items[key.strip()] = value.strip()
    return items


def item_of(text: str, key: str) -> str | None:
    """The first item of that name as it stands in the string, blanks included."""
    return next((item for item in text.split(",") if _key_of(item) == key), None)


def value_of(item: str) -> str:
    """The value of one item."""
    return item.partition("=")[2].strip()


def change(text: str, changes: Mapping[str, str | None]) -> str:
    """The string with whole items put in place of those of the same name, added at the end, or taken out (None).

    The other items stay as they are and where they are.
    """
    items = text.split(",") if text.strip() else []
    for key, new in changes.items():
        places = [place for place, item in enumerate(items) if _key_of(item) == key]
        if new is not None and places:
            items[places.pop(0)] = new
        elif new is not None:
            items.append(new)
        for place in reversed(places):
            del items[place]
    return ",".join(items)


def _key_of(item: str) -> str:
    return item.partition("=")[0].strip()
