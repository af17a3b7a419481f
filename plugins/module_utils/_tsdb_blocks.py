# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Blocks of Prometheus on disk, and the cut of one at the midnights of UTC.

Mimir takes blocks that lie within a day; Prometheus makes them as long as a month. A cut copies chunks as they are, and
writes the lists of series anew. Only a chunk that crosses midnight is unpacked.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import re
import shutil
import sys
from array import array
from collections import defaultdict
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import IO, Any, NamedTuple

from ansible_collections.claude_code.observability.plugins.module_utils._tsdb_chunks import (
    HEADER,
    BlockError,
    chunk_of,
    crc32c,
    number_of_samples,
    put_uvarint,
    put_varint,
    samples,
    uvarint,
    varint,
)

DAY = 86_400_000
ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
INDEX_HEADER = b"\xba\xaa\xd7\x00\x02"
TOC_SIZE = 52
# Of a file of tombstones in which none is.
NO_TOMBSTONES = 9
SEGMENT_SIZE = 512 << 20


class Chunk(NamedTuple):
    """When its first and its last sample are, in milliseconds, and what stands in the file."""

    first: int
    last: int
    data: bytes


class Series(NamedTuple):
    """The numbers of the symbols of its labels; first time, last time and place of each chunk."""

    labels: list[tuple[int, int]]
    chunks: list[tuple[int, int, int]]


@dataclass(frozen=True)
class Block:
    """A block as Prometheus has written it, or a cut has. Reading one that is damaged raises BlockError."""

    directory: Path
    meta: dict[str, Any]

    @classmethod
    def of(cls, directory: Path) -> Block:
        try:
            meta = json.loads((directory / "meta.json").read_text())
            if meta["version"] != 1 or not 0 <= meta["minTime"] < meta["maxTime"]:
                raise ValueError(meta)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise BlockError(f"block {directory.name}: meta.json is not that of a block of Prometheus") from error
        tombstones = directory / "tombstones"
        if tombstones.exists() and tombstones.stat().st_size > NO_TOMBSTONES:
            raise BlockError(f"block {directory.name} has deleted series in it still; clean_tombstones comes first")
        return cls(directory, meta)

    @property
    def name(self) -> str:
        return self.directory.name

    @property
    def days(self) -> range:
        """The days of UTC, counted from 1970, that it has a part of."""
        return range(self.meta["minTime"] // DAY, (self.meta["maxTime"] - 1) // DAY + 1)

    @property
    def files(self) -> dict[str, Path]:
        """What makes the block, besides its description."""
        chunks = sorted(path for path in (self.directory / "chunks").glob("*") if path.name.isdigit())
        return {"index": self.directory / "index", **{f"chunks/{path.name}": path for path in chunks}}

    @property
    def size(self) -> int:
        return sum(path.stat().st_size for path in self.files.values() if path.exists())

    def names(self, day: int) -> Iterator[str]:
        """What the part that a day has of it may be called: always the same, so that it is known again."""
        if len(self.days) == 1:
            yield self.name
        for number in count():
            digest = hashlib.sha256(f"{self.name}/{day}/{number}".encode()).digest()
            random = int.from_bytes(digest[:10], "big")
            yield self.name[:10] + "".join(ALPHABET[random >> shift & 31] for shift in range(75, -1, -5))


def blocks(directory: Path) -> list[Path]:
    """The directories of all blocks, the newest first: what is asked for most is there first."""
    return sorted((path for path in directory.iterdir() if ULID.fullmatch(path.name)), reverse=True)


def cut(block: Block, names: Mapping[int, str], target: Path) -> Iterator[Block]:
    """Writes the parts of a block that these days have, where there is any, by names. Raises BlockError."""
    try:
        with Reader(block) as reader:
            used: dict[int, set[int]] = {day: set() for day in names}
            for series in reader.series():
                symbols = [number for label in series.labels for number in label]
                for first, last, _place in series.chunks:
                    for day in range(first // DAY, last // DAY + 1):
                        if day in used:
                            used[day].update(symbols)
            parts = {day: _Part(block, reader, used[day], target / name) for day, name in names.items()}
            for series in reader.series():
                for day, chunks in _by_day(series, reader, parts).items():
                    parts[day].add(series, chunks)
            for part in parts.values():
                if part.close():
                    yield Block.of(part.directory)
    except (IndexError, ValueError) as error:
        raise BlockError(f"block {block.name} is damaged: {error}") from error
    except (BlockError, OSError) as error:
        raise BlockError(f"block {block.name}: {error}") from error


def sizes(block: Block, days: Container[int]) -> dict[int, int]:
    """About how many bytes of a block each of these days has, of those that have any. Raises BlockError."""
    found: dict[int, int] = defaultdict(int)
    try:
        with Reader(block) as reader:
            for series in reader.series():
                for first, last, place in series.chunks:
                    for day in range(first // DAY, last // DAY + 1):
                        if day in days:
                            found[day] += reader.length(place) // (last // DAY - first // DAY + 1)
    except (IndexError, ValueError) as error:
        raise BlockError(f"block {block.name} is damaged: {error}") from error
    except (BlockError, OSError) as error:
        raise BlockError(f"block {block.name}: {error}") from error
    return found


def _by_day(series: Series, reader: Reader, wanted: Container[int]) -> dict[int, list[Chunk]]:
    found: dict[int, list[Chunk]] = defaultdict(list)
    for first, last, place in series.chunks:
        begins, ends = first // DAY, last // DAY
        if begins == ends:
            if begins in wanted:
                found[begins].append(Chunk(first, last, reader.chunk(place)))
            continue
        by_day: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for sample in samples(reader.chunk(place)):
            by_day[sample[0] // DAY].append(sample)
        for day, of_day in by_day.items():
            if day in wanted:
                found[day].append(Chunk(of_day[0][0], of_day[-1][0], chunk_of(of_day)))
    return found


class Reader:
    """The index of a block and its chunks."""

    def __init__(self, block: Block) -> None:
        self._files: list[IO[bytes]] = []
        try:
            self._index = self._mapped(block.files["index"])
            self._segments = [self._mapped(path) for name, path in block.files.items() if name != "index"]
            toc = self._index[-TOC_SIZE:]
            if self._index[:5] != INDEX_HEADER or crc32c(toc[:-4]) != toc[-4:]:
                raise BlockError("its index is damaged, or of a version that is not known here")
            self._toc = [int.from_bytes(toc[at : at + 8], "big") for at in range(0, 48, 8)]
            at = self._toc[0]
            symbols = self._index[at : at + 8 + int.from_bytes(self._index[at : at + 4], "big")]
            if crc32c(symbols[4:-4]) != symbols[-4:]:
                raise BlockError("the checksum of its symbols is wrong")
            self.symbols = _symbols(symbols)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        for file in self._files:
            file.close()

    def _mapped(self, path: Path) -> mmap.mmap:
        self._files.append(path.open("rb"))
        return mmap.mmap(self._files[-1].fileno(), 0, access=mmap.ACCESS_READ)

    def series(self) -> Iterator[Series]:
        """All of them, in the order of their labels."""
        at, end = self._toc[1], min(place for place in self._toc[2:] if place > self._toc[1])
        while True:
            at += -at % 16
            if at >= end:
                return
            length, begin = uvarint(self._index, at)
            at = begin + length + 4
            body = self._index[begin : begin + length]
            if crc32c(body) != self._index[at - 4 : at]:
                raise BlockError("the checksum of a series is wrong")
            yield _series(body)

    def chunk(self, place: int) -> bytes:
        """What stands in the file. Its checksum comes along; Mimir looks at it."""
        segment, at = self._segments[place >> 32], place & 0xFFFFFFFF
        length, begin = uvarint(segment, at)
        return segment[at : begin + 1 + length + 4]

    def length(self, place: int) -> int:
        return uvarint(self._segments[place >> 32], place & 0xFFFFFFFF)[0] + 6


def _symbols(section: bytes) -> list[bytes]:
    """The symbols by number, each with its length before it."""
    found, at = [], 8
    for _number in range(int.from_bytes(section[4:8], "big")):
        length, text = uvarint(section, at)
        found.append(section[at : text + length])
        at = text + length
    return found


def _series(body: bytes) -> Series:
    labels, chunks = [], []
    number, at = uvarint(body, 0)
    for _number in range(number):
        name, at = uvarint(body, at)
        value, at = uvarint(body, at)
        labels.append((name, value))
    number, at = uvarint(body, at)
    last = place = 0
    for index in range(number):
        first, at = varint(body, at) if index == 0 else uvarint(body, at)
        length, at = uvarint(body, at)
        further, at = uvarint(body, at) if index == 0 else varint(body, at)
        first, place = last + first, place + further
        last = first + length
        chunks.append((first, last, place))
    return Series(labels, chunks)


class _Part:
    """What one day has of a block, while it is written."""

    def __init__(self, block: Block, reader: Reader, used: set[int], directory: Path) -> None:
        self.directory = directory
        self._meta = block.meta
        (self.directory / "chunks").mkdir(parents=True)
        # Sorted as they were. Those of the other days would be the larger part of what the day takes.
        self._symbols = [reader.symbols[number] for number in sorted(used)]
        self._numbers = {old: new for new, old in enumerate(sorted(used))}
        content = len(self._symbols).to_bytes(4, "big") + b"".join(self._symbols)
        header = INDEX_HEADER + len(content).to_bytes(4, "big") + content + crc32c(content)
        self._index, self._series_begin = _Written(self.directory / "index", header), len(header)
        self._segments: list[_Written] = []
        # The series of each label, by the numbers of name and value, and all of them.
        self._postings: dict[tuple[int, int], array[int]] = defaultdict(lambda: array("I"))
        self._all = array("I")
        self._first = self._last = self._samples = self._chunks = 0

    def add(self, series: Series, chunks: list[Chunk]) -> None:
        labels = [(self._numbers[name], self._numbers[value]) for name, value in series.labels]
        body = bytearray(put_uvarint(len(labels)))
        for name, value in labels:
            body += put_uvarint(name) + put_uvarint(value)
        body += put_uvarint(len(chunks))
        last = place = 0
        for number, chunk in enumerate(chunks):
            begins = self._put(chunk.data)
            body += put_varint(chunk.first) if number == 0 else put_uvarint(chunk.first - last)
            body += put_uvarint(chunk.last - chunk.first)
            body += put_uvarint(begins) if number == 0 else put_varint(begins - place)
            last, place = chunk.last, begins
            self._samples += number_of_samples(chunk.data)
        self._first = min(self._first, chunks[0].first) if self._all else chunks[0].first
        self._last = max(self._last, last)
        self._chunks += len(chunks)
        self._index.align(16)
        reference = self._index.position // 16
        for label in labels:
            self._postings[label].append(reference)
        self._all.append(reference)
        self._index.write(put_uvarint(len(body)) + body + crc32c(bytes(body)))

    def _put(self, chunk: bytes) -> int:
        """Writes a chunk; returns its place."""
        if not self._segments or self._segments[-1].position + len(chunk) > SEGMENT_SIZE:
            if self._segments:
                self._segments[-1].close()
            self._segments.append(_Written(self.directory / "chunks" / f"{len(self._segments) + 1:06d}", HEADER))
        place = (len(self._segments) - 1) << 32 | self._segments[-1].position
        self._segments[-1].write(chunk)
        return place

    def close(self) -> bool:
        """Writes what comes last; returns whether there is anything in it."""
        if not self._all:
            self._index.close()
            shutil.rmtree(self.directory)
            return False
        self._segments[-1].close()
        series_end = self._index.position
        table = [(b"\x00\x00", self._all)]
        for name, value in sorted(self._postings):
            table.append((self._symbols[name] + self._symbols[value], self._postings[name, value]))
        entries = bytearray(len(table).to_bytes(4, "big"))
        self._index.align(4)
        postings = self._index.position
        for label, references in table:
            entries += b"\x02" + label + put_uvarint(self._index.position)
            if sys.byteorder == "little":
                references.byteswap()
            self._index.section(len(references).to_bytes(4, "big") + references.tobytes())
        offsets = self._index.position
        self._index.section(bytes(entries))
        # As Prometheus does: of label indices, which nobody reads any more, there is only where they would be.
        places = (len(INDEX_HEADER), self._series_begin, series_end, offsets, postings, offsets)
        toc = b"".join(place.to_bytes(8, "big") for place in places)
        self._index.write(toc + crc32c(toc))
        self._index.close()
        self._describe()
        return True

    def _describe(self) -> None:
        stats = {"numSamples": self._samples, "numSeries": len(self._all), "numChunks": self._chunks}
        name = self.directory.name
        meta = {
            "ulid": name,
            "minTime": self._first,
            "maxTime": self._last + 1,
            "stats": stats,
            "compaction": {"level": self._meta.get("compaction", {}).get("level", 1), "sources": [name]},
            "version": 1,
        }
        (self.directory / "meta.json").write_text(json.dumps(meta))


class _Written:
    """A file that is written from its beginning on."""

    def __init__(self, path: Path, header: bytes) -> None:
        self._file, self.position = path.open("wb"), 0
        self.write(header)

    def write(self, data: bytes) -> None:
        self._file.write(data)
        self.position += len(data)

    def align(self, size: int) -> None:
        self.write(bytes(-self.position % size))

    def section(self, content: bytes) -> None:
        """With its length before it and its checksum after it; all of them begin at multiples of 4."""
        self.align(4)
        self.write(len(content).to_bytes(4, "big") + content + crc32c(content))

    def close(self) -> None:
        self._file.close()
