# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The few OTLP messages a probe needs, as protobuf written by hand: a target host has nothing but Python.

Field numbers are those of opentelemetry-proto v1; the comments name the message a number belongs to.
"""

from __future__ import annotations

import struct
from typing import Any, NamedTuple

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
DELTA = 1
INFO = 9
SERVICE = "claude-code-observability-probe"
METRIC = "observability.probe"
METHODS = {
    "metrics": "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
    "logs": "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
}


class Rejection(NamedTuple):
    """A receiver's "I took only a part of it"."""

    items: int
    reason: str


def varint(number: int) -> bytes:
    """A non-negative integer, seven bits a byte, the lowest first."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def integer(field: int, number: int) -> bytes:
    return varint(field << 3 | VARINT) + varint(number)


def fixed64(field: int, number: int) -> bytes:
    return varint(field << 3 | FIXED64) + struct.pack("<Q", number)


def block(field: int, content: bytes | str) -> bytes:
    """A string or a message inside a message."""
    raw = content.encode() if isinstance(content, str) else content
    return varint(field << 3 | BYTES) + varint(len(raw)) + raw


def attributes(field: int, values: dict[str, str]) -> bytes:
    """Repeated KeyValue {key = 1, value = 2 {string_value = 1}}."""
    return b"".join(block(field, block(1, key) + block(2, block(1, value))) for key, value in values.items())


def of_probe(scoped: bytes) -> bytes:
    """An export request {resource_x = 1 {resource = 1 {attributes = 1}, scope_x = 2}} of the probe's own service."""
    resource = attributes(1, {"service.name": SERVICE})
    return block(1, block(1, resource) + block(2, scoped))


def metrics_request(values: dict[str, str], time_ns: int) -> bytes:
    """ExportMetricsServiceRequest: one delta sum of value 1, as Claude Code would send it."""
    point = (
        fixed64(2, time_ns - 1_000_000_000)  # start_time_unix_nano
        + fixed64(3, time_ns)  # time_unix_nano
        + fixed64(6, 1)  # as_int
        + attributes(7, values)
    )
    # Sum {data_points, aggregation_temporality, is_monotonic} as ScopeMetrics.metrics {name, sum}
    delta_sum = block(1, point) + integer(2, DELTA) + integer(3, 1)
    return of_probe(block(2, block(1, METRIC) + block(7, delta_sum)))


def logs_request(values: dict[str, str], time_ns: int) -> bytes:
    """ExportLogsServiceRequest: one record."""
    record = (
        fixed64(1, time_ns)  # time_unix_nano
        + fixed64(11, time_ns)  # observed_time_unix_nano
        + integer(2, INFO)  # severity_number
        + block(3, "INFO")  # severity_text
        + block(5, block(1, METRIC))  # body
        + attributes(6, values)
    )
    return of_probe(block(2, record))  # ScopeLogs.log_records


REQUESTS = {"metrics": metrics_request, "logs": logs_request}


def read_varint(data: bytes, position: int) -> tuple[int, int]:
    """The number at a position, and the position behind it."""
    number = shift = 0
    while True:
        if position >= len(data) or shift > 63:
            raise ValueError("not a protobuf message")
        byte = data[position]
        number |= (byte & 0x7F) << shift
        position, shift = position + 1, shift + 7
        if byte < 0x80:
            return number, position


def fields(message: bytes) -> dict[int, Any]:
    """The last value of each field of a message: int or bytes. Raises ValueError for anything but protobuf."""
    found: dict[int, Any] = {}
    position = 0
    while position < len(message):
        key, position = read_varint(message, position)
        wire = key & 7
        value: int | bytes
        if wire == VARINT:
            value, position = read_varint(message, position)
        else:
            if wire == BYTES:
                size, position = read_varint(message, position)
            elif wire in (FIXED64, FIXED32):
                size = 8 if wire == FIXED64 else 4
            else:
                raise ValueError("not a protobuf message")
            value, position = message[position : position + size], position + size
            if position > len(message):
                raise ValueError("not a protobuf message")
        found[key >> 3] = value
    return found


def text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else ""


def rejection(answer: bytes) -> Rejection:
    """What an export answer {partial_success = 1 {rejected = 1, error_message = 2}} says was not taken."""
    partial = fields(answer).get(1, b"")
    if not isinstance(partial, bytes):
        raise ValueError("not an export answer")
    content = fields(partial)
    items = content.get(1, 0)
    if not isinstance(items, int):
        raise ValueError("not an export answer")
    return Rejection(items, text(content.get(2)))


def status_message(answer: bytes) -> str:
    """The text of google.rpc.Status {message = 2}, in which an OTLP receiver explains an HTTP error; else empty."""
    try:
        return text(fields(answer).get(2))
    except ValueError:
        return ""
