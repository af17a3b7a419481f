# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stand-in for the model API on loopback: plays a script per API key, keeps a ledger of the usage it handed out.

Only `POST /v1/messages` with streaming is spoken, all that the client asks for.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

# Nano-dollars per token, from the public price list: input, output, cache read, cache write (5 minutes), (1 hour).
PRICES = {
    "claude-haiku-4-5": (1000, 5000, 100, 1250, 2000),
    "claude-sonnet-4-5": (3000, 15000, 300, 3750, 6000),
}
ERRORS = {400: "invalid_request_error", 500: "api_error", 529: "overloaded_error"}


@dataclass(frozen=True)
class Usage:
    """Tokens of one answer."""

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_5m: int = 0
    cache_1h: int = 0

    def cost(self, model: str) -> int:
        """Nano-dollars."""
        prices = next(prices for name, prices in PRICES.items() if model.startswith(name))
        counts = (self.input, self.output, self.cache_read, self.cache_5m, self.cache_1h)
        return sum(price * count for price, count in zip(prices, counts))


@dataclass(frozen=True)
class Say:
    """Answer with a text and end the turn."""

    text: str
    usage: Usage


@dataclass(frozen=True)
class Call:
    """Answer with a tool call."""

    tool: str
    arguments: dict[str, Any]
    usage: Usage


@dataclass(frozen=True)
class Fail:
    """Answer with an error status, and this message."""

    status: int
    message: str = ""


Step = Say | Call | Fail


@dataclass
class Account:
    """The script of one API key, and what was handed out under it."""

    steps: deque[Step]
    answers: int = 0
    failures: int = 0
    unscripted: list[str] = field(default_factory=list)
    ledger: dict[str, int] = field(default_factory=dict)

    def book(self, usage: Usage, model: str) -> None:
        self.answers += 1
        for row, count in (
            ("tokens input", usage.input),
            ("tokens output", usage.output),
            ("tokens cacheRead", usage.cache_read),
            ("tokens cacheCreation", usage.cache_5m + usage.cache_1h),
            ("cost", usage.cost(model)),
        ):
            self.ledger[row] = self.ledger.get(row, 0) + count


def stream(step: Say | Call, model: str, number: int) -> Iterator[dict[str, Any]]:
    """The server-sent events of one answer."""
    usage = step.usage
    start = {
        "input_tokens": usage.input,
        "output_tokens": min(usage.output, 1),
        "cache_read_input_tokens": usage.cache_read,
        "cache_creation_input_tokens": usage.cache_5m + usage.cache_1h,
        "cache_creation": {"ephemeral_5m_input_tokens": usage.cache_5m, "ephemeral_1h_input_tokens": usage.cache_1h},
    }
    message = {"id": f"msg_{number:06}", "type": "message", "role": "assistant", "model": model, "content": []}
    yield {"type": "message_start", "message": message | {"stop_reason": None, "stop_sequence": None, "usage": start}}
    if isinstance(step, Say):
        block: dict[str, Any] = {"type": "text", "text": ""}
        deltas: list[dict[str, Any]] = [{"type": "text_delta", "text": step.text}]
    else:
        block = {"type": "tool_use", "id": f"toolu_{number:06}", "name": step.tool, "input": {}}
        deltas = [{"type": "input_json_delta", "partial_json": json.dumps(step.arguments)}]
    yield {"type": "content_block_start", "index": 0, "content_block": block}
    for delta in deltas:
        yield {"type": "content_block_delta", "index": 0, "delta": delta}
    yield {"type": "content_block_stop", "index": 0}
    reason = "end_turn" if isinstance(step, Say) else "tool_use"
    yield {
        "type": "message_delta",
        "delta": {"stop_reason": reason, "stop_sequence": None},
        "usage": {"output_tokens": usage.output},
    }
    yield {"type": "message_stop"}


class ModelApi:
    """The server. Register a script with `script`, read what was handed out from `accounts`."""

    def __init__(self) -> None:
        self.accounts: dict[str, Account] = {}
        self._lock = threading.Lock()
        self._number = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def script(self, key: str, *steps: Step) -> Account:
        """Play these steps, one per request, to the client that uses this API key."""
        account = self.accounts[key] = Account(deque(steps))
        return account

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def next(self, key: str, about: str) -> tuple[Account, Step, int]:
        """The next step of a key; a request beyond the script fails and is remembered."""
        with self._lock:
            self._number += 1
            account = self.accounts.setdefault(key, Account(deque()))
            if account.steps:
                return account, account.steps.popleft(), self._number
            account.unscripted.append(about)
            return account, Fail(400), self._number

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.path.split("?")[0] != "/v1/messages":
                    self.answer(404, "application/json", b"{}")
                    return
                request = json.loads(body)
                account, step, number = api.next(self.headers["x-api-key"], f"{self.path} {request['model']}")
                if isinstance(step, Fail):
                    account.failures += 1
                    error = {"type": ERRORS[step.status], "message": step.message or f"scripted {step.status}"}
                    failure = json.dumps({"type": "error", "error": error, "request_id": f"req_{number:06}"})
                    self.answer(step.status, "application/json", failure.encode(), number)
                    return
                events = stream(step, request["model"], number)
                text = "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events)
                # Booked before it is sent: the client may act on the last event before this thread runs again.
                with api._lock:
                    account.book(step.usage, request["model"])
                self.answer(200, "text/event-stream", text.encode(), number)

            def answer(self, status: int, content_type: str, body: bytes, number: int = 0) -> None:
                self.send_response(status)
                self.send_header("Content-Type", content_type)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("request-id", f"req_{number:06}")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        return Handler
