# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A company at work with Claude Code: sessions and what their clients would export, the same in every run.

The labels are those of a client that is logged in by OAuth, as Prometheus stores them. The habits are assumptions, made
to lie on the busy side; the benchmark prints what comes of them.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, field

from dashboards.queries import (
    ACTIVE_TIME,
    COMMITS,
    COST,
    EDIT_DECISIONS,
    LINES,
    PULL_REQUESTS,
    SESSIONS,
    TOKENS,
)

DAY_MS = 86_400_000
EXPORT_MS = 10_000
TEAM_SIZE = 50

Labels = tuple[tuple[str, str], ...]
# Series, labels of its own, milliseconds, value.
Point = tuple[str, Labels, int, float]

# US dollars for a million tokens: input, output, cache read, cache creation.
PRICES = {
    "claude-sonnet-5": (3.0, 15.0, 0.3, 3.75),
    "claude-opus-4-8": (5.0, 25.0, 0.5, 6.25),
    "claude-haiku-4-5": (1.0, 5.0, 0.1, 1.25),
}
KINDS = ("input", "output", "cacheRead", "cacheCreation")
HELPER = "claude-haiku-4-5"
AGENTS = ("Explore", "Plan", "general-purpose")
SKILLS = ("review", "release-notes", "migrate")
LANGUAGES = ("Python", "TypeScript", "Go", "Java", "YAML", "Markdown")
# How many requests to the model a session makes, and how often such sessions are.
LENGTHS = (((1, 4), 40), ((5, 30), 42), ((30, 120), 18))


@dataclass
class Session:
    """One run of the client. Its points are sorted by time, at most one for each export and series."""

    start: int
    end: int
    requests: int
    identity: Labels
    points: list[Point]


@dataclass(frozen=True)
class Developer:
    """Somebody with habits: a team, a usual model, repositories, languages."""

    number: int

    @property
    def name(self) -> str:
        return f"dev{self.number:04d}"

    @property
    def team(self) -> str:
        return f"team{self.number // TEAM_SIZE:02d}"

    def sessions(self, day: int) -> Iterator[Session]:
        """Of the day that begins at that millisecond, in no order."""
        habits = random.Random(f"{self.number}")
        mine: list[tuple[str, str]] = [
            ("job", "claude-code"),
            ("service_version", habits.choice(("2.1.330", "2.1.330", "2.1.328"))),
            ("developer", self.name),
            ("team", self.team),
            ("user_id", f"{habits.getrandbits(256):064x}"),
            ("organization_id", "5f0c1d9e-2b7a-4c3e-9d51-0a7be1c2d3f4"),
            ("user_account_uuid", _uuid(habits)),
            ("user_account_id", f"user_{habits.getrandbits(96):024x}"),
            ("user_email", f"{self.name}@example.com"),
            ("anthropic_provider", "firstParty"),
            ("terminal_type", habits.choice(("iTerm.app", "vscode", "xterm-256color"))),
            ("app_entrypoint", "cli"),
        ]
        model = habits.choices(("claude-sonnet-5", "claude-opus-4-8"), (7, 3))[0]
        of_team = [8 * (self.number // TEAM_SIZE) + place for place in range(8)]
        repositories = habits.sample(of_team, habits.choice((1, 2, 3)))
        languages = habits.sample(LANGUAGES, 3)
        # Teams turn the labels of repositories on one by one.
        in_repositories = (self.number // TEAM_SIZE) % 2 == 0

        rng = random.Random(f"{self.number}/{day}")
        if rng.random() < 0.08:
            return
        for _ in range(rng.randint(4, 13)):
            start = day + rng.randrange(8 * 3_600_000, 18 * 3_600_000)
            identity = [*mine, ("session_id", _uuid(rng))]
            if in_repositories:
                name = f"repository-{rng.choice(repositories):03d}"
                identity += [
                    ("vcs_repository_name", name),
                    ("vcs_owner_name", "example"),
                    ("vcs_provider_name", "github"),
                    ("vcs_repository_url_full", f"https://github.com/example/{name}"),
                ]
            shortest, longest = rng.choices([span for span, _ in LENGTHS], [often for _, often in LENGTHS])[0]
            chosen = model if rng.random() < 0.85 else rng.choice(tuple(PRICES))
            work = _Work(rng, chosen, languages)
            work.session(rng.randint(shortest, longest))
            yield Session(start, start + int(work.now * 1000), work.requests, tuple(identity), work.points(start))


@dataclass
class _Work:
    """What one session does, second by second."""

    rng: random.Random
    model: str
    languages: list[str]
    now: float = 2.0
    requests: int = 0
    sums: dict[tuple[int, str, Labels], float] = field(default_factory=dict)

    def session(self, requests: int) -> None:
        rng = self.rng
        self._add(SESSIONS, (("start_type", rng.choices(("fresh", "resume", "continue"), (90, 7, 3))[0]),), 1)
        skill = (("skill_name", rng.choice(SKILLS)),) if rng.random() < 0.05 else ()
        if rng.random() < 0.6:
            self._request(HELPER, (("query_source", "auxiliary"),), context=400)
        context = 15_000.0
        while self.requests < requests:
            typed = rng.lognormvariate(2.3, 0.7)
            self._add(ACTIVE_TIME, (("type", "user"),), round(typed, 3))
            self.now += typed
            began = self.now
            agent = rng.random() < 0.08 and requests > 4
            for _ in range(min(requests - self.requests, 1 + int(rng.expovariate(1 / 6)))):
                self.now += 2 + rng.expovariate(1 / 8)
                context = min(context + rng.expovariate(1 / 1500), 160_000)
                if agent and rng.random() < 0.7:
                    where = (("query_source", "subagent"), ("agent_name", rng.choice(AGENTS)), ("effort", "medium"))
                    self._request(HELPER if rng.random() < 0.5 else self.model, where, context / 4)
                else:
                    self._request(self.model, (("query_source", "main"), ("effort", "high"), *skill), context)
                if rng.random() < 0.2:
                    self._edit()
            self._add(ACTIVE_TIME, (("type", "cli"),), round(self.now - began, 3))
            if rng.random() < 0.06:
                self._add(COMMITS, (), 1)
                if rng.random() < 0.25:
                    self._add(PULL_REQUESTS, (), 1)
            self.now += rng.lognormvariate(3.8, 1.0)

    def points(self, start: int) -> list[Point]:
        return [
            (series, labels, start + tick * EXPORT_MS, value)
            for (tick, series, labels), value in sorted(self.sums.items())
        ]

    def _request(self, model: str, where: Labels, context: float) -> None:
        rng = self.rng
        self.requests += 1
        tokens = (
            rng.randint(3, 60),
            int(rng.lognormvariate(5.5, 0.9)) + 1,
            int(context * rng.uniform(0.9, 1)),
            int(rng.expovariate(1 / 1500)) + 1,
        )
        labels = (("model", model), *where)
        for kind, count in zip(KINDS, tokens):
            self._add(TOKENS, (*labels, ("type", kind)), count)
        cost = sum(count * price for count, price in zip(tokens, PRICES[model])) / 1e6
        self._add(COST, labels, round(cost, 6))

    def _edit(self) -> None:
        rng = self.rng
        accepted = rng.random() < 0.95
        source = (
            rng.choices(("config", "user_permanent", "user_temporary"), (6, 2, 2))[0] if accepted else "user_reject"
        )
        labels = (
            ("decision", "accept" if accepted else "reject"),
            ("language", rng.choice(self.languages)),
            ("source", source),
            ("tool_name", rng.choices(("Edit", "Write"), (8, 2))[0]),
        )
        self._add(EDIT_DECISIONS, labels, 1)
        if accepted:
            self._add(LINES, (("model", self.model), ("type", "added")), int(rng.expovariate(1 / 12)) + 1)
            self._add(LINES, (("model", self.model), ("type", "removed")), int(rng.expovariate(1 / 5)))

    def _add(self, series: str, labels: Labels, value: float) -> None:
        key = (math.ceil(self.now * 1000 / EXPORT_MS), series, labels)
        self.sums[key] = self.sums.get(key, 0) + value


def _uuid(rng: random.Random) -> str:
    text = f"{rng.getrandbits(128):032x}"
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))
