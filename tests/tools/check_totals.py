# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Replays the recordings into a stack and compares what Prometheus and Loki answer with the known totals.

    python -m tests.tools.check_totals --grpc 127.0.0.1:4317 --http http://127.0.0.1:4318 \\
        --prometheus http://127.0.0.1:9090 --loki http://127.0.0.1:3100

Exit code 0: all equal. 1: something differs (marked in the table). 2: a receiver or a store refused to answer.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from typing import Any

from tests.tools import replay
from tests.tools.ledger import COUNTERS, METRICS, NANO, Ledger, Loki, Prometheus, StoreError, differences, side_by_side
from tests.tools.otlp import Refused

POLL = 2.0


def expected(name: str) -> Ledger:
    """The true totals of a recording as a ledger."""
    truth = json.loads((replay.RECORDINGS / "expected.json").read_text())[name]
    return to_ledger(truth, cumulative="AGGREGATION_TEMPORALITY_CUMULATIVE" in truth["temporality"])


def to_ledger(truth: dict[str, Any], cumulative: bool) -> Ledger:
    """Of cumulative input only the events and the scraped counters: it must be absent from the exact path."""
    ledger: Ledger = {} if cumulative else {"sessions": truth["sessions"]}
    for key, value in truth["datapoint_sums"].items():
        name, _, kind = key.partition("{type=")
        kind = kind.rstrip("}")
        if cumulative:
            if name in COUNTERS:
                ledger[f"counter {name} {kind}".rstrip()] = round(value * COUNTERS[name][1])
        elif name == "claude_code.token.usage":
            ledger[f"tokens {kind}"] = round(value)
        elif name == "claude_code.cost.usage":
            ledger["cost"] = round(value * NANO)
        elif name == "claude_code.session.count":
            ledger["starts"] = round(value)
        else:
            ledger[f"metric {name} {kind}".rstrip()] = round(value * METRICS[name][1])
    for name, count in truth["events"].items():
        ledger[f"event {name}"] = count
    return ledger


class Check:
    """One replayed recording, its known totals and what the stores said last."""

    def __init__(self, sent: replay.Replayed) -> None:
        self.sent = sent
        self.cumulative = sent.name.startswith("cumulative")
        self.ledgers: dict[str, Ledger] = {"expected": expected(sent.name)}

    def look(self, metrics: dict[str, Ledger], events: dict[str, Ledger], prometheus: Prometheus) -> None:
        """Take the answers of the stores."""
        (session,) = self.sent.sessions
        self.ledgers["prometheus"] = metrics.get(session, {})
        self.ledgers["loki"] = events.get(session, {})
        if self.cumulative:
            leaked = {f"counter leaked into the exact path: {row}": 1 for row in self.ledgers["prometheus"]}
            self.ledgers["prometheus"] = prometheus.counters(session, self.sent.first) | leaked
            self.ledgers["loki"] = {row: n for row, n in self.ledgers["loki"].items() if row.startswith("event ")}

    def wrong(self) -> list[str]:
        return differences(self.ledgers)

    def table(self) -> str:
        name = self.sent.name.removesuffix(replay.SUFFIX)
        return side_by_side(f"{name} over {self.sent.transport}", self.ledgers)


def compare(sent: Sequence[replay.Replayed], prometheus: Prometheus, loki: Loki, timeout: float) -> list[Check]:
    """Ask until all totals are right twice in a row (a repeat may arrive late), at most `timeout` seconds."""
    checks = [Check(row) for row in sent]
    sessions = [session for row in sent for session in row.sessions]
    first = min(row.first for row in sent)
    end = time.monotonic() + timeout
    right = 0
    while right < 2:
        metrics, events = prometheus.ledgers(sessions, first), loki.ledgers(sessions, first)
        for check in checks:
            check.look(metrics, events, prometheus)
        right = 0 if any(check.wrong() for check in checks) else right + 1
        if time.monotonic() > end:
            break
        time.sleep(POLL)
    return checks


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    replay.arguments(parser)
    parser.add_argument("--prometheus", required=True, metavar="URL")
    parser.add_argument("--loki", required=True, metavar="URL")
    parser.add_argument("--timeout", type=float, default=120, help="seconds to wait for the totals (default 120)")
    options = parser.parse_args()
    if not (options.grpc or options.http):
        parser.error("give --grpc, --http or both")
    try:
        sent = replay.replay_all(options.grpc, options.http, options.files or None, options.age, options.copies)
        print(replay.table(sent), "\n", flush=True)
        started = time.monotonic()
        checks = compare(sent, Prometheus(options.prometheus), Loki(options.loki), options.timeout)
    except (Refused, StoreError) as error:
        print(f"no answer to compare: {error}", file=sys.stderr)
        return 2
    print("\n\n".join(check.table() for check in checks))
    wrong = [check for check in checks if check.wrong()]
    verdict = f"{len(wrong)} of {len(checks)} differ" if wrong else f"all {len(checks)} equal"
    print(f"\n{verdict}, {time.monotonic() - started:.0f} s after the last request")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
