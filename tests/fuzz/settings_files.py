# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings files as people, editors and programs leave them, drawn at random."""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random

KEYS = (
    "OTEL_METRICS_EXPORTER",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "CLAUDE_CODE_ENABLE_TELEMETRY",
    "OTEL_RESOURCE_ATTRIBUTES",
)
OTHER_KEYS = (
    "model",
    "permissions",
    "$schema",
    "PATH",
    "HTTP_PROXY",
    "otelHeadersHelper",
    "env",
    "",
    "é",
    "한글",
    "a b",
    '"',
    "\\",
    "\ud83d",
    "\x7f",
)
NUMBERS = (
    "0",
    "-0",
    "1",
    "10000",
    "1e400",
    "-1E-400",
    "1.0",
    "1.50",
    "123456789012345678901234567890",
    "0.1e+2",
    "9" * 400,
)
STRINGS = (
    "",
    "otlp",
    "http://localhost:4317",
    "é",
    "한글",
    "😀",
    "\u2028",
    "\x00",
    "\ud800",
    '"',
    "\\",
    "/",
    "a\nb",
    "{}",
    "//",
    "x" * 300,
)
ITEMS = (
    "x=1",
    " y = 2 ",
    "",
    "z",
    "developer=old",
    "team = t1",
    "developer=",
    "a=b=c",
    "developer=old,developer=older",
)


class File:
    """Draws one file: `text` is valid JSON or blank, `data` its bytes."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        draw = self.random
        self.newline = draw.choice(("\n", "\n", "\r\n", "\r"))
        self.indent = draw.choice(("  ", "  ", "    ", "\t", " ", ""))
        self.colon = draw.choice((": ", ": ", ":", " : ", " :\t"))
        self.layout = draw.choice(("lines", "lines", "line", "dense", "wild"))
        self.escape = draw.random() < 0.3
        if draw.random() < 0.03:
            self.text = draw.choice(("", " ", self.newline, "\t" + self.newline * 2))
        else:
            self.text = self.space() + self.top() + draw.choice(("", self.newline, self.space()))
        mark, codec = draw.choice(
            ((b"", "utf-8"), (b"", "utf-8"), (b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"))
        )
        self.mark, self.codec = mark, codec
        self.data = mark + self.text.encode(codec)

    def top(self) -> str:
        names = self.names(KEYS + OTHER_KEYS, 8)
        if self.random.random() < 0.7:
            names.insert(self.random.randrange(len(names) + 1), "env")
        return self.object({name: self.env if name == "env" else self.value for name in names}, 0)

    def env(self, depth: int) -> str:
        names = dict.fromkeys(self.names(KEYS + OTHER_KEYS, 8))
        return self.object({name: self.attributes if name == KEYS[-1] else self.value for name in names}, depth)

    def names(self, source: tuple[str, ...], most: int) -> list[str]:
        drawn = (self.random.choice(source) for _ in range(self.random.randrange(most)))
        return [name for name in dict.fromkeys(drawn) if name != "env"]

    def value(self, depth: int) -> str:
        kind = self.random.random()
        if depth < 6 and kind < 0.15:
            return self.object(dict.fromkeys(self.names(KEYS + OTHER_KEYS, 4), self.value), depth)
        if depth < 6 and kind < 0.3:
            return self.block("[", "]", [self.value(depth + 1) for _ in range(self.random.randrange(4))], depth)
        if kind < 0.31:
            return "[" * 300 + "]" * 300
        if kind < 0.55:
            return self.random.choice((*NUMBERS, "true", "false", "null"))
        return self.string(self.random.choice(STRINGS))

    def attributes(self, depth: int) -> str:
        return self.string(",".join(self.random.choice(ITEMS) for _ in range(self.random.randrange(5))))

    def object(self, members: dict[str, Callable[[int], str]], depth: int) -> str:
        return self.block(
            "{", "}", [self.string(name) + self.colon + value(depth + 1) for name, value in members.items()], depth
        )

    def block(self, opening: str, closing: str, rows: list[str], depth: int) -> str:
        if self.layout == "wild":
            return opening + self.space() + (self.space() + "," + self.space()).join(rows) + self.space() + closing
        if not rows or self.layout == "dense":
            return opening + ",".join(rows) + closing
        if self.layout == "line":
            return opening + ", ".join(rows) + closing
        row = self.newline + self.indent * (depth + 1)
        return opening + row + ("," + row).join(rows) + self.newline + self.indent * depth + closing

    def string(self, value: str) -> str:
        if self.escape and value and self.random.random() < 0.3:
            return '"' + "".join(f"\\u{unit:04X}" for unit in utf16(value)) + '"'
        plain = json.dumps(value, ensure_ascii=False)
        lone = any("\ud800" <= char <= "\udfff" for char in value)
        return json.dumps(value) if lone or self.escape else plain

    def space(self) -> str:
        return "".join(self.random.choice((" ", "\t", self.newline)) for _ in range(self.random.choice((0, 0, 1, 3))))


def utf16(value: str) -> list[int]:
    data = value.encode("utf-16-le", "surrogatepass")
    return [data[place] | data[place + 1] << 8 for place in range(0, len(data), 2)]


def broken(seed: int) -> bytes:
    """A valid file with one character taken out, put in or replaced, or its end cut off."""
    draw = Random(seed)
    text = File(seed).text
    place = draw.randrange(len(text) + 1)
    junk = draw.choice(
        (",", "}", "{", "[", "]", '"', ":", "//", "/**/", "NaN", "1", "\\", "\x01", "e", "-", "\ufeff", "\u00a0")
    )
    return draw.choice(
        (
            text[:place],
            text[:place] + text[place + 1 :],
            text[:place] + junk + text[place:],
            text[:place] + junk + text[place + 1 :],
        )
    ).encode()
