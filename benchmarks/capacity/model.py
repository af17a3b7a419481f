# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a company of so many developers needs. Each constant names the measurement that it comes from."""

from __future__ import annotations

from dataclasses import dataclass

# benchmarks/month-2026-11-24.txt: 1,000 developers, 21 working days, 163,754 sessions, 3,587,643 requests to the model.
# Series and samples of all metrics, by session and by request.
SERIES_A_SESSION = 2_999_217 / 163_754
SAMPLES_A_REQUEST = 17_526_638 / 3_587_643
# Blocks with rollups, which are as many as sessions make them.
METRIC_BYTES_A_SESSION = 1_273e6 / 163_754
# The same file, Prometheus at work: its own memory above that of an empty one, by series in memory; and how many of
# these a developer has there at most on a day without late data.
BYTES_A_SERIES = (254e6 - 38e6) / 64_710
SERIES_IN_MEMORY = 64_710 / 1_000
SESSIONS_OF_THESE = 163_754 / 21 / 1_000
# Three days of everybody come late at once, as after an outage of the central collector with agents on the laptops.
LATE_BYTES_A_DEVELOPER = (1_851e6 - 38e6) / 1_000
# benchmarks/footprint-2026-11-24.txt: resident without load, the pages of the programs' files included; the collector's
# and Loki's as they were at the pace of 100 developers.
PROMETHEUS_BYTES, LOKI_BYTES, COLLECTOR_BYTES = 120e6, 212e6, 101e6
# tests/recordings: a session begins with so many events; for each request come so many, the prompts among them.
EVENTS_A_SESSION, EVENTS_A_REQUEST = 5.0, 3.75
# benchmarks/capacity-2026-11-29.txt, twice: recordings are more alike than what people do. Without content.
EVENT_BYTES = 2 * 36.0
# The client exports metrics every 10 s and events every 5 s, at most.
REQUESTS_A_SECOND = 1 / 10 + 1 / 5
# benchmarks/secure-2026-11-29.txt: accepted by one collector with TLS, tokens and privacy on two cores.
COLLECTOR_REQUESTS_A_SECOND = 1_488


@dataclass(frozen=True)
class Company:
    """Developers and what each does on a working day. The defaults are those of the month that was measured."""

    developers: int
    sessions: float = SESSIONS_OF_THESE
    requests: float = 3_587_643 / 163_754

    @property
    def sessions_a_day(self) -> float:
        return self.developers * self.sessions

    @property
    def series_a_day(self) -> float:
        """New series of Prometheus on a working day."""
        return self.sessions_a_day * SERIES_A_SESSION

    @property
    def samples_a_day(self) -> float:
        """Samples that clients send on a working day."""
        return self.sessions_a_day * self.requests * SAMPLES_A_REQUEST

    @property
    def events_a_day(self) -> float:
        return self.sessions_a_day * (EVENTS_A_SESSION + self.requests * EVENTS_A_REQUEST)

    @property
    def metric_bytes_a_day(self) -> float:
        """What a working day adds to Prometheus's disk, its rollups included."""
        return self.sessions_a_day * METRIC_BYTES_A_SESSION

    @property
    def event_bytes_a_day(self) -> float:
        """What a working day adds to Loki's disk."""
        return self.events_a_day * EVENT_BYTES

    @property
    def prometheus_bytes(self) -> float:
        """Memory on a busy day."""
        return PROMETHEUS_BYTES + self._series_in_memory * BYTES_A_SERIES

    @property
    def late_bytes(self) -> float:
        """Memory of Prometheus while three days of everybody come at once."""
        return PROMETHEUS_BYTES + self.developers * self.sessions / SESSIONS_OF_THESE * LATE_BYTES_A_DEVELOPER

    @property
    def requests_a_second(self) -> float:
        """Of OTLP, if all work at the same moment."""
        return self.developers * REQUESTS_A_SECOND

    @property
    def collectors(self) -> float:
        """Of two cores each, at that moment."""
        return self.requests_a_second / COLLECTOR_REQUESTS_A_SECOND

    @property
    def _series_in_memory(self) -> float:
        return self.developers * SERIES_IN_MEMORY * self.sessions / SESSIONS_OF_THESE
