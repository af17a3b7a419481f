# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ways to claim another's identity. Whoever tries shows in both stores as who they are, or is refused."""

from __future__ import annotations

import base64
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.integration.senders.guarded import MALLORY, TEAM, Guarded, wait

VICTIM = "ada"
SCOPES = {"metrics": "com.anthropic.claude_code", "logs": "com.anthropic.claude_code.events"}
WHO = ("developer", "team", "laptop", "developer_verified")
CLAIM = {"developer": VICTIM, "team": "board", "laptop": "ada-laptop", "developer_verified": "true"}
LOOK_ALIKES = {"developer.verified": "no", "developer..verified": "no", "developer__verified": "no", "lap-top": "x"}
# Of a data point or an event, what the resource says, or the client by a name that stores spell alike.
NOT_OF_RECORDS = (
    "service.name",
    "service_name",
    "service.version",
    "session_id",
    "event-name",
    "scope.name",
    "job",
    "instance",
)
PROBE = "claude-code-observability-probe"


@dataclass
class Attempt:
    """What is claimed where. `twice`: keys come in pairs, of which a store may take either."""

    resource: dict[str, Any] = field(default_factory=dict)
    scope: dict[str, Any] = field(default_factory=dict)
    record: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    copies: int = 1
    service: str = "claude-code"
    ours: bool = True
    signals: tuple[str, ...] = ("metrics", "logs")


ATTEMPTS = {
    "resource": Attempt(resource=CLAIM),
    "record": Attempt(record=CLAIM),
    "scope, as an agent would": Attempt(scope=CLAIM),
    "headers": Attempt(headers={"X-Scope-OrgID": VICTIM, "developer": VICTIM, "username": VICTIM}),
    "look-alikes": Attempt(resource=LOOK_ALIKES, scope=LOOK_ALIKES, record=LOOK_ALIKES),
    "the client's own names": Attempt(record=dict.fromkeys(NOT_OF_RECORDS, VICTIM), copies=2),
    "everything twice": Attempt(resource=CLAIM, scope=CLAIM, record=CLAIM, copies=2),
    "the probe's name": Attempt(service=PROBE),
    # Events of other programs are not kept at all.
    "the probe's name and scope": Attempt(
        service=PROBE, ours=False, resource=CLAIM, record=CLAIM, signals=("metrics",)
    ),
}


def pairs(attributes: dict[str, Any], copies: int = 1) -> list[dict[str, Any]]:
    return [
        {"key": key, "value": {"stringValue": value}} for key, value in attributes.items() for _copy in range(copies)
    ]


def request(signal: str, attempt: Attempt, session: str) -> dict[str, Any]:
    """One metric, or one event, of a session."""
    now = str(time.time_ns() // 1_000_000 * 1_000_000)
    own = pairs({"session.id": session}) + pairs(attempt.record, attempt.copies)
    if signal == "metrics":
        point = {"timeUnixNano": now, "startTimeUnixNano": now, "asInt": "1", "attributes": own}
        kind = {"aggregationTemporality": 1, "isMonotonic": True, "dataPoints": [point]}
        body: dict[str, Any] = {"metrics": [{"name": "claude_code.session.count", "sum": kind}]}
    else:
        event = {"stringValue": "claude_code.user_prompt"}
        named = pairs({"event.name": "user_prompt"})
        body = {"logRecords": [{"timeUnixNano": now, "body": event, "attributes": named + own}]}
    scope = {"name": SCOPES[signal] if attempt.ours else "other", "attributes": pairs(attempt.scope, attempt.copies)}
    resource = pairs({"service.name": attempt.service}) + pairs(attempt.resource, attempt.copies)
    of_scope = {"scope": scope, **body}
    outer, inner = ("resourceMetrics", "scopeMetrics") if signal == "metrics" else ("resourceLogs", "scopeLogs")
    return {outer: [{"resource": {"attributes": resource}, inner: [of_scope]}]}


def found(guarded: Guarded, signal: str, session: str) -> list[dict[str, str]]:
    """What a store says of a session: the labels of its series, or of its events."""
    mine = f'session_id="{session}"'
    if signal == "metrics":
        rows = guarded.prometheus.query(f'last_over_time({{__name__=~".+", {mine}}}[1h])')
    else:
        rows = guarded.loki.query(f'count_over_time({{service_name=~".+"}} | {mine} [1h])')
    return [row["metric"] for row in rows]


def identity(labels: dict[str, str]) -> dict[str, str]:
    return {name: labels[name] for name in WHO if name in labels}


@pytest.fixture(scope="module")
def told(guarded: Guarded) -> Guarded:
    for name in (MALLORY, VICTIM, "agent/laptop-7"):
        guarded.header(name)
    guarded.apply()
    return guarded


def shows_as(guarded: Guarded, signal: str, session: str, expected: dict[str, str]) -> None:
    rows: list[dict[str, str]] = []
    wait(f"{session} in the store", lambda: bool(rows.extend(found(guarded, signal, session)) or rows))
    assert [identity(row) for row in rows] == [expected] * len(rows), rows
    assert not any(VICTIM in row.values() or "board" in row.values() for row in rows if expected["developer"] != VICTIM)


@pytest.mark.parametrize("transport", ["grpc", "http"])
@pytest.mark.parametrize(
    ("name", "signal"), [(name, signal) for name, attempt in ATTEMPTS.items() for signal in attempt.signals]
)
def test_who_claims_to_be_another_shows_as_themselves(told: Guarded, name: str, signal: str, transport: str) -> None:
    attempt, session = ATTEMPTS[name], str(uuid.uuid4())
    headers = {"Authorization": told.header(MALLORY), **attempt.headers}
    assert told.send(transport, signal, request(signal, attempt, session), headers) == 200
    shows_as(told, signal, session, {"developer": MALLORY, "team": TEAM, "developer_verified": "true"})


@pytest.mark.parametrize("transport", ["grpc", "http"])
@pytest.mark.parametrize("login", [VICTIM, f"{VICTIM}~2", f"{MALLORY}~2", f"{VICTIM}:", "agent/laptop-7", ""])
def test_a_login_goes_with_its_own_token_only(told: Guarded, transport: str, login: str) -> None:
    token = told.senders.credentials([MALLORY])[0]["token"]
    header = "Basic " + base64.b64encode(f"{login}:{token}".encode()).decode()
    sent = request("metrics", Attempt(), str(uuid.uuid4()))
    assert told.send(transport, "metrics", sent, {"Authorization": header}) == 401


@pytest.mark.parametrize("transport", ["grpc", "http"])
def test_without_a_login_nothing_is_taken(told: Guarded, transport: str) -> None:
    assert told.send(transport, "logs", request("logs", Attempt(), str(uuid.uuid4())), {}) == 401


@pytest.mark.parametrize("signal", ["metrics", "logs"])
@pytest.mark.parametrize("transport", ["grpc", "http"])
def test_an_agent_is_believed_about_the_developer_but_not_about_the_laptop(
    told: Guarded, transport: str, signal: str
) -> None:
    session, headers = str(uuid.uuid4()), {"Authorization": told.header("agent/laptop-7")}
    claims = {"developer": MALLORY, "developer_verified": "yes"}
    sent = request(signal, Attempt(scope=CLAIM, resource=claims, record=claims), session)
    assert told.send(transport, signal, sent, headers) == 200
    said = {"developer": VICTIM, "laptop": "laptop-7", "developer_verified": "true"}
    shows_as(told, signal, session, said)


def test_a_rotated_token_is_the_same_sender(told: Guarded) -> None:
    told.senders.change(rotate=[MALLORY])
    told.apply()
    session = str(uuid.uuid4())
    sent = request("logs", Attempt(), session)
    assert told.send("http", "logs", sent, {"Authorization": told.header(MALLORY)}) == 200
    assert told.senders.credentials([MALLORY])[0]["login"] == f"{MALLORY}~2"
    shows_as(told, "logs", session, {"developer": MALLORY, "team": TEAM, "developer_verified": "true"})
