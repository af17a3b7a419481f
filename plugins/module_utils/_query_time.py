# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Times and durations as people write them for queries."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "y": 31536000}
_PART = re.compile(r"(\d+)(ms|[smhdwy])")
_MOMENT = "write a time such as 2026-11-24T09:00:00+09:00, a day such as 2026-11-24, unix seconds, or now"


def duration(option: str, text: str) -> float:
    """The seconds of a duration such as 30d or 1h30m, or of a number. Raises ValueError, naming the option."""
    if re.fullmatch(r"\d+", text):
        seconds = float(text)
    else:
        seconds = 0 if _PART.sub("", text) else sum(int(number) * SECONDS[unit] for number, unit in _PART.findall(text))
    if seconds <= 0:
        raise ValueError(f"{option} is {text!r}; write a duration such as 30d, 12h or 1h30m.")
    return seconds


def moment(option: str, text: str, now: float, utc_offset: int = 0) -> float:
    """The unix seconds of a time; without a zone of its own it is one at `utc_offset`. Raises ValueError."""
    if text in ("", "now"):
        return now
    if re.fullmatch(r"\d{9,11}(\.\d+)?", text):
        return float(text)
    try:
        # Python 3.9 and 3.10 know neither Z nor a fraction of other than 3 or 6 digits.
        found = datetime.fromisoformat(re.sub(r"[zZ]$", "+00:00", text))
    except ValueError:
        raise ValueError(f"{option} is {text!r}; {_MOMENT}.") from None
    if found.tzinfo is None:
        found = found.replace(tzinfo=zone(utc_offset))
    return found.timestamp()


def zone(utc_offset: int) -> timezone:
    """The zone of an offset in seconds east of UTC."""
    return timezone(timedelta(seconds=utc_offset))


def iso(seconds: float, utc_offset: int = 0) -> str:
    """A time for people and programs, to the millisecond where it is no whole second."""
    milliseconds = round(seconds * 1000)
    found = datetime.fromtimestamp(milliseconds // 1000, tz=zone(utc_offset))
    text = found.replace(microsecond=milliseconds % 1000 * 1000).isoformat(
        timespec="milliseconds" if milliseconds % 1000 else "seconds"
    )
    return re.sub(r"\+00:00$", "Z", text)


def prometheus_duration(seconds: float) -> str:
    """A duration as PromQL and LogQL take it."""
    milliseconds = round(seconds * 1000)
    return f"{milliseconds}ms" if milliseconds % 1000 else f"{milliseconds // 1000}s"
