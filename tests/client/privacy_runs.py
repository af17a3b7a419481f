# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The real client with all its gates open, its canaries in the real stack, and a search for them."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.e2e.sessions import RETRIES, Session
from tests.replay.backend import SHIPPED
from tests.replay.stack import Stack
from tests.tools.ledger import Ledger, nanoseconds
from tests.tools.ledger import Loki as LokiLedgers
from tests.tools.ledger import Prometheus as PrometheusLedgers
from tests.tools.model_api import Account, Call, Fail, ModelApi, Say, Usage
from tests.tools.queries import roles

# Where each of them stands. They are told apart by their middle.
CANARIES = {
    name: f"zq{name}zqcanary"
    for name in ("prompt", "command", "path", "answer", "apierror", "toolerror", "contact", "account", "commit")
}
# Not content of an event: nobody keeps what a person adds to the resource.
NOWHERE = {"contact", "account", "commit"}
DEVELOPER = "zqdeveloperzqada"
GATES = (
    "OTEL_LOG_USER_PROMPTS",
    "OTEL_LOG_ASSISTANT_RESPONSES",
    "OTEL_LOG_TOOL_DETAILS",
    "OTEL_LOG_TOOL_CONTENT",
    "OTEL_LOG_RAW_API_BODIES",
    "OTEL_LOG_MANAGED_SETTINGS",
    "OTEL_METRICS_INCLUDE_VERSION",
    "OTEL_METRICS_INCLUDE_ENTRYPOINT",
    "OTEL_METRICS_INCLUDE_REPOSITORY",
)
USAGE = Usage(input=100, output=50)
# As Run.everything names them.
CHUNKS, QUEUE = "data/loki/chunks/", "the queue while Loki was away"


@dataclass
class Run:
    """What one stack made of the sessions."""

    stack: Stack
    sessions: list[Session]
    accounts: list[Account]
    first: float
    queued: bytes = b""
    api: dict[str, str] = field(default_factory=dict)

    def files(self, *below: str) -> dict[str, bytes]:
        """All files below a folder of the stack, by name."""
        folder = self.stack.folder.joinpath(*below)
        found = [path for path in folder.rglob("*") if path.is_file()]
        return {str(path.relative_to(self.stack.folder)): path.read_bytes() for path in found}

    def everything(self) -> dict[str, bytes]:
        """The data and logs of all components, the queue while Loki was away, the answers of both stores."""
        logs = {path.name: path.read_bytes() for path in self.stack.folder.glob("*.log")}
        answers = {name: text.encode() for name, text in self.api.items()}
        return {**self.files("data"), **logs, **answers, QUEUE: self.queued}

    def entries(self, name: str) -> list[dict[str, Any]]:
        """The streams of an answer of Loki, by each set of structured metadata: {stream, values}."""
        result: list[dict[str, Any]] = json.loads(self.api[name])["data"]["result"]
        return result

    def ledgers(self) -> tuple[Ledger, Ledger, Ledger]:
        """What was handed out, and what the stores say, over all sessions."""
        ids = [session.id for session in self.sessions]
        expected: Ledger = {}
        for account in self.accounts:
            for row, count in {**account.ledger, "event api_request": account.answers}.items():
                expected[row] = expected.get(row, 0) + count
        return (
            expected,
            _sum(PrometheusLedgers(self.stack.stores["prometheus"]).ledgers(ids, self.first)),
            _sum(LokiLedgers(self.stack.stores["loki"]).ledgers(ids, self.first)),
        )


def _sum(ledgers: Mapping[str, Ledger]) -> Ledger:
    total: Ledger = {}
    for ledger in ledgers.values():
        for row, count in ledger.items():
            total[row] = total.get(row, 0) + count
    return total


def found(canaries: Mapping[str, str], where: Mapping[str, bytes]) -> dict[str, set[str]]:
    """Which canaries occur, and in which of the texts."""
    return {
        name: places
        for name, text in canaries.items()
        if (places := {place for place, data in where.items() if text.encode() in data})
    }


def run(folder: Path, program: Path, variables: Mapping[str, Any]) -> Run:
    """Play the sessions while Loki is away, start it, and look at everything. The caller stops the stack."""
    stack = Stack(folder / "stack", {})
    stack.variables.update(variables)
    # So that what is stored can be read without the stores.
    stack.variables["loki_config_overrides"] = {"ingester": {"chunk_encoding": "none"}}
    stack.components["prometheus"].argv.append("--no-storage.tsdb.wal-compression")
    stack.configure(SHIPPED, rules=False)
    _hand_over_secrets(stack)
    stack.start("prometheus", "otel_collector")
    api = ModelApi()
    try:
        played = Run(stack, [], [], time.time())
        for number, protocol in enumerate(("http/protobuf", "grpc")):
            _play(played, api, _session(folder, program, api, stack, number, protocol))
    finally:
        api.close()
    played.queued = b"".join(played.files("data", "otel-collector").values())
    stack.start("loki")
    stack.wait_until_delivered()
    _flush(stack)
    played.api = _answers(stack)
    return played


def _hand_over_secrets(stack: Stack) -> None:
    """As the role does it: files of their own, named on the command line."""
    for name, text in roles.files("otel_collector", "secrets", **stack.variables).items():
        path = stack.folder / "config" / "otel_collector" / name
        path.write_text(text)
        stack.components["otel_collector"].argv.append(f"--config={path}")


def _session(folder: Path, program: Path, api: ModelApi, stack: Stack, number: int, protocol: str) -> Session:
    home = folder / f"home{number}"
    work = folder / CANARIES["path"] / str(number)
    (home / ".claude").mkdir(parents=True)
    work.mkdir(parents=True)
    env = {
        **dict.fromkeys(GATES, "1"),
        "CLAUDE_CODE_ENABLE_TELEMETRY": "1",
        "OTEL_METRICS_EXPORTER": "otlp",
        "OTEL_LOGS_EXPORTER": "otlp",
        "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{stack.grpc}" if protocol == "grpc" else stack.http,
        "OTEL_RESOURCE_ATTRIBUTES": f"developer={DEVELOPER},team=web,user.email={CANARIES['account']}@example.com,"
        f"contact={CANARIES['contact']}@example.com",
        "CLAUDE_CODE_OTEL_SHUTDOWN_TIMEOUT_MS": "20000",
    }
    (home / ".claude" / "settings.json").write_text(json.dumps({"env": env}))
    git = ["git", "-C", str(work)]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "config", "user.email", f"{CANARIES['commit']}@example.com"], check=True)
    subprocess.run([*git, "remote", "add", "origin", "https://github.com/zqowner/zqrepository.git"], check=True)
    return Session(f"privacy{number}", home, work, program, api)


def _play(played: Run, api: ModelApi, session: Session) -> None:
    """A prompt with tool calls of which one fails, and a second one which the model API refuses."""
    steps = (
        Call("Bash", {"command": f"echo {CANARIES['command']}", "description": CANARIES["command"]}, USAGE),
        Call("Read", {"file_path": str(session.folder / "missing" / CANARIES["toolerror"])}, USAGE),
        Say(f"it is {CANARIES['answer']}", USAGE),
        *[Fail(500, f"no {CANARIES['apierror']}")] * (RETRIES + 1),
    )
    played.accounts.append(api.script(session.key, *steps))
    played.sessions.append(session)
    session.ask(f"say {CANARIES['prompt']}", "--session-id", session.id, "--allowedTools", "Bash,Read")
    session.ask(f"again {CANARIES['prompt']}", "--resume", session.id)


def _flush(stack: Stack) -> None:
    call = urllib.request.Request(stack.stores["loki"].url + "/flush", method="POST")
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(call, timeout=60):
        pass


def _answers(stack: Stack) -> dict[str, str]:
    """All series, and all entries: those that queries on events read, and those of content."""
    now = time.time()
    asked = {
        "prometheus": (stack.stores["prometheus"].url + "/api/v1/series", {"match[]": '{__name__=~".+"}'}),
        "metadata": (stack.stores["prometheus"].url + "/api/v1/metadata", {}),
        "events": _entries(stack, '{service_name=~".+"}', now),
        "content": _entries(stack, '{content=~".+"}', now),
    }
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    texts = {}
    for name, (url, parameters) in asked.items():
        with opener.open(f"{url}?{urllib.parse.urlencode(parameters)}", timeout=60) as answer:
            texts[name] = answer.read().decode()
    return texts


def _entries(stack: Stack, query: str, now: float) -> tuple[str, dict[str, str]]:
    span = {"start": nanoseconds(now - 7200), "end": nanoseconds(now + 60), "limit": "5000"}
    return stack.stores["loki"].url + "/loki/api/v1/query_range", {"query": query, **span}
