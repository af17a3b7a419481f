# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One unary gRPC call over HTTP/2 (RFC 9113, RFC 7541), with the standard library alone.

Only what a small request and a small answer need: no flow control of our own (both stay below the initial windows) and
no HPACK table (our SETTINGS tell the server so). Whether a call worked is decided by the trailers, as gRPC demands.
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import unquote

from ._otlp import varint
from ._tls import Access, AccessError

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, CONTINUATION = 0, 1, 3, 4, 6, 7, 9
ACK = END_STREAM = 0x1
END_HEADERS, PADDED, PRIORITY = 0x4, 0x8, 0x20
HEADER_TABLE_SIZE, ENABLE_PUSH = 1, 2
STREAM = 1
NOT_GRPC = "not gRPC"
CLOSED = "the server closed the connection before it answered"
MAX_FRAME = 16384
MAX_ANSWER = 65535
# The HPACK static table as far as an answer's meaning needs it: `:status`. Other indexed names keep their number.
STATUS_VALUES = {8: "200", 9: "204", 10: "206", 11: "304", 12: "400", 13: "404", 14: "500"}
CODES = (
    *("OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS"),
    *("PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED"),
    *("INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED"),
)
# The code lengths of RFC 7541, appendix B, in base 36, by symbol; the last one, 256, ends a string.
# The code is canonical: its lengths are all there is to know.
HUFFMAN_LENGTHS = [
    int(digit, 36)
    for digit in (
        "dnsssssssoussussssssssusssssssss6aacd68baa8b8666555666666678f6cad677777777777777777777"
        "77878djde6f56565666577666567655677777fbedskmkkmmmnmnnnnnonoomnonnnnlmnmnnomlkmmnnlnmmo"
        "lmnnllmlnmnnkmmmnmmnqqkjmnmpqqqrrqopjlqrrqrollqqsrrrkoklmllnmmppooqnqrqqrrrrrsrrrrrqu"
    )
]


class CallError(Exception):
    """The call did not work; the text says what the server, or the network, answered.

    `status` is the name of the gRPC status if the server gave one, or NOT_GRPC.
    """

    def __init__(self, text: str, status: str = "") -> None:
        super().__init__(text)
        self.status = status


class Frame(NamedTuple):
    kind: int
    flags: int
    stream: int
    payload: bytes


def pack_frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def encode_headers(headers: list[tuple[str, str]]) -> bytes:
    """HPACK, every header as a literal that no table keeps."""
    out = bytearray()
    for pair in headers:
        out.append(0)
        for text in pair:
            raw = text.encode("ascii")
            out += encode_length(len(raw))
            out += raw
    return bytes(out)


def encode_length(number: int) -> bytes:
    """The length of a string that is not in Huffman's code: an integer with a prefix of 7 bits."""
    return bytes([number]) if number < 0x7F else b"\x7f" + varint(number - 0x7F)


def huffman_codes(lengths: list[int]) -> dict[str, int]:
    """The canonical code of these lengths: bits, as text, to symbol."""
    codes: dict[str, int] = {}
    code = width = 0
    for length, symbol in sorted((length, symbol) for symbol, length in enumerate(lengths)):
        code, width = code << (length - width), length
        codes[f"{code:0{length}b}"] = symbol
        code += 1
    return codes


HUFFMAN = huffman_codes(HUFFMAN_LENGTHS)


def decode_huffman(data: bytes) -> bytes:
    out = bytearray()
    code = ""
    for bit in "".join(f"{byte:08b}" for byte in data):
        code += bit
        if code in HUFFMAN:
            out.append(HUFFMAN[code])
            code = ""
    if len(code) > 7 or "0" in code:
        raise ValueError("a Huffman string ends inside a symbol")
    return bytes(out)


class HeaderBlock:
    """Reads one HPACK header block."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.position = 0

    def byte(self) -> int:
        if self.position >= len(self.data):
            raise ValueError("a header block ends too early")
        self.position += 1
        return self.data[self.position - 1]

    def integer(self, first: int, bits: int) -> int:
        limit = (1 << bits) - 1
        number = first & limit
        if number < limit:
            return number
        for shift in range(0, 28, 7):
            byte = self.byte()
            number += (byte & 0x7F) << shift
            if byte < 0x80:
                return number
        raise ValueError("a header block holds a number out of range")

    def string(self) -> str:
        first = self.byte()
        size = self.integer(first, 7)
        raw = self.data[self.position : self.position + size]
        if len(raw) < size:
            raise ValueError("a header block ends too early")
        self.position += size
        return (decode_huffman(raw) if first & 0x80 else raw).decode("latin-1")

    @staticmethod
    def name(index: int) -> str:
        if not 1 <= index <= 61:
            raise ValueError("a header refers to a table that was declined")
        return ":status" if index in STATUS_VALUES else f"(static {index})"

    def headers(self) -> dict[str, str]:
        found: dict[str, str] = {}
        while self.position < len(self.data):
            first = self.byte()
            if first & 0x80:
                index = self.integer(first, 7)
                found[self.name(index)] = STATUS_VALUES.get(index, "")
            elif first & 0xE0 == 0x20:
                self.integer(first, 5)  # the server confirms the size of its table
            else:
                index = self.integer(first, 6 if first & 0x40 else 4)
                name = self.name(index) if index else self.string()
                found[name] = self.string()
        return found


class Connection:
    """An open socket that speaks in frames, until a deadline."""

    def __init__(self, opened: socket.socket, timeout: float) -> None:
        self.deadline = time.monotonic() + timeout
        self.socket = opened

    def send(self, data: bytes) -> None:
        self.socket.settimeout(self.left())
        self.socket.sendall(data)

    def left(self) -> float:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise CallError("no answer in time")
        return left

    def exactly(self, size: int) -> bytes:
        parts = bytearray()
        while len(parts) < size:
            self.socket.settimeout(self.left())
            part = self.socket.recv(size - len(parts))
            if not part:
                raise CallError(CLOSED)
            parts += part
        return bytes(parts)

    def frame(self) -> Frame:
        head = self.exactly(9)
        size = int.from_bytes(head[:3], "big")
        if size > MAX_FRAME:
            raise CallError("the answer is not HTTP/2; is this the gRPC port?", NOT_GRPC)
        return Frame(head[3], head[4], int.from_bytes(head[5:], "big") & 0x7FFFFFFF, self.exactly(size))


class Answer:
    """What has come back on the stream of the call so far."""

    def __init__(self) -> None:
        self.headers: dict[str, str] = {}
        self.body = bytearray()
        self.complete = False
        self._block = bytearray()
        self._last_block = False

    def take(self, frame: Frame) -> None:
        if frame.kind == RST_STREAM:
            raise CallError(f"the server reset the call, HTTP/2 error {int.from_bytes(frame.payload, 'big')}")
        if frame.kind == DATA:
            self.body += bare(frame)
            if len(self.body) > MAX_ANSWER:
                raise CallError("the answer is too long to be one")
            self.complete = bool(frame.flags & END_STREAM)
        elif frame.kind == HEADERS:
            self._last_block = bool(frame.flags & END_STREAM)
            self._add(bare(frame), frame.flags)
        elif frame.kind == CONTINUATION:
            self._add(frame.payload, frame.flags)

    def _add(self, fragment: bytes, flags: int) -> None:
        self._block += fragment
        if flags & END_HEADERS:
            self.headers.update(HeaderBlock(bytes(self._block)).headers())
            self._block.clear()
            self.complete = self._last_block

    def message(self) -> bytes:
        """The one message of a call that worked; CallError for any other outcome."""
        http_status = self.headers.get(":status", "missing")
        if http_status != "200":
            raise CallError(f"HTTP status {http_status} instead of a gRPC answer", NOT_GRPC)
        status = self.headers.get("grpc-status", "missing")
        if status != "0":
            known = status.isdigit() and int(status) < len(CODES)
            name = CODES[int(status)] if known else f"grpc-status {status}"
            reason = unquote(self.headers.get("grpc-message", ""))
            raise CallError(f"{name}: {reason}" if reason else name, name)
        body = bytes(self.body)
        if len(body) < 5 or body[0] != 0 or int.from_bytes(body[1:5], "big") != len(body) - 5:
            raise CallError("grpc-status 0, but the answer is not one whole message")
        return body[5:]


def bare(frame: Frame) -> bytes:
    """The payload of DATA or HEADERS without padding and priority."""
    payload = frame.payload
    if frame.flags & PADDED:
        if not payload or payload[0] >= len(payload):
            raise ValueError("a frame has broken padding")
        payload = payload[1 : len(payload) - payload[0]]
    return payload[5:] if frame.kind == HEADERS and frame.flags & PRIORITY else payload


def exchange(connection: Connection, request: bytes) -> Answer:
    """Sends what opens the connection and the request, and serves the connection until the answer is complete."""
    connection.send(request)
    answer = Answer()
    while not answer.complete:
        frame = connection.frame()
        if frame.kind in (SETTINGS, PING) and not frame.flags & ACK:
            connection.send(pack_frame(frame.kind, ACK, 0, frame.payload if frame.kind == PING else b""))
        elif frame.kind == GOAWAY and int.from_bytes(frame.payload[:4], "big") < STREAM:
            reason = frame.payload[8:].decode(errors="replace") or "GOAWAY"
            raise CallError(f"the server ended the connection: {reason}")
        elif frame.stream == STREAM:
            answer.take(frame)
    return answer


def request_of(
    authority: str, method: str, message: bytes, metadata: Sequence[tuple[str, str]] = (), scheme: str = "http"
) -> bytes:
    """What opens a connection and calls `method` (/package.Service/Method) on it. ValueError if it is too long."""
    data = b"\0" + struct.pack(">I", len(message)) + message
    headers = encode_headers(
        [
            (":method", "POST"),
            (":scheme", scheme),
            (":path", method),
            (":authority", authority),
            ("content-type", "application/grpc"),
            ("te", "trailers"),
            *((name.lower(), value) for name, value in metadata),
        ]
    )
    if max(len(data), len(headers)) > MAX_FRAME:
        raise ValueError(f"the message is longer than {MAX_FRAME - 5} bytes")
    return (
        PREFACE
        + pack_frame(SETTINGS, 0, 0, struct.pack(">HIHI", HEADER_TABLE_SIZE, 0, ENABLE_PUSH, 0))
        + pack_frame(HEADERS, END_HEADERS, STREAM, headers)
        + pack_frame(DATA, END_STREAM, STREAM, data)
    )


def call_over(opened: socket.socket, request: bytes, timeout: float) -> bytes:
    """The answer's message to a request over an open connection. Raises CallError and OSError."""
    try:
        return exchange(Connection(opened, timeout), request).message()
    except ValueError as error:
        raise CallError(f"the answer cannot be read: {error}") from error


def call(
    host: str,
    port: int,
    method: str,
    message: bytes,
    timeout: float,
    metadata: Sequence[tuple[str, str]] = (),
    access: Access | None = None,
) -> bytes:
    """Calls a method, over TLS with an `access`, and returns the answer's message; CallError says why there is none."""
    authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    request = request_of(authority, method, message, metadata, "https" if access else "http")
    try:
        with socket.create_connection((host, port), timeout) as plain:
            if not access:
                return call_over(plain, request, timeout)
            context = access.context()
            context.set_alpn_protocols(["h2"])
            with context.wrap_socket(plain, server_hostname=host) as opened:
                return call_over(opened, request, timeout)
    except AccessError as error:
        raise CallError(str(error)) from error
    except CallError as error:
        # All that a gRPC server in Go has to say in plain text where it expects TLS.
        if str(error) == CLOSED and not access:
            raise CallError(f"{CLOSED}; if it speaks TLS only, write https:// into the URL") from error
        raise
    except socket.timeout as error:
        raise CallError("no answer in time") from error
    except OSError as error:
        about_tls = access.failure(error) if access else ""
        raise CallError(about_tls or error.strerror or str(error)) from error
