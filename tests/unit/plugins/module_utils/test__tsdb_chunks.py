# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import random
import struct

import pytest
from ansible_collections.claude_code.observability.plugins.module_utils._tsdb_chunks import (
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


def bits(value):
    return struct.unpack(">Q", struct.pack(">d", value))[0]


# Every length of a change of pace, and both ends of each.
EDGES = [sign * (1 << size) + step for size in (12, 13, 16, 19, 20, 40) for sign in (1, -1) for step in (-1, 0, 1)]


def test_crc32c_of_the_standard():
    assert crc32c(b"123456789") == bytes.fromhex("e3069283")
    assert crc32c(b"12345678") == bytes.fromhex("6087809a")


@pytest.mark.parametrize("number", [0, 1, 127, 128, 16383, 16384, 2**63 - 1])
def test_numbers_come_back(number):
    assert uvarint(put_uvarint(number), 0)[0] == number
    assert varint(put_varint(number), 0)[0] == number
    assert varint(put_varint(-number), 0)[0] == -number


def test_samples_come_back():
    chance = random.Random(4)
    for _time in range(100):
        time, found = chance.randrange(-(10**6), 2 * 10**12), []
        for _sample in range(chance.randrange(1, 150)):
            time += chance.choice([1, 15000, chance.randrange(1, 10**4), chance.randrange(1, 10**9)])
            found.append((time, bits(chance.choice([0.0, 1.5, chance.random(), float("nan"), float(time), -1e300]))))
        chunk = chunk_of(found)
        assert samples(chunk) == found
        assert number_of_samples(chunk) == len(found)


@pytest.mark.parametrize("change", EDGES)
def test_every_change_of_pace_comes_back(change):
    pace = 1 << 41
    found = [(0, bits(1.0)), (pace, bits(1.0)), (2 * pace + change, bits(2.0))]
    assert samples(chunk_of(found)) == found


def test_what_is_wrong_is_said():
    chunk = bytearray(chunk_of([(1000, bits(7.0)), (2000, bits(8.0))]))
    chunk[6] ^= 1
    with pytest.raises(BlockError, match="checksum of a chunk is wrong"):
        samples(bytes(chunk))
    body = b"\x02" + bytes(10)
    with pytest.raises(BlockError, match="native histograms crosses midnight"):
        samples(put_uvarint(10) + body + crc32c(body))
