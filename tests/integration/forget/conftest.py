# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole stack on a test host that can be sent to from here, and playbooks on it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[3]))

from tests.tools.ledger import ask
from tests.tools.otlp import HttpSender

ROOT = Path(__file__).parents[3]
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "claude_code.observability"
NAME = "ccobs-forget"
SUITE = "forget"
TIMEOUT = 600


def run(*argv: str) -> str:
    """Runs a command on this machine; returns its output."""
    done = subprocess.run(argv, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    assert done.returncode == 0, f"{' '.join(argv)}\n{done.stdout}{done.stderr}"
    return done.stdout.strip()


def attributes(**values: str) -> list[dict[str, Any]]:
    return [{"key": key.replace("_", "."), "value": {"stringValue": value}} for key, value in values.items()]


class Stack:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.address = ""

    def start(self) -> None:
        run(f"{ROOT}/tests/hosts/run", NAME, SUITE, "plain", f"--volume={CACHE}/bundle/mirror:/mirror:ro")
        self.address = run(
            "docker", "inspect", "--format", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", NAME
        )
        code, output = self.play("stack")
        assert code == 0, output
        self.sender = HttpSender(f"http://{self.address}:4318")

    def play(self, playbook: str, *options: str) -> tuple[int, str]:
        """Exit code and output, without its line breaks."""
        groups = ("otel_collector", "prometheus", "loki")
        variables = {
            "ansible_connection": "community.docker.docker",
            "stack_runtime": "systemd",
            "stack_mirror": "file:///mirror",
            "stack_listen_address": "0.0.0.0",
            "stack_allow_insecure_network": True,
        }
        children = {group: {"hosts": {NAME: {}}} for group in groups}
        inventory = self._folder / "inventory.json"
        inventory.write_text(
            json.dumps({"claude_code_observability": {"children": children}, "all": {"vars": variables}})
        )
        argv = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", str(inventory)]
        environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"), "ANSIBLE_NOCOLOR": "1"}
        done = subprocess.run(
            [*argv, f"claude_code.observability.{playbook}", *options],
            cwd=self._folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
        return done.returncode, " ".join((done.stdout + done.stderr).split())

    def send(self, developer: str, hours_ago: float = 0) -> None:
        """One point of seven tokens and one event, as a session of its own."""
        moment = time.time_ns() - int(hours_ago * 3600 * 10**9)
        session = f"{developer}-{moment}"
        resource = {"attributes": attributes(service_name="claude-code", developer=developer, team="compilers")}
        point = {
            "startTimeUnixNano": str(moment - 10**9),
            "timeUnixNano": str(moment),
            "asInt": "7",
            "attributes": attributes(session_id=session, type="input", model="opus"),
        }
        metric = {
            "name": "claude_code.token.usage",
            "unit": "tokens",
            "sum": {"aggregationTemporality": 1, "isMonotonic": True, "dataPoints": [point]},
        }
        self.sender.send(
            "metrics", {"resourceMetrics": [{"resource": resource, "scopeMetrics": [{"metrics": [metric]}]}]}
        )
        record = {
            "timeUnixNano": str(moment),
            "body": {"stringValue": "claude_code.api_request"},
            "attributes": attributes(session_id=session, event_name="api_request"),
        }
        self.sender.send(
            "logs",
            {
                "resourceLogs": [
                    {
                        "resource": resource,
                        "scopeLogs": [{"scope": {"name": "com.anthropic.claude_code.events"}, "logRecords": [record]}],
                    }
                ]
            },
        )

    def tokens(self) -> dict[str, int]:
        """Tokens by developer in Prometheus."""
        return self._by_developer(
            "9090/api/v1/query", "sum by (developer) (sum_over_time(claude_code_token_usage_tokens[80h]))"
        )

    def events(self) -> dict[str, int]:
        """Events by developer in Loki."""
        return self._by_developer(
            "3100/loki/api/v1/query", 'sum by (developer) (count_over_time({service_name="claude-code"}[80h]))'
        )

    def names(self) -> dict[str, int]:
        """Every series that Prometheus has or had of somebody, the recorded days and path (b) too, by developer."""
        return self._by_developer("9090/api/v1/query", 'count by (developer) (last_over_time({developer!=""}[80h]))')

    def _by_developer(self, path: str, query: str) -> dict[str, int]:
        port, _slash, rest = path.partition("/")
        rows = ask(f"http://{self.address}:{port}", f"/{rest}", query=query)
        return {row["metric"].get("developer", ""): int(float(row["value"][1])) for row in rows}

    def wait_for(self, what: Any, wanted: Any) -> None:
        end = time.monotonic() + 90
        while what() != wanted and time.monotonic() < end:
            time.sleep(0.5)
        assert what() == wanted

    @staticmethod
    def clear() -> None:
        """Removes the host that this or an interrupted run has left."""
        label = f"label=claude_code.observability.test={SUITE}"
        left = run("docker", "ps", "--all", "--quiet", "--filter", label).split()
        if left:
            run("docker", "rm", "--force", "--volumes", *left)


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    Stack.clear()
    stack = Stack(tmp_path_factory.mktemp("forget"))
    stack.start()
    yield stack
    Stack.clear()
