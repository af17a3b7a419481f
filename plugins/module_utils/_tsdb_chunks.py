# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The chunks of a block of Prometheus: as they stand in its files, and the samples of one that must be cut."""

from __future__ import annotations

import mmap
import sys
from collections.abc import Iterable

POLYNOMIAL = 0x82F63B78  # Castagnoli's, bits reversed.
XOR = 1
NAMES = {2: "native histograms", 3: "native histograms"}
HEADER = b"\x85\xbd\x40\xdd\x01\x00\x00\x00"
# Before a value that repeats the place of its predecessor's bits, there must have been one.
NO_PLACE = (64, 64)


class BlockError(Exception):
    """What is wrong with a block, for the user."""


def _tables() -> tuple[list[int], list[int]]:
    single = []
    for number in range(256):
        for _bit in range(8):
            number = number >> 1 ^ (POLYNOMIAL if number & 1 else 0)
        single.append(number)
    double = []
    for number in range(65536):
        number = number >> 8 ^ single[number & 255]
        double.append(number >> 8 ^ single[number & 255])
    return single, double


SINGLE, DOUBLE = _tables()


def crc32c(data: bytes) -> bytes:
    """The checksum of everything in a block. The standard library has another polynomial's only."""
    crc = 0xFFFFFFFF
    even = len(data) & ~1 if sys.byteorder == "little" else 0
    for word in memoryview(data)[:even].cast("H"):
        crc = crc >> 16 ^ DOUBLE[(crc ^ word) & 0xFFFF]
    for byte in data[even:]:
        crc = crc >> 8 ^ SINGLE[(crc ^ byte) & 0xFF]
    return (crc ^ 0xFFFFFFFF).to_bytes(4, "big")


def uvarint(data: bytes | mmap.mmap, at: int) -> tuple[int, int]:
    """A number of variable length, and where the next thing begins."""
    number = shift = 0
    while True:
        byte = data[at]
        at += 1
        number |= (byte & 127) << shift
        if byte < 128:
            return number, at
        shift += 7


def varint(data: bytes, at: int) -> tuple[int, int]:
    """The same with a sign."""
    number, at = uvarint(data, at)
    return number >> 1 ^ -(number & 1), at


def put_uvarint(number: int) -> bytes:
    if number < 128:
        return bytes((number,))
    put = bytearray()
    while number > 127:
        put.append(number & 127 | 128)
        number >>= 7
    put.append(number)
    return bytes(put)


def put_varint(number: int) -> bytes:
    return put_uvarint(number << 1 if number >= 0 else -(number << 1) - 1)


def number_of_samples(chunk: bytes) -> int:
    """Of a chunk as it stands in the file."""
    _length, at = uvarint(chunk, 0)
    return int.from_bytes(chunk[at + 1 : at + 3], "big")


def samples(chunk: bytes) -> list[tuple[int, int]]:
    """The samples of a chunk as it stands in the file: time, and the bits of the value. Raises BlockError."""
    length, at = uvarint(chunk, 0)
    encoding, data = chunk[at], chunk[at + 1 : at + 1 + length]
    if crc32c(chunk[at : at + 1 + length]) != chunk[at + 1 + length :]:
        raise BlockError("the checksum of a chunk is wrong")
    if encoding != XOR:
        what = NAMES.get(encoding, f"an encoding of chunks, {encoding}, that is not known here")
        raise BlockError(f"a chunk with {what} crosses midnight and cannot be cut")
    bits = _Bits(data)
    found: list[tuple[int, int]] = []
    time = value = delta = 0
    place = NO_PLACE
    for number in range(bits.take(16)):
        if number == 0:
            time, value = bits.varint(), bits.take(64)
        else:
            delta = bits.uvarint() if number == 1 else delta + bits.change()
            time += delta
            difference, place = bits.difference(place)
            value ^= difference
        found.append((time, value))
    return found


class _Bits:
    """Bits that are read from the front."""

    def __init__(self, data: bytes) -> None:
        self._bits, self._left = int.from_bytes(data, "big"), 8 * len(data)

    def take(self, number: int) -> int:
        self._left -= number
        if self._left < 0:
            raise BlockError("a chunk ends before its samples do")
        return self._bits >> self._left & (1 << number) - 1

    def uvarint(self) -> int:
        number = shift = 0
        while True:
            byte = self.take(8)
            number |= (byte & 127) << shift
            if byte < 128:
                return number
            shift += 7

    def varint(self) -> int:
        number = self.uvarint()
        return number >> 1 ^ -(number & 1)

    def change(self) -> int:
        """By how much the distance to the sample before has changed."""
        size = next((size for size in (0, 14, 17, 20) if not self.take(1)), 64)
        number = self.take(size) if size else 0
        return number - (1 << size) if size and number > 1 << (size - 1) else number

    def difference(self, place: tuple[int, int]) -> tuple[int, tuple[int, int]]:
        """What differs from the bits of the value before, and where: zeros before and after."""
        if not self.take(1):
            return 0, place
        if self.take(1):
            before, size = self.take(5), self.take(6) or 64
            place = (before, 64 - before - size)
        before, after = place
        return self.take(64 - before - after) << after, place


def chunk_of(found: Iterable[tuple[int, int]]) -> bytes:
    """A chunk of these samples, as it stands in the file."""
    found = list(found)
    bits, size = len(found), 16

    def put(number: int, length: int) -> None:
        nonlocal bits, size
        bits, size = bits << length | number & (1 << length) - 1, size + length

    (last, value), delta, place = found[0], 0, NO_PLACE
    for byte in put_varint(last):
        put(byte, 8)
    put(value, 64)
    for number, (time, new) in enumerate(found[1:]):
        if number == 0:
            for byte in put_uvarint(time - last):
                put(byte, 8)
        else:
            change = time - last - delta
            if change == 0:
                put(0, 1)
            else:
                for prefix, length in ((0b10, 14), (0b110, 17), (0b1110, 20)):
                    if -(1 << (length - 1)) < change <= 1 << (length - 1):
                        put(prefix, prefix.bit_length())
                        put(change, length)
                        break
                else:
                    put(0b1111, 4)
                    put(change, 64)
        delta, last = time - last, time
        difference, value = value ^ new, new
        if difference == 0:
            put(0, 1)
            continue
        before = min(64 - difference.bit_length(), 31)
        after = (difference & -difference).bit_length() - 1
        if place != NO_PLACE and before >= place[0] and after >= place[1]:
            put(0b10, 2)
        else:
            place = (before, after)
            put(0b11, 2)
            put(before, 5)
            put(64 - before - after, 6)
        put(difference >> place[1], 64 - place[0] - place[1])
    padding = -size % 8
    data = (bits << padding).to_bytes((size + padding) // 8, "big")
    body = bytes((XOR,)) + data
    return put_uvarint(len(data)) + body + crc32c(body)
