# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sessions of the real client in different shapes, each with the ledger it must leave behind."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.tools.ledger import Ledger
from tests.tools.model_api import Call, Fail, ModelApi, Say, Step, Usage

SONNET = "claude-sonnet-4-5"
HAIKU = "claude-haiku-4-5"
RETRIES = 2
# Longer than OTEL_METRIC_EXPORT_INTERVAL of the settings under test (10 s): at least one interval passes without data.
IDLE = 12.0
PATIENCE = 90
ANSI = re.compile(r"\x1b(\[[0-9;?<>=]*[A-Za-z]|\][^\x07\x1b]*(\x07|\x1b\\)|[()][A-Z0-9]|[=>78])")


@dataclass
class Session:
    """One session: a client process, or two where it is resumed."""

    name: str
    home: Path
    folder: Path
    program: Path
    api: ModelApi
    model: str = SONNET
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    starts: int = 0
    codes: list[int] = field(default_factory=list)
    output: str = ""

    @property
    def key(self) -> str:
        return f"sk-test-{self.name:-<32}"

    def command(self, *arguments: str) -> list[str]:
        return [str(self.program), "--model", self.model, *arguments]

    def environment(self) -> dict[str, str]:
        """Nothing of the caller's environment but the search path: no proxy, no telemetry variable."""
        return {
            "HOME": str(self.home),
            "PATH": os.environ["PATH"],
            "TERM": "xterm",
            "ANTHROPIC_BASE_URL": self.api.url,
            "ANTHROPIC_API_KEY": self.key,
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "CLAUDE_CODE_MAX_RETRIES": str(RETRIES),
        }

    def ask(self, prompt: str, *arguments: str) -> None:
        """One process, one prompt, to its end."""
        self.starts += 1
        done = subprocess.run(
            self.command("-p", prompt, "--output-format", "json", *arguments),
            env=self.environment(),
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        self.codes.append(done.returncode)
        self.output += done.stdout

    def converse(self, turns: int, idle: float, end: Callable[[subprocess.Popen[str]], Any]) -> None:
        """One process, several turns through its standard input, idle between them; `end` ends it."""
        self.starts += 1
        streams = ["--input-format", "stream-json", "--output-format", "stream-json", "--verbose"]
        process = subprocess.Popen(
            self.command("-p", *streams, "--session-id", self.id),
            env=self.environment(),
            cwd=self.folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        watchdog = threading.Timer(PATIENCE + turns * idle, process.kill)
        watchdog.start()
        assert process.stdin and process.stdout
        for turn in range(turns):
            if turn:
                time.sleep(idle)
            message = {"type": "user", "message": {"role": "user", "content": f"turn {turn}"}}
            process.stdin.write(json.dumps(message) + "\n")
            process.stdin.flush()
            for line in process.stdout:
                self.output += line
                if '"type":"result"' in line:
                    break
        end(process)
        self.output += process.stdout.read()
        self.codes.append(process.wait())
        watchdog.cancel()

    def type_at_terminal(self, prompt: str, answer: str) -> None:
        """The interactive client under a pseudo terminal: type the prompt, wait for the answer, /exit."""
        self.starts += 1
        master, slave = pty.openpty()
        process = subprocess.Popen(
            self.command("--session-id", self.id),
            env=self.environment(),
            cwd=self.folder,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)
        watchdog = threading.Timer(PATIENCE, process.kill)
        watchdog.start()
        try:
            self._until(master, "? for shortcuts")
            os.write(master, prompt.encode())
            self._until(master, prompt)
            os.write(master, b"\r")
            self._until(master, answer)
            os.write(master, b"/exit")
            self._until(master, "/exit")
            os.write(master, b"\r")
            self._until(master, None)
        finally:
            self.codes.append(process.wait())
            watchdog.cancel()
            os.close(master)

    def _until(self, master: int, text: str | None) -> None:
        """Read the screen until a text shows, or to the end. The client moves the cursor instead of printing spaces."""
        seen = ""
        while text is None or text.replace(" ", "") not in re.sub(r"\s", "", ANSI.sub("", seen)):
            try:
                chunk = os.read(master, 65536).decode(errors="replace")
            except OSError:
                chunk = ""
            if not chunk:
                if text is None:
                    return
                raise AssertionError(f"{self.name}: the client ended before it showed {text!r}:\n{self.output[-3000:]}")
            seen += chunk
            self.output += chunk


@dataclass(frozen=True)
class Shape:
    """What a session does, which exit codes are right, and what it must leave behind besides tokens and cost."""

    name: str
    steps: Callable[[Path], list[Step]]
    run: Callable[[Session], None]
    codes: tuple[int, ...] = (0,)
    also: Ledger = field(default_factory=dict)
    protocol: str = "grpc"
    model: str = SONNET


def say(text: str = "done", **usage: int) -> Say:
    return Say(text, Usage(**({"input": 100, "output": 50, "cache_read": 1000, "cache_5m": 200} | usage)))


def one_turn(session: Session) -> None:
    session.ask("hello", "--session-id", session.id)


def with_tools(session: Session) -> None:
    git = ["git", "-c", "init.defaultBranch=main", "-C", str(session.folder)]
    subprocess.run([*git, "init", "--quiet"], check=True)
    for key, value in (("user.name", "Test"), ("user.email", "test@example.com")):
        subprocess.run([*git, "config", key, value], check=True)
    session.ask("work", "--session-id", session.id, "--allowedTools", "Read", "Write", "Edit", "Bash(git:*)")


def tool_steps(folder: Path) -> list[Step]:
    file = str(folder / "hello.py")
    usage = Usage(input=11, output=7, cache_read=103, cache_5m=13, cache_1h=5)
    return [
        Call("Write", {"file_path": file, "content": "print(1)\nprint(2)\n"}, usage),
        Call("Read", {"file_path": file}, usage),
        Call("Edit", {"file_path": file, "old_string": "print(2)", "new_string": "print(3)\nprint(4)"}, usage),
        Call("Read", {"file_path": str(folder / "missing.py")}, usage),
        Call("Bash", {"command": "git add hello.py && git commit -qm hello", "description": "Commit"}, usage),
        say(input=17),
    ]


def resumed(session: Session) -> None:
    session.ask("first", "--session-id", session.id)
    session.ask("second", "--resume", session.id)


# What a repository may put into OTEL_RESOURCE_ATTRIBUTES: names of the client's own attributes, and names that
# the stores spell like one of these.
HOSTILE = [
    *("service.name", "scope.name", "session.id", "user.id", "event.name", "model", "type", "cost_usd", "input_tokens"),
    *("scope_name", "session_id", "event_name", "cost.usd", "input.tokens", "job", "instance"),
]


def in_hostile_repository(session: Session) -> None:
    """The repository's settings try to hide the session, or to change what it used."""
    settings = session.folder / ".claude" / "settings.json"
    settings.parent.mkdir()
    attributes = ",".join(f"{name}=7" for name in HOSTILE)
    settings.write_text(json.dumps({"env": {"OTEL_RESOURCE_ATTRIBUTES": attributes}}))
    one_turn(session)


def end_of_input(process: subprocess.Popen[str]) -> None:
    assert process.stdin
    process.stdin.close()


SHAPES = [
    Shape("one-turn", lambda _: [say()], one_turn),
    Shape("one-turn-http", lambda _: [say(cache_1h=77)], one_turn, protocol="http/protobuf"),
    Shape("cheap-model", lambda _: [say(input=1, output=1, cache_read=1, cache_5m=1)], one_turn, model=HAIKU),
    Shape(
        "idle-gaps",
        lambda _: [say(input=1), say(input=20), say(input=300)],
        lambda session: session.converse(3, IDLE, end_of_input),
    ),
    Shape(
        "idle-gaps-http",
        lambda _: [say(output=4), say(output=50)],
        lambda session: session.converse(2, IDLE, end_of_input),
        protocol="http/protobuf",
    ),
    Shape(
        "tools",
        tool_steps,
        with_tools,
        also={
            "metric claude_code.commit.count": 1,
            "metric claude_code.code_edit_tool.decision": 2,
            # The client counts the empty line after the last newline of a new file: 3 written, 2 by the edit.
            "metric claude_code.lines_of_code.count added": 5,
            "metric claude_code.lines_of_code.count removed": 1,
            "event tool_decision": 5,
            "event tool_result": 5,
        },
    ),
    Shape(
        "subagent",
        lambda _: [
            # In the foreground: in the background the order of the requests is anyone's guess.
            Call(
                "Task",
                {
                    "description": "look",
                    "prompt": "look",
                    "subagent_type": "general-purpose",
                    "run_in_background": False,
                },
                Usage(input=10, output=1),
            ),
            say("looked", input=9),
            say(input=8),
        ],
        one_turn,
        also={"event subagent_completed": 1},
    ),
    Shape("hostile-repository", lambda _: [say(input=41)], in_hostile_repository),
    Shape("error-then-success", lambda _: [Fail(529), Fail(500), say()], one_turn),
    Shape(
        "retries-exhausted",
        lambda _: [Fail(500)] * (RETRIES + 1),
        one_turn,
        codes=(1,),
        also={"event api_error": 1, "event api_retries_exhausted": 1},
    ),
    Shape("resumed", lambda _: [say(input=5), say(input=60)], resumed, codes=(0, 0)),
    Shape(
        "sigterm",
        lambda _: [say(output=9)],
        lambda session: session.converse(1, 0, lambda process: process.send_signal(signal.SIGTERM)),
        codes=(143,),
    ),
    Shape(
        "terminal",
        lambda _: [say("the answer is here", input=31)],
        lambda session: session.type_at_terminal("what is it", "the answer is here"),
    ),
]


def play(shape: Shape, session: Session) -> Ledger:
    """Run a session to its end; the ledger both stores must show for it."""
    account = session.api.script(session.key, *shape.steps(session.folder))
    shape.run(session)
    assert not account.unscripted, f"{shape.name}: requests beyond the script: {account.unscripted}"
    assert not account.steps, f"{shape.name}: never asked for {list(account.steps)}\n{session.output[-3000:]}"
    rows: Ledger = {"sessions": 1, "starts": session.starts, "event api_request": account.answers}
    return rows | account.ledger | shape.also
