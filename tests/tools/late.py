# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pushes one old point and one old event, and looks whether the stores count them.

    python -m tests.tools.late push --grpc 127.0.0.1:4317 [--age 50h]      prints a mark
    python -m tests.tools.late find MARK --prometheus URL --loki URL       exit code 0 if both are counted once

Find again with the same mark after a flush or a kill: the answer must stay.
"""

from __future__ import annotations

import argparse
import sys
import time
import uuid
from dataclasses import dataclass

from tests.tools.ledger import Loki, Prometheus, StoreError
from tests.tools.otlp import GrpcSender, HttpSender, Refused, Sender
from tests.tools.replay import iso, parse_age

TOKENS = 50
AGE = 50 * 3600.0


@dataclass(frozen=True)
class Mark:
    """What was pushed: enough to find it again."""

    session: str
    moment: int

    def __str__(self) -> str:
        return f"{self.session}@{self.moment}"

    @classmethod
    def parse(cls, text: str) -> Mark:
        session, _, moment = text.partition("@")
        return cls(session, int(moment))


def push(sender: Sender, age: float = AGE) -> Mark:
    """Send a point of 50 input tokens and the api_request event of the same, both `age` seconds old."""
    mark = Mark(str(uuid.uuid4()), int(time.time() - age))
    nanoseconds = mark.moment * 1_000_000_000
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "claude-code"}}]}
    session = {"key": "session.id", "value": {"stringValue": mark.session}}
    point = {
        "startTimeUnixNano": str(nanoseconds - 1_000_000_000),
        "timeUnixNano": str(nanoseconds),
        "asDouble": float(TOKENS),
        "attributes": [session, {"key": "type", "value": {"stringValue": "input"}}],
    }
    metric = {
        "name": "claude_code.token.usage",
        "unit": "tokens",
        "sum": {"aggregationTemporality": 1, "isMonotonic": True, "dataPoints": [point]},
    }
    record = {
        "timeUnixNano": str(nanoseconds),
        "observedTimeUnixNano": str(nanoseconds),
        "body": {"stringValue": "claude_code.api_request"},
        "attributes": [
            session,
            {"key": "event.name", "value": {"stringValue": "api_request"}},
            {"key": "event.timestamp", "value": {"stringValue": iso(nanoseconds)}},
            {"key": "input_tokens", "value": {"intValue": str(TOKENS)}},
        ],
    }
    scope = {"name": "com.anthropic.claude_code"}
    sender.send(
        "metrics",
        {"resourceMetrics": [{"resource": resource, "scopeMetrics": [{"scope": scope, "metrics": [metric]}]}]},
    )
    scope = {"name": "com.anthropic.claude_code.events"}
    sender.send(
        "logs", {"resourceLogs": [{"resource": resource, "scopeLogs": [{"scope": scope, "logRecords": [record]}]}]}
    )
    return mark


def find(mark: Mark, prometheus: Prometheus, loki: Loki, timeout: float = 20) -> dict[str, int]:
    """The input tokens each store counts, asked until both are right, at most `timeout` seconds."""
    end = time.monotonic() + timeout
    while True:
        ledgers = {
            "prometheus": prometheus.ledgers([mark.session], mark.moment),
            "loki": loki.ledgers([mark.session], mark.moment),
        }
        found = {store: ledger.get(mark.session, {}).get("tokens input", 0) for store, ledger in ledgers.items()}
        if set(found.values()) == {TOKENS} or time.monotonic() > end:
            return found
        time.sleep(1)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    verbs = parser.add_subparsers(dest="verb", required=True)
    pushing = verbs.add_parser("push")
    target = pushing.add_mutually_exclusive_group(required=True)
    target.add_argument("--grpc", metavar="HOST:PORT")
    target.add_argument("--http", metavar="URL")
    pushing.add_argument("--age", type=parse_age, default=AGE, help="e.g. 50h (default)")
    finding = verbs.add_parser("find")
    finding.add_argument("mark", type=Mark.parse)
    finding.add_argument("--prometheus", required=True, metavar="URL")
    finding.add_argument("--loki", required=True, metavar="URL")
    finding.add_argument("--timeout", type=float, default=20, help="seconds (default 20)")
    options = parser.parse_args()
    try:
        if options.verb == "push":
            print(push(GrpcSender(options.grpc) if options.grpc else HttpSender(options.http), options.age))
            return 0
        found = find(options.mark, Prometheus(options.prometheus), Loki(options.loki), options.timeout)
    except (Refused, StoreError) as error:
        print(error, file=sys.stderr)
        return 2
    print(f"expected {TOKENS} input tokens, " + ", ".join(f"{store} {n}" for store, n in found.items()))
    return 0 if set(found.values()) == {TOKENS} else 1


if __name__ == "__main__":
    sys.exit(main())
