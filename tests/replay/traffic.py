# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sessions of made-up developers, as requests a client would send, and what they say as a ledger.

Names and closed sets of values come from the vocabulary, so whatever a dashboard may ask for occurs.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.tools.wire import SENT, disclosed

VOCABULARY = yaml.safe_load((Path(__file__).parents[2] / "dashboards" / "vocabulary.yml").read_text(encoding="utf-8"))
HOUR_MS = 3_600_000
AHEAD_MS = 5 * 60_000
MODELS = ("claude-opus-4-8", "claude-sonnet-5", "claude-haiku-4-5")
TOOLS = ("Read", "Write", "Edit", "Bash", "Task", "mcp__tickets__search")
KINDS = {"input": "input", "output": "output", "cacheRead": "cache_read", "cacheCreation": "cache_creation"}
NUMBERS = ("_ms", "_tokens", "_uses", "_length", "_bytes", "_count", "_chars", "attempt", "attempts")

# Of each team.
DEVELOPERS = 3

Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Entry:
    """One sample or one event, as a store should keep it. `name` is the series; of an event it is empty.

    at: milliseconds. value: of a sample. An event's numbers are texts among its labels.
    """

    name: str
    labels: Labels
    at: int
    value: float = 1.0


@dataclass(frozen=True)
class Request:
    """One request and its entries, at the times of the client's clock."""

    signal: str
    body: dict[str, Any]
    entries: tuple[Entry, ...]


@dataclass
class Ledger:
    """What was sent, each entry once however often it was delivered."""

    entries: set[Entry] = field(default_factory=set)

    def delivered(self, request: Request, now: float, late_h: int) -> None:
        """A clock too far ahead, or too far behind, is put right by whole hours, as docs/numbers.md says."""
        for entry in request.entries:
            ahead = entry.at - int(now * 1000)
            shift = 0
            if ahead > AHEAD_MS:
                shift = ahead // HOUR_MS + 1
            elif -ahead > late_h * HOUR_MS:
                shift = -((-ahead - late_h * HOUR_MS) // HOUR_MS + 1)
            if shift:
                labels = tuple(sorted([*entry.labels, ("clock_shift_h", str(shift))]))
                entry = Entry(entry.name, labels, entry.at - shift * HOUR_MS, entry.value)
            self.entries.add(entry)


@dataclass(frozen=True)
class Session:
    """Who works, and where."""

    team: str
    developer: str
    id: str
    repository: str
    model: str

    @property
    def resource(self) -> dict[str, str]:
        return {
            "service.name": "claude-code",
            "service.version": VOCABULARY["client"],
            "developer": self.developer,
            "team": self.team,
        }

    @property
    def standard(self) -> dict[str, str]:
        return {
            "session_id": self.id,
            "user_id": f"user-{self.developer}",
            "terminal_type": "xterm",
            "app_version": VOCABULARY["client"],
            "vcs_repository_name": self.repository,
        }


def developers(team: str) -> list[str]:
    return [f"{team}-{number}" for number in range(DEVELOPERS)]


class Traffic:
    """Draws what sessions do. The same seed draws the same, but for the ids."""

    def __init__(self, seed: int) -> None:
        self._draw = random.Random(seed)
        self._sequence = 0

    def session(self, team: str) -> Session:
        developer = developers(team)[self._draw.randrange(DEVELOPERS)]
        return Session(
            team, developer, str(uuid.uuid4()), self._draw.choice(("shop", "site", "")), self._draw.choice(MODELS)
        )

    def turn(self, session: Session, at: int, start_type: str = "") -> list[Request]:
        """One export of metrics and one of events: a start of the client, if start_type says how, and one request."""
        used = {
            "model": session.model,
            "query_source": self._draw.choice(("main", "main", "main", "subagent", "auxiliary")),
            "effort": "high",
        }
        if used["query_source"] == "subagent":
            used["agent_name"] = self._draw.choice(("Explore", "reviewer"))
        if self._draw.random() < 0.3:
            used["skill_name"] = "release-notes"
        tokens = {kind: self._draw.randrange(1, 5000) for kind in KINDS}
        micros = self._draw.randrange(1, 900_000)
        return [
            self._metrics(session, at, start_type, used, tokens, micros / 1e6),
            self._events(session, at, start_type, used, tokens, micros),
        ]

    def _metrics(
        self, session: Session, at: int, start_type: str, used: dict[str, str], tokens: dict[str, int], cost: float
    ) -> Request:
        points: list[tuple[str, dict[str, str], float]] = [("claude_code.cost.usage", used, cost)]
        points += [("claude_code.token.usage", {**used, "type": kind}, number) for kind, number in tokens.items()]
        if start_type:
            points.append(("claude_code.session.count", {"start_type": start_type}, 1))
        for name in ("active_time.total", "lines_of_code.count", "commit.count", "pull_request.count"):
            for kind in VOCABULARY["metrics"][f"claude_code.{name}"]["labels"].get("type", [""]):
                labels = {"type": kind} if kind else {}
                if name == "lines_of_code.count":
                    labels["model"] = used["model"]
                number = self._draw.randrange(1, 90)
                points.append((f"claude_code.{name}", labels, number / 8 if name == "active_time.total" else number))
        decision = VOCABULARY["metrics"]["claude_code.code_edit_tool.decision"]["labels"]
        chosen = {name: self._draw.choice(values or ["Python"]) for name, values in decision.items()}
        points.append(("claude_code.code_edit_tool.decision", chosen, self._draw.randrange(1, 9)))

        entries, metrics = [], []
        for name, labels, value in points:
            own = {**session.standard, **labels}
            series = VOCABULARY["metrics"][name]["series"]
            entries.append(Entry(series, _stored(session, own, job="claude-code"), at, float(value)))
            point = {**_times(at), "startTimeUnixNano": str((at - 1) * 10**6), "asDouble": float(value)}
            metrics.append(
                {
                    "name": name,
                    "unit": VOCABULARY["metrics"][name]["unit"],
                    "sum": {
                        "aggregationTemporality": 1,
                        "isMonotonic": True,
                        "dataPoints": [{**point, "attributes": _attributes(own)}],
                    },
                }
            )
        scope = {"scope": {"name": "com.anthropic.claude_code"}, "metrics": metrics}
        body = {"resourceMetrics": [{"resource": _resource(session), "scopeMetrics": [scope]}]}
        return Request("metrics", body, tuple(entries))

    def _events(
        self, session: Session, at: int, start_type: str, used: dict[str, str], tokens: dict[str, int], micros: int
    ) -> Request:
        requested = {
            **used,
            **{f"{kind}_tokens": str(tokens[name]) for name, kind in KINDS.items()},
            "cost_usd": repr(micros / 1e6),
        }
        events = [("api_request", {**self._attributes_of("api_request"), **requested})]
        if start_type:
            events.insert(0, ("managed_settings_resolved", self._attributes_of("managed_settings_resolved")))
        others = [name for name in VOCABULARY["events"] if name not in ("api_request", "managed_settings_resolved")]
        events += [(name, self._attributes_of(name)) for name in self._draw.sample(others, 12)]
        entries, records = [], []
        for name, attributes in events:
            self._sequence += 1
            own = {
                **session.standard,
                **attributes,
                "event_name": name,
                "event_sequence": str(self._sequence),
                "prompt_id": "p",
            }
            scope_name = "com.anthropic.claude_code.events"
            stored = _stored(session, own | disclosed(own), service_name="claude-code", scope_name=scope_name)
            entries.append(Entry("", stored, at))
            records.append(
                {
                    **_times(at),
                    "observedTimeUnixNano": str(at * 10**6),
                    "body": {"stringValue": f"claude_code.{name}"},
                    "attributes": _attributes(own),
                }
            )
        scope = {"scope": {"name": "com.anthropic.claude_code.events"}, "logRecords": records}
        body = {"resourceLogs": [{"resource": _resource(session), "scopeLogs": [scope]}]}
        return Request("logs", body, tuple(entries))

    def _attributes_of(self, event: str) -> dict[str, str]:
        return {name: self._value(name, values) for name, values in VOCABULARY["events"][event].items()}

    def _value(self, name: str, closed: list[str]) -> str:
        if closed:
            return self._draw.choice(closed)
        if name.endswith(NUMBERS) or name.startswith("num_"):
            return str(self._draw.randrange(1, 3000))
        known = {"model": MODELS, "final_model": MODELS, "tool_name": TOOLS, "status_code": ("429", "500", "529")}
        return self._draw.choice(known.get(name, ("true", "false")))


def together(requests: list[Request]) -> Iterator[Request]:
    """The same in one request for each signal."""
    for signal, key in (("metrics", "resourceMetrics"), ("logs", "resourceLogs")):
        own = [request for request in requests if request.signal == signal]
        parts = [part for request in own for part in request.body[key]]
        yield Request(signal, {key: parts}, tuple(entry for request in own for entry in request.entries))


def _stored(session: Session, own: dict[str, str], **extra: str) -> Labels:
    resource = {"developer": session.developer, "team": session.team, "service_version": VOCABULARY["client"]}
    return tuple(sorted({**resource, **{name: value for name, value in own.items() if value}, **extra}.items()))


def _times(at: int) -> dict[str, str]:
    return {"timeUnixNano": str(at * 10**6)}


def _attributes(values: dict[str, str]) -> list[dict[str, Any]]:
    return [{"key": SENT.get(name, name), "value": {"stringValue": value}} for name, value in values.items() if value]


def _resource(session: Session) -> dict[str, Any]:
    return {"attributes": [{"key": name, "value": {"stringValue": text}} for name, text in session.resource.items()]}
