# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Loki's ruler records from the events as series of Prometheus, for the alerts and the accounting."""

from __future__ import annotations

from typing import Any

from ansible_collections.claude_code.observability.plugins.module_utils._rollups import DAY, Calendar

EVENTS = '{service_name=~".+"}'
# The line of an event is its name: sorting out by it is much faster than by a label.
REQUESTS = f'{EVENTS} |= "claude_code.api_request"'
OURS = 'scope_name="com.anthropic.claude_code.events"'

COUNTED = ("api_request", "api_error", "api_retries_exhausted")
# A session is recorded from this many requests, or tool calls, in ten minutes on: a series for each would be many.
BUSY = 60

TOKENS = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_creation_tokens")
ALL_TOKENS = f"label_format tokens=`{{{{add {' '.join(f'(int .{field})' for field in TOKENS)}}}}}`"

COUNT = "claude_code_events:count5m"
SESSION_COUNT = "claude_code_events:session_count10m"
COST_BY_MODEL = "model:claude_code_events_cost:day"
TOKENS_BY_MODEL = "model:claude_code_events_tokens:day"
TOKENS_BY_DEVELOPER = "developer:claude_code_events_tokens:day"


def groups(calendar: Calendar) -> list[dict[str, Any]]:
    """The rule groups as Loki reads them."""
    return [_counts(), _days(calendar)]


def _counts() -> dict[str, Any]:
    """Counts of windows that end now. An event that comes later than its window is in none."""
    counted = f'{EVENTS} | {OURS} | event_name=~"^(?:{"|".join(COUNTED)})$"'
    busy = f'{EVENTS} | {OURS} | event_name=~"^(?:api_request|tool_result)$"'
    return {
        "name": "claude-code-events",
        "interval": "1m",
        "rules": [
            {
                "record": COUNT,
                "expr": f"sum by (event_name, team, model, status_code) (count_over_time({counted} [5m]))",
            },
            {
                "record": SESSION_COUNT,
                "expr": f"sum by (event_name, session_id, developer, team) (count_over_time({busy} [10m])) >= {BUSY}",
            },
        ],
    }


def _days(calendar: Calendar) -> dict[str, Any]:
    """Sums of whole days under the labels of the metrics' rollups, and like them written again while data comes late.

    By developer only for yesterday: Loki refuses to answer with more than max_query_series.
    """
    ages = tuple(map(str, calendar.ages))
    return {
        "name": "claude-code-events-days",
        "interval": "1h",
        "rules": [
            _day(calendar, COST_BY_MODEL, "model", ages, "cost_usd"),
            _day(calendar, TOKENS_BY_MODEL, "model", ages, "tokens"),
            _day(calendar, TOKENS_BY_DEVELOPER, "developer", ("1",), "tokens"),
        ],
    }


def _day(calendar: Calendar, record: str, by: str, ages: tuple[str, ...], field: str) -> dict[str, Any]:
    today, that_day = _day_number("now", calendar), _day_number("__timestamp__", calendar)
    stages = [REQUESTS, OURS, 'event_name="api_request"', f"label_format age=`{{{{sub {today} {that_day}}}}}`"]
    stages.append(f'age=~"^(?:{"|".join(ages)})$"')
    if field == "tokens":
        stages.append(ALL_TOKENS)
    stages.append(f"unwrap {field}")
    window = f"[{int(ages[-1]) + 1}d]"
    return {
        "record": record,
        "labels": calendar.labels,
        "expr": f"sum by (age, {by}) (sum_over_time({' | '.join(stages)} {window}))",
    }


def _day_number(time: str, calendar: Calendar) -> str:
    """In the language of Loki's templates, which knows no time zone but by name: days since 1970 at a UTC offset."""
    return f"(div (add (int (unixEpoch {time})) {calendar.utc_offset}) {DAY})"
