# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the sessions once against the stack of the environment; `tests/e2e/run` brings that up."""

from __future__ import annotations

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.e2e.sessions import SHAPES, Session, Shape, play
from tests.tools import client
from tests.tools.environment import setting
from tests.tools.ledger import Ledger, Loki, Prometheus, differences, side_by_side, total
from tests.tools.model_api import ModelApi

AT_ONCE = 4
# More than the longest export interval, the queue and a scrape.
TIMEOUT = 60
TABLES = pytest.StashKey[list[str]]()


@dataclass
class Told:
    """What everyone said about one session."""

    shape: Shape
    session: Session
    ledgers: dict[str, Ledger]


@pytest.fixture(scope="session")
def homes() -> dict[str, Path]:
    """The home folders that the role has written settings into, by protocol."""
    return {"grpc": Path(setting("HOME")), "http/protobuf": Path(setting("HOME_HTTP"))}


def answer_first_run_dialogs(home: Path, sessions: list[Session]) -> None:
    """Write the client's state file as if a person had clicked through the dialogs of the interactive client."""
    state = {
        "hasCompletedOnboarding": True,
        "theme": "dark",
        "customApiKeyResponses": {"approved": [session.key[-20:] for session in sessions], "rejected": []},
        "projects": {str(session.folder): {"hasTrustDialogAccepted": True} for session in sessions},
    }
    (home / ".claude.json").write_text(json.dumps(state))


def wanted(ledger: Ledger, expected: Ledger) -> Ledger:
    """Of a store's rows those with a known value, and every token and dollar."""
    return {row: value for row, value in ledger.items() if row in expected or row.startswith(("tokens ", "cost"))}


@pytest.fixture(scope="session")
def told(
    homes: dict[str, Path], tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> dict[str, Told]:
    """All sessions played, and the stores asked until they agree with the model API's ledger or the time is up."""
    prometheus, loki = Prometheus(setting("PROMETHEUS")), Loki(setting("LOKI"))
    program = client.install()
    api = ModelApi()
    sessions = {}
    for shape in SHAPES:
        folder = tmp_path_factory.mktemp(shape.name).resolve()
        sessions[shape.name] = Session(shape.name, homes[shape.protocol], folder, program, api, shape.model)
    for home in homes.values():
        answer_first_run_dialogs(home, [session for session in sessions.values() if session.home == home])
    first = time.time()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        expected = dict(zip(sessions, pool.map(play, SHAPES, sessions.values())))
    api.close()
    all_told = {shape.name: Told(shape, sessions[shape.name], {"expected": expected[shape.name]}) for shape in SHAPES}
    ids = [session.id for session in sessions.values()]
    ended = time.monotonic()
    right = 0
    # Twice in a row: what is counted twice may show late.
    while right < 2 and time.monotonic() - ended < TIMEOUT:
        metrics, events = prometheus.ledgers(ids, first), loki.ledgers(ids, first)
        for one in all_told.values():
            known = one.ledgers["expected"]
            one.ledgers["prometheus"] = wanted(metrics.get(one.session.id, {}), known)
            one.ledgers["loki"] = wanted(events.get(one.session.id, {}), known)
        right = right + 1 if not any(differences(one.ledgers) for one in all_told.values()) else 0
        time.sleep(1)
    request.config.stash[TABLES] = [
        *(side_by_side(f"{one.shape.name} ({one.shape.protocol})", one.ledgers) for one in all_told.values()),
        side_by_side("all sessions", total(one.ledgers for one in all_told.values())),
        f"asked until {time.monotonic() - ended:.0f} s after the last session, {time.time() - first:.0f} s in all",
    ]
    return all_told


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    tables = config.stash.get(TABLES, [])
    if tables:
        terminalreporter.section("the model API's ledger (expected) and the stores'")
    for table in tables:
        terminalreporter.write_line(table + "\n")
