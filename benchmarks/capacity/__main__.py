# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a stack for so many developers needs, by a small model.

    make capacity DEVELOPERS=500                    sizes for 500 developers; none: those of docs/capacity.md
    make capacity DEVELOPERS=500 SESSIONS=12        who start 12 sessions on a working day
    make bench-capacity                             compares the model with real programs (minutes)

--measure writes the figures to benchmarks/capacity-<date>.txt. All MB are 10^6 bytes, all GB 10^9.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.capacity.model import Company
from benchmarks.month.text import table

ROOT = Path(__file__).resolve().parents[2]
SIZES = (10, 100, 500, 1_000, 5_000)
WORKING_DAYS = 261
ROWS: tuple[tuple[str, Callable[[Company], str]], ...] = (
    ("sessions a working day", lambda company: f"{company.sessions_a_day:,.0f}"),
    ("OTLP requests a second, all at work", lambda company: f"{company.requests_a_second:,.0f}"),
    ("collectors of 2 cores", lambda company: f"{company.collectors:.1f}"),
    ("new series a working day", lambda company: f"{company.series_a_day:,.0f}"),
    ("samples a working day", lambda company: f"{company.samples_a_day:,.0f}"),
    ("Prometheus: memory", lambda company: _gb(company.prometheus_bytes)),
    ("  while three days come late", lambda company: _gb(company.late_bytes)),
    ("Prometheus: disk a year", lambda company: _gb(company.metric_bytes_a_day * WORKING_DAYS)),
    ("events a working day", lambda company: f"{company.events_a_day:,.0f}"),
    ("Loki: disk a year", lambda company: _gb(company.event_bytes_a_day * WORKING_DAYS)),
)


def _gb(size: float) -> str:
    return f"{size / 1e9:.1f} GB"


def sizes(companies: Sequence[Company]) -> str:
    """The table of what each needs."""
    head = ("developers", *(f"{company.developers:,}" for company in companies))
    return table(head, [(name, *map(figure, companies)) for name, figure in ROWS])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--developers", type=int, nargs="+", default=SIZES)
    parser.add_argument("--sessions", type=float, default=Company.sessions, help="of each on a working day")
    parser.add_argument("--requests", type=float, default=Company.requests, help="to the model in a session")
    parser.add_argument("--measure", action="store_true", help="compare the model with real programs")
    options = parser.parse_args()
    print(sizes([Company(number, options.sessions, options.requests) for number in options.developers]))
    if options.measure:
        # What it takes is not there for everybody who wants to know a size.
        from benchmarks.capacity.measure import report

        head = [
            "python3 -m benchmarks.capacity --measure",
            f"{time.strftime('%Y-%m-%d %H:%M UTC', time.gmtime())}, {os.cpu_count()} cores, {platform.machine()},"
            f" Linux {platform.release()}",
            "",
        ]
        text = "\n".join([*head, *report()]) + "\n"
        print(f"\n{text}")
        (ROOT / f"benchmarks/capacity-{time.strftime('%Y-%m-%d')}.txt").write_text(text)


if __name__ == "__main__":
    main()
