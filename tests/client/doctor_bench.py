# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the doctor's cases need: a real collector with several doors, servers that misbehave, a client with a home."""

from __future__ import annotations

import contextlib
import getpass
import http.client
import json
import select
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.client.doctor_certificates import Certificates
from tests.tools.model_api import ModelApi, Say, Usage
from tests.tools.programs import Running, free_port, program

COLLECTIONS = Path(__file__).parents[2] / ".collections"
PROMPT = "tell me about marmalade"
TOKEN = "let-me-in-7"
# What the client gets of the tester's environment: no proxy, no telemetry variable, no claude.
PATH = "/usr/local/bin:/usr/bin:/bin"
PATIENCE = 120
# In a mount namespace of its own: nothing of it ever exists in the machine's /etc.
OVERLAY = """
set -e
mount -t tmpfs tmpfs "$1"
mkdir "$1/upper" "$1/work"
cp -r "$2/." "$1/upper"
mount -t overlay overlay -o "lowerdir=/etc,upperdir=$1/upper,workdir=$1/work" /etc
shift 2
exec "$@"
"""


class Collector:
    """The real collector. Its doors: plain, one that asks for a token, and TLS with four kinds of certificate."""

    def __init__(self, folder: Path, certificates: Certificates) -> None:
        self.received = folder / "received.jsonl"
        self.grpc: dict[str, int] = {}
        self.http: dict[str, int] = {}
        receivers: dict[str, Any] = {}
        for door in ("plain", "token", *certificates.servers):
            self.grpc[door], self.http[door] = free_port(), free_port()
            settings: dict[str, Any] = {}
            if door == "token":
                settings = {"auth": {"authenticator": "bearertokenauth"}}
            elif door != "plain":
                files = certificates.servers[door]
                settings = {"tls": {"cert_file": str(files.certificate), "key_file": str(files.key)}}
            ports = {"grpc": self.grpc[door], "http": self.http[door]}
            protocols = {kind: {"endpoint": f"127.0.0.1:{port}", **settings} for kind, port in ports.items()}
            receivers[f"otlp/{door}"] = {"protocols": protocols}
        health = f"127.0.0.1:{free_port()}"
        pipeline = {"receivers": list(receivers), "exporters": ["file"]}
        config = {
            "receivers": receivers,
            "exporters": {"file": {"path": str(self.received), "flush_interval": "200ms"}},
            "extensions": {"health_check": {"endpoint": health}, "bearertokenauth": {"token": TOKEN}},
            "service": {
                "extensions": ["health_check", "bearertokenauth"],
                "pipelines": {"metrics": pipeline, "logs": pipeline},
                "telemetry": {"metrics": {"level": "none"}},
            },
        }
        path = folder / "collector.json"
        path.write_text(json.dumps(config))
        argv = [program("otelcol-contrib"), f"--config={path}"]
        self.running = Running(argv, f"http://{health}/", folder / "collector.log")
        self.running.start()

    def close(self) -> None:
        self.running.stop()

    def counts(self, session: str) -> dict[str, int]:
        """Token points and API request events of a session that arrived: what its cost is made from."""
        bodies = [json.loads(line) for line in self.lines(session)]
        return {
            "metrics": sum(len(_token_points(body, session)) for body in bodies),
            "events": sum(_requests(body, session) for body in bodies),
        }

    def token_points(self, session: str) -> list[dict[str, Any]]:
        """The attributes of each token point of a session."""
        return [point for line in self.lines(session) for point in _token_points(json.loads(line), session)]

    def lines(self, session: str) -> list[str]:
        """The export requests with anything of a session; the collector may be writing the last one still."""
        if not self.received.exists():
            return []
        lines = self.received.read_text().splitlines(keepends=True)
        return [line for line in lines if session in line and line.endswith("\n")]


def _attributes(holder: dict[str, Any]) -> dict[str, Any]:
    return {one["key"]: next(iter(one["value"].values()), None) for one in holder.get("attributes", [])}


def _token_points(body: dict[str, Any], session: str) -> list[dict[str, Any]]:
    points = (
        {"temporality": metric["sum"]["aggregationTemporality"], **_attributes(point)}
        for resource in body.get("resourceMetrics", [])
        for scope in resource["scopeMetrics"]
        for metric in scope["metrics"]
        if metric["name"] == "claude_code.token.usage"
        for point in metric["sum"]["dataPoints"]
    )
    return [point for point in points if point.get("session.id") == session]


def _requests(body: dict[str, Any], session: str) -> int:
    return sum(
        _attributes(record).get("session.id") == session and _attributes(record).get("event.name") == "api_request"
        for resource in body.get("resourceLogs", [])
        for scope in resource["scopeLogs"]
        for record in scope["logRecords"]
    )


@dataclass
class Laptop:
    """One user's machine: a home, a repository to work in, files laid over /etc, the environment of the shell."""

    root: Path
    claude: Path
    api: ModelApi
    shell: dict[str, str] = field(default_factory=dict)
    # What only a terminal's shell sets, from the files it reads.
    terminal: dict[str, str] = field(default_factory=dict)
    output: str = ""

    def __post_init__(self) -> None:
        for folder in (self.home / ".claude", self.project, self.home / ".local" / "bin", self.root / "overlay"):
            folder.mkdir(parents=True)
        (self.home / ".local" / "bin" / "claude").symlink_to(self.claude)

    @property
    def home(self) -> Path:
        return self.root / "home"

    @property
    def project(self) -> Path:
        return self.root / "project"

    @property
    def etc(self) -> Path:
        """What is laid over the machine's /etc, for this laptop's programs only."""
        return self.root / "etc"

    def write(self, path: str, content: Any) -> Path:
        """A file below the laptop's root: text as it is, everything else as JSON."""
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content if isinstance(content, str) else json.dumps(content, indent=2))
        return target

    def settings(self, path: str = "home/.claude/settings.json", **env: str) -> None:
        self.write(path, {"env": env})

    def environment(self) -> dict[str, str]:
        return {"HOME": str(self.home), "PATH": PATH, "TERM": "xterm", "USER": getpass.getuser(), **self.shell}

    def run(self, argv: list[str], env: dict[str, str]) -> subprocess.CompletedProcess[str]:
        """A program on this laptop."""
        if self.etc.exists():
            inside = ["sh", "-c", OVERLAY, "sh", str(self.root / "overlay"), str(self.etc)]
            argv = ["unshare", "--mount", *inside, *argv]
        return subprocess.run(
            argv,
            env=env,
            cwd=self.project,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    def ask(self) -> str:
        """A session of one turn with the real client, by its id."""
        session = str(uuid.uuid4())
        key = f"sk-test-{session}"
        self.api.script(key, Say("done", Usage(input=100, output=50)))
        env = (
            self.environment()
            | self.terminal
            | {
                "ANTHROPIC_BASE_URL": self.api.url,
                "ANTHROPIC_API_KEY": key,
                "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
                "CLAUDE_CODE_MAX_RETRIES": "2",
            }
        )
        words = ["-p", PROMPT, "--model", "claude-sonnet-4-5", "--session-id", session]
        # env is not surprised by a client that is not there.
        done = self.run(["env", str(self.home / ".local" / "bin" / "claude"), *words], env)
        self.output = done.stdout + done.stderr
        return session

    def examine(self) -> dict[str, Any]:
        """What the doctor says of this laptop's user."""
        options = json.dumps({"project_dir": str(self.project)})
        env = self.environment() | {"PYTHONPATH": str(COLLECTIONS)}
        done = self.run([sys.executable, str(Path(__file__).with_name("doctor_ask.py")), options], env)
        assert done.returncode == 0, done.stdout + done.stderr
        result: dict[str, Any] = json.loads(done.stdout)["users"][0]
        return result


def counted(collector: Collector, session: str, wanted: dict[str, int]) -> dict[str, int]:
    """What arrived of a session, asked for until it is what was wanted or the time is up."""
    end = time.monotonic() + PATIENCE
    while (found := collector.counts(session)) != wanted and time.monotonic() < end:
        time.sleep(0.2)
    return found


@contextlib.contextmanager
def silent() -> Iterator[int]:
    """A port that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        yield listener.getsockname()[1]


@contextlib.contextmanager
def black_hole() -> Iterator[int]:
    """A port whose queue is full: the kernel drops every further attempt to connect, as a firewall would."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        port = listener.getsockname()[1]
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(("127.0.0.1", port))
        time.sleep(0.2)
        yield port


class Request(BaseHTTPRequestHandler):
    """One request to a web server of ours."""

    protocol_version = "HTTP/1.1"
    answer: Callable[[Request, bytes], tuple[int, dict[str, str], bytes] | None]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        answer = type(self).answer(self, body)
        if answer is None:
            self.close_connection = True
            return
        status, headers, content = answer
        self.send_response_only(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        with contextlib.suppress(ConnectionError):
            self.wfile.write(content)

    do_CONNECT = do_GET = do_POST

    def is_abandoned(self) -> bool:
        """Whether the client has hung up."""
        readable, _, _ = select.select([self.connection], [], [], 0)
        return bool(readable) and not self.connection.recv(1, socket.MSG_PEEK)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextlib.contextmanager
def web_server(answer: Callable[[Request, bytes], tuple[int, dict[str, str], bytes] | None]) -> Iterator[int]:
    """A web server that answers every request with status, headers and body, or not at all."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (Request,), {"answer": staticmethod(answer)}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


def says(status: int, content: bytes = b"") -> contextlib.AbstractContextManager[int]:
    """A web server that gives everybody the same answer."""
    return web_server(lambda _request, _body: (status, {}, content))


def relay(port: int, wait: float = 0, clock: float = 0) -> contextlib.AbstractContextManager[int]:
    """In front of a collector's HTTP port: a slow line, or a clock that is some seconds off."""

    def answer(request: Request, body: bytes) -> tuple[int, dict[str, str], bytes] | None:
        time.sleep(wait)
        if request.is_abandoned():
            return None
        connection = http.client.HTTPConnection("127.0.0.1", port)
        connection.request("POST", request.path, body, {"Content-Type": request.headers["Content-Type"]})
        response = connection.getresponse()
        return response.status, {"Date": formatdate(time.time() + clock, usegmt=True)}, response.read()

    return web_server(answer)
