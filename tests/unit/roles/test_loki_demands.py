# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several hosts of Loki, and a move to an object store, are refused where events would no longer be found."""

from __future__ import annotations

import base64
import json
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from tests.tools.queries import roles

S3 = {"loki_s3_endpoint": "https://s3.example.com", "loki_s3_bucket": "events"}
SEVERAL = {
    "groups": {"loki": ["stack", "second", "third"], "all": ["stack", "second", "third"]},
    "hostvars": {"second": {"stack_address": "10.0.0.2"}, "third": {"stack_address": "10.0.0.3"}},
    "stack_address": "10.0.0.1",
    "stack_listen_address": "0.0.0.0",
    "loki_runtime": "systemd",
}
FILES = {"disk_bytes": 10**12, "events_in": "files"}
TRIED = {**FILES, "s3_from": "2026-01-01"}
BEFORE_THERE_WAS_A_CHOICE = {"disk_bytes": 10**12}


def day(offset: int) -> str:
    return (datetime.now(timezone.utc) + timedelta(days=offset)).strftime("%Y-%m-%d")


def refusals(kind: str, **variables: Any) -> list[str]:
    """What is refused."""
    demands = roles.value("loki", f"__loki_{kind}demands", **variables)
    return [demand["message"] for demand in demands if not demand["ok"]]


def of_history(marker: dict[str, Any], in_force: str, **variables: Any) -> list[str]:
    """`in_force`: the day from which the running configuration sends events to the object store, or none."""
    found = {"components": {"loki": {"marker": marker}}, "disk": {"loki": {"total": 2 * 10**12}}}
    if in_force:
        periods = [{"from": "2024-01-01", "object_store": "filesystem"}, {"from": in_force, "object_store": "aws"}]
        text = json.dumps({"schema_config": {"configs": periods}})
        variables["__loki_in_force"] = {"content": base64.b64encode(text.encode()).decode()}
    return refusals("history_", __component_preflight=found, **variables)


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({}, None),
        (S3, None),
        ({**SEVERAL, **S3}, None),
        (SEVERAL, "loki_s3_endpoint is empty"),
        ({**SEVERAL, **S3, "loki_runtime": "docker"}, "loki_runtime is docker"),
        ({**SEVERAL, **S3, "stack_listen_address": "127.0.0.1"}, "loki_listen_address is 127.0.0.1"),
        ({**SEVERAL, **S3, "stack_address": "loki-1.example.com"}, "Set stack_address of stack"),
        ({**SEVERAL, **S3, "loki_replication_factor": 4}, "loki_replication_factor is 4"),
        ({**S3, "loki_s3_endpoint": "s3.example.com"}, None),
        (
            {**S3, "loki_s3_endpoint": "https://s3.example.com/events"},
            "loki_s3_endpoint is https://s3.example.com/events; write",
        ),
        ({**S3, "loki_s3_bucket": ""}, "loki_s3_bucket is empty"),
        ({**S3, "loki_s3_secret_key": "secret"}, "one is empty"),
        ({**S3, "loki_s3_from": "tomorrow"}, "loki_s3_from is tomorrow; write a day"),
    ],
)
def test_what_is_asked_makes_sense(variables: dict[str, Any], named: str | None) -> None:
    said = refusals("", **variables)
    assert len(said) == (named is not None), said
    assert (named or "") in "".join(said)


@pytest.mark.parametrize(
    ("marker", "in_force", "variables", "named"),
    [
        ({}, "", S3, None),
        ({}, "", {**S3, "loki_s3_from": day(-2)}, None),
        (FILES, "", {}, None),
        ({**FILES, "events_in": "s3"}, "", S3, None),
        (FILES, "", S3, "Set loki_s3_from to a day after"),
        (BEFORE_THERE_WAS_A_CHOICE, "", S3, "Set loki_s3_from to a day after"),
        (FILES, "", {**S3, "loki_s3_from": day(1)}, None),
        (FILES, "", {**S3, "loki_s3_from": day(0)}, "Set it to a day after that"),
        (TRIED, day(-2), {**S3, "loki_s3_from": day(-2)}, None),
        (TRIED, day(-2), {**S3, "loki_s3_from": day(5)}, "Set it to that."),
        (TRIED, day(-2), {}, "Set it as it was"),
        # Not begun yet, it may begin on another day, or not at all.
        (TRIED, day(2), {**S3, "loki_s3_from": day(5)}, None),
        (TRIED, day(2), {}, None),
        # It failed, and went back.
        (TRIED, "", {**S3, "loki_s3_from": day(-2)}, "Set it to a day after that"),
        ({**FILES, "events_in": "s3"}, "", {}, "Set it as it was"),
        (TRIED, day(-2), {**SEVERAL, **S3, "loki_s3_from": day(-2)}, "Leave one host in the group"),
        (TRIED, day(-33), {**SEVERAL, **S3, "loki_s3_from": day(-33)}, None),
    ],
)
def test_events_are_found_again(
    marker: dict[str, Any], in_force: str, variables: dict[str, Any], named: str | None
) -> None:
    said = of_history(marker, in_force, **variables)
    assert bool(said) == (named is not None), said
    assert (named or "") in "".join(said)
