# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import socket
import threading
from concurrent import futures

import grpc
import pytest
from ansible_collections.claude_code.observability.plugins.module_utils import _grpc
from ansible_collections.claude_code.observability.plugins.module_utils._grpc import CallError

PATH = "/test.Service/Method"
TIMEOUT = 20
MESSAGE = b"\x00\x00\x00\x00\x02hi"
OK_HEADERS = b"\x88"  # :status 200
OK_TRAILERS = _grpc.encode_headers([("grpc-status", "0")])
SETTINGS = _grpc.pack_frame(_grpc.SETTINGS, 0, 0)
ANSWER = (
    _grpc.pack_frame(_grpc.HEADERS, _grpc.END_HEADERS, 1, OK_HEADERS)
    + _grpc.pack_frame(_grpc.DATA, 0, 1, MESSAGE)
    + _grpc.pack_frame(_grpc.HEADERS, _grpc.END_HEADERS | _grpc.END_STREAM, 1, OK_TRAILERS)
)


def trailers_only(*pairs):
    block = OK_HEADERS + _grpc.encode_headers(list(pairs))
    return _grpc.pack_frame(_grpc.HEADERS, _grpc.END_HEADERS | _grpc.END_STREAM, 1, block)


class Handler(grpc.GenericRpcHandler):
    """A real gRPC server: one method, whatever its path, that does what the test wants."""

    def __init__(self, behaviour):
        self.behaviour = behaviour
        self.calls = []

    def service(self, details):
        def method(request, context):
            self.calls.append((details.method, request))
            return self.behaviour(request, context)

        return grpc.unary_unary_rpc_method_handler(method)


@contextlib.contextmanager
def real_server(behaviour):
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=1))
    handler = Handler(behaviour)
    server.add_generic_rpc_handlers((handler,))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield port, handler
    finally:
        server.stop(None).wait()


@contextlib.contextmanager
def raw_server(answer):
    """Sends fixed bytes once the whole request has come, and keeps what else the client sends until it hangs up."""
    received = bytearray()
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        connection, _peer = listener.accept()
        with connection:
            while _grpc.pack_frame(_grpc.DATA, _grpc.END_STREAM, 1, b"\0\0\0\0\1x") not in received:
                received.extend(connection.recv(65536))
            # A client that has read enough hangs up at once.
            with contextlib.suppress(OSError):
                connection.sendall(answer)
                connection.shutdown(socket.SHUT_WR)
                while part := connection.recv(65536):
                    received.extend(part)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listener.getsockname()[1], received
    finally:
        thread.join()
        listener.close()


def call_raw(answer, expected=None):
    with raw_server(answer) as (port, received):
        if expected is None:
            assert _grpc.call("127.0.0.1", port, PATH, b"x", TIMEOUT) == b"hi"
        else:
            with pytest.raises(CallError) as error:
                _grpc.call("127.0.0.1", port, PATH, b"x", TIMEOUT)
            assert expected in str(error.value)
    return bytes(received)


@pytest.mark.parametrize("size", [0, 1, 300, _grpc.MAX_FRAME - 5])
def test_message_goes_and_answer_comes(size):
    message = b"m" * size
    with real_server(lambda request, context: request[::-1] + b"!") as (port, handler):
        assert _grpc.call("127.0.0.1", port, PATH, message, TIMEOUT) == message + b"!"
    assert handler.calls == [(PATH, message)]


def test_answer_of_a_server_that_splits_it_into_frames():
    with real_server(lambda request, context: b"a" * 60000) as (port, _handler):
        assert _grpc.call("127.0.0.1", port, PATH, b"x", TIMEOUT) == b"a" * 60000


@pytest.mark.parametrize("code", [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK])
def test_status_of_the_trailers_decides(code):
    with (
        real_server(lambda request, context: context.abort(code, "대기열이 가득 찼습니다: 100% ☃")) as (port, _handler),
        pytest.raises(CallError) as error,
    ):
        _grpc.call("127.0.0.1", port, PATH, b"x", TIMEOUT)
    assert str(error.value) == f"{code.name}: 대기열이 가득 찼습니다: 100% ☃"


def test_status_without_a_message():
    call_raw(SETTINGS + trailers_only(("grpc-status", "14")), "UNAVAILABLE")


def test_a_whole_message_does_not_outweigh_a_failed_status():
    failed = _grpc.encode_headers([("grpc-status", "13"), ("grpc-message", "disk%20full")])
    trailers = _grpc.pack_frame(_grpc.HEADERS, _grpc.END_HEADERS | _grpc.END_STREAM, 1, failed)
    head = _grpc.pack_frame(_grpc.HEADERS, _grpc.END_HEADERS, 1, OK_HEADERS)
    call_raw(SETTINGS + head + _grpc.pack_frame(_grpc.DATA, 0, 1, MESSAGE) + trailers, "INTERNAL: disk full")


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n", "not HTTP/2; is this the gRPC port?"),
        (b"\x15\x03\x01\x00\x02\x02\x46TLS alert", "not HTTP/2"),
        (b"", "closed the connection before it answered"),
        (SETTINGS + ANSWER[:-1], "closed the connection before it answered"),
        (SETTINGS + ANSWER[: -len(OK_TRAILERS) - 9], "closed the connection before it answered"),
        (SETTINGS + trailers_only(), "grpc-status missing"),
        (SETTINGS + trailers_only(("grpc-status", "0")), "not one whole message"),
        (SETTINGS + trailers_only(("grpc-status", "99"), ("grpc-message", "new")), "grpc-status 99: new"),
        (SETTINGS + _grpc.pack_frame(_grpc.HEADERS, 0x5, 1, b"\x8d"), "HTTP status 404"),
        (SETTINGS + _grpc.pack_frame(_grpc.HEADERS, 0x5, 1, b"\x48\x03503"), "HTTP status 503"),
        (SETTINGS + _grpc.pack_frame(_grpc.HEADERS, 0x5, 1, b""), "HTTP status missing"),
        (SETTINGS + _grpc.pack_frame(_grpc.HEADERS, 0x5, 1, b"\xbe"), "table that was declined"),
        (SETTINGS + _grpc.pack_frame(_grpc.HEADERS, 0x5, 1, b"\x00\x05ab"), "ends too early"),
        (SETTINGS + _grpc.pack_frame(_grpc.HEADERS, 0xD, 1, b"\x09abc"), "broken padding"),
        (SETTINGS + _grpc.pack_frame(_grpc.RST_STREAM, 0, 1, b"\0\0\0\x07"), "HTTP/2 error 7"),
        (
            SETTINGS + _grpc.pack_frame(_grpc.GOAWAY, 0, 0, b"\0\0\0\0\0\0\0\x0btoo_many_pings"),
            "ended the connection: too_many_pings",
        ),
        (
            SETTINGS + ANSWER.replace(MESSAGE, b"\x01" + MESSAGE[1:]),
            "not one whole message",
        ),
    ],
)
def test_no_success_without_a_clean_end(answer, expected):
    call_raw(answer, expected)


def test_padding_priority_continuation_and_foreign_frames():
    head = b"\x02" + b"\0\0\0\0\x10" + OK_HEADERS + b"\0\0"  # two bytes of padding, priority
    answer = (
        SETTINGS
        + _grpc.pack_frame(8, 0, 0, b"\0\0\xff\xff")  # WINDOW_UPDATE
        + _grpc.pack_frame(_grpc.HEADERS, 0x4 | 0x8 | 0x20, 1, head)
        + _grpc.pack_frame(_grpc.DATA, 0x8, 1, b"\x03" + MESSAGE[:4] + b"\0\0\0")
        + _grpc.pack_frame(_grpc.DATA, 0, 3, b"of another stream")
        + _grpc.pack_frame(0xFA, 0, 1, b"a kind nobody knows")
        + _grpc.pack_frame(_grpc.DATA, 0, 1, MESSAGE[4:])
        + _grpc.pack_frame(_grpc.GOAWAY, 0, 0, b"\0\0\0\x01\0\0\0\0")  # graceful: our stream is still served
        + _grpc.pack_frame(_grpc.HEADERS, _grpc.END_STREAM, 1, OK_TRAILERS[:3])
        + _grpc.pack_frame(_grpc.CONTINUATION, _grpc.END_HEADERS, 1, OK_TRAILERS[3:])
    )
    call_raw(answer)


def test_settings_and_pings_are_acknowledged():
    ping = _grpc.pack_frame(_grpc.PING, 0, 0, b"12345678")
    acknowledged = _grpc.pack_frame(_grpc.PING, _grpc.ACK, 0, b"12345678")
    received = call_raw(SETTINGS + ping + acknowledged + _grpc.pack_frame(_grpc.SETTINGS, _grpc.ACK, 0) + ANSWER)
    after_request = received.partition(b"\0\0\0\0\1x")[2]
    assert after_request == _grpc.pack_frame(_grpc.SETTINGS, _grpc.ACK, 0) + acknowledged


def test_nobody_listens():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(CallError, match="refused"):
        _grpc.call("127.0.0.1", port, PATH, b"x", TIMEOUT)


def test_a_silent_server_is_given_up():
    with socket.create_server(("127.0.0.1", 0)) as listener, pytest.raises(CallError, match="no answer in time"):
        _grpc.call("127.0.0.1", listener.getsockname()[1], PATH, b"x", 0.05)


def test_a_message_beyond_one_frame_is_refused():
    with pytest.raises(ValueError, match="longer than"):
        _grpc.call("127.0.0.1", 1, PATH, b"x" * _grpc.MAX_FRAME, TIMEOUT)


# RFC 7541, appendix C.4 and C.6.
@pytest.mark.parametrize(
    ("data", "text"),
    [
        ("f1e3c2e5f23a6ba0ab90f4ff", b"www.example.com"),
        ("a8eb10649cbf", b"no-cache"),
        ("d07abe941054d444a8200595040b8166e082a62d1bff", b"Mon, 21 Oct 2013 20:13:21 GMT"),
        (
            "94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007",
            b"foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1",
        ),
    ],
)
def test_huffman(data, text):
    assert _grpc.decode_huffman(bytes.fromhex(data)) == text


def test_huffman_codes_are_complete():
    assert len(_grpc.HUFFMAN_LENGTHS) == 257
    assert sum(2.0**-length for length in _grpc.HUFFMAN_LENGTHS) == 1


@pytest.mark.parametrize("data", ["f1e3c2e5f23a6ba0ab90f4fe", "a8eb10649cbfff"])
def test_huffman_padding_is_checked(data):
    with pytest.raises(ValueError, match="inside a symbol"):
        _grpc.decode_huffman(bytes.fromhex(data))


def test_every_form_of_header():
    block = (
        b"\x20"  # table size 0
        + b"\x88"  # indexed :status 200
        + b"\x5f\x10application/grpc"  # static name 31, incremental indexing
        + b"\x0f\x10\x01x"  # static name 31, without indexing: a number of two bytes
        + b"\x40\x0cgrpc-message\x02ok"  # new name, incremental indexing
        + b"\x10\x88\x9a\xca\xc8\xb2\x12\x34\xda\x8f\x010"  # new name in Huffman's code, never indexed
    )
    assert _grpc.HeaderBlock(block).headers() == {
        ":status": "200",
        "(static 31)": "x",
        "grpc-message": "ok",
        "grpc-status": "0",
    }


def test_a_long_value():
    block = b"\x00\x0cgrpc-message\x7f\x81\x01" + b"m" * 256
    assert _grpc.HeaderBlock(block).headers() == {"grpc-message": "m" * 256}


@pytest.mark.parametrize("size", [126, 127, 300, 5000])
def test_metadata_of_any_length_arrives(size):
    """A bearer token is often longer than the 126 bytes that one byte of length can tell."""
    seen = []

    def behaviour(request, context):
        seen.extend(value for key, value in context.invocation_metadata() if key == "authorization")
        return b"hi"

    with real_server(behaviour) as (port, _handler):
        request = _grpc.request_of("localhost", PATH, b"x", [("Authorization", "t" * size)])
        with socket.create_connection(("127.0.0.1", port)) as opened:
            assert _grpc.call_over(opened, request, TIMEOUT) == b"hi"
    assert seen == ["t" * size]
