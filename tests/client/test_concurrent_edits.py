# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our module and the real client write one settings file at the same time; EDIT_ROUNDS sets how often."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Any

import pytest

from tests.client.module_calls import ModuleCalls
from tests.e2e.sessions import Session
from tests.tools.model_api import ModelApi

ROUNDS = int(os.environ.get("EDIT_ROUNDS", "100"))
SEED = int(os.environ.get("EDIT_SEED", "20261124"))
PATIENCE = 30.0
THEMES = ("light", "dark")
# What is neither the client's nor ours to change. So many rules that reading and writing takes a while.
OTHERS = {
    "permissions": {"allow": [f"Bash(make part-{number}:*)" for number in range(2000)]},
    "unknownToTheClient": {"kept": [1, None, {"as": "it is"}]},
}
USERS_OWN = {"EDITOR": "vi", "OTEL_RESOURCE_ATTRIBUTES": "desk=7"}


class ConfigWriter:
    """A session of the real client that is told `/config` again and again. Use as a context manager."""

    def __init__(self, session: Session, environment: dict[str, str]) -> None:
        streams = ["--input-format", "stream-json", "--output-format", "stream-json", "--verbose"]
        self._process = subprocess.Popen(
            session.command("-p", *streams),
            env=environment,
            cwd=session.folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> ConfigWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(PATIENCE)

    def set(self, key: str, value: str) -> float:
        """Set a value; seconds until the client said so, which is a little before or after it writes the file."""
        assert self._process.stdin and self._process.stdout
        began = time.monotonic()
        message = {"type": "user", "message": {"role": "user", "content": f"/config {key}={value}"}}
        self._process.stdin.write(json.dumps(message) + "\n")
        self._process.stdin.flush()
        for line in self._process.stdout:
            if '"type":"result"' in line:
                said = json.loads(line)["result"]
                assert said == f"Set {key.capitalize()} to {value}"
                return time.monotonic() - began
        raise AssertionError(f"the client ended with {self._process.wait(PATIENCE)}")


def ours(number: int) -> dict[str, Any]:
    """The options of a round: two rounds in which our variables change, one in which they go."""
    if number % 3 == 2:
        return {"state": "absent"}
    return {
        "env": {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://localhost:{10000 + number}", "OTEL_LOGS_EXPORTER": "otlp"},
        "resource_attributes": {"round": str(number)},
    }


def expected(number: int) -> dict[str, Any]:
    """The whole file after a round."""
    options = ours(number)
    env = {**USERS_OWN, **options.get("env", {})}
    if "env" in options:
        env["OTEL_RESOURCE_ATTRIBUTES"] += f",round={number}"
    return {**OTHERS, "env": env, "theme": THEMES[number % 2]}


def watch(settings: Path, wanted: dict[str, Any], writers: Sequence[Future[Any]]) -> list[str]:
    """Read the file over and over while both write, until it holds what is wanted; what it lacks when time is up.

    Raises ValueError if it is no JSON at any moment.
    """
    end = time.monotonic() + PATIENCE
    while True:
        done = all(writer.done() for writer in writers)
        found = json.loads(settings.read_bytes())
        differences = [
            f"{key} is {str(found.get(key))[:200]}" for key in {*found, *wanted} if found.get(key) != wanted.get(key)
        ]
        differences += [f"{name} is left" for name in os.listdir(settings.parent) if name.startswith("settings.json.")]
        if (done and not differences) or time.monotonic() > end:
            return differences
        time.sleep(0.001)


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    path = tmp_path / "config" / "settings.json"
    path.parent.mkdir()
    path.write_text(json.dumps({**OTHERS, "env": USERS_OWN, "theme": THEMES[0]}, indent=4))
    return path


def test_neither_loses_what_the_other_wrote(
    settings: Path, tmp_path: Path, claude: Path, model_api: ModelApi, capsys: pytest.CaptureFixture[str]
) -> None:
    draw = Random(SEED)
    session = Session("edits", tmp_path, tmp_path, claude, model_api)
    environment = session.environment() | {"CLAUDE_CONFIG_DIR": str(settings.parent)}
    overlaps = 0
    with (
        ConfigWriter(session, environment) as theirs,
        ModuleCalls(environment) as module,
        ThreadPoolExecutor(2) as pool,
    ):
        theirs.set("theme", THEMES[-1])
        module.call(ours(-1))
        pace = theirs.set("theme", THEMES[-1])
        for number in range(ROUNDS):
            moment = time.monotonic() + draw.uniform(0, 2 * pace)
            told = pool.submit(theirs.set, "theme", THEMES[number % 2])
            called = pool.submit(module.call, ours(number), moment)
            differences = watch(settings, expected(number), (told, called))
            pace, answer = told.result(), called.result()
            assert differences == [], f"round {number} of EDIT_SEED={SEED}"
            assert answer.result["changed"], answer
            overlaps += answer.waits > 0
    with capsys.disabled():
        print(f"\n{ROUNDS} rounds, in {overlaps} of them our module came while the client held the lock")
    assert overlaps > 0
    assert session.key not in model_api.accounts
