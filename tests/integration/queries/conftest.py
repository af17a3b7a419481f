# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The real collector, Prometheus and Loki as the roles configure them, filled with recordings over weeks.

What differs from a real stack: data may be weeks late, today is recorded every second, Loki splits queries by the day.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parents[3]))

from plugins.module_utils._rollups import DAY, Calendar, repair_span
from tests.tools.check_totals import expected
from tests.tools.ledger import TOKEN_FIELDS, Loki, Prometheus
from tests.tools.otlp import GrpcSender
from tests.tools.programs import Running, free_port, program
from tests.tools.queries import roles
from tests.tools.queries.vocabulary import ROOT
from tests.tools.replay import RECORDINGS, SUFFIX, load, prepare, sendable

DAYS = 32
# Not where midnight is near: the tests take minutes, and ask for days up to now.
ZONE = "-08:00" if time.gmtime().tm_hour == 14 else "+09:00"
CALENDAR = Calendar.of("72h", ZONE)
HISTORY = f"{(DAYS + 3) * 24}h"
PEOPLE = {"ada": "compilers", "grace": "compilers", "linus": "kernel", "margaret": ""}
# What a person does on a day, and how many seconds after midnight.
SHIFTS = (("tools", 36000), ("subag", 43200), ("grpc-basic", 50400), ("tui", 57600), ("err-500", 64800))
# The last hours, on this day or the one before.
RECENT = (("ada", "tools", 2 * 3600), ("linus", "err-500", 5400), ("grace", "subag", 3600), ("margaret", "tui", 1800))
EDGE = 1200
INVENTORY = """
all:
  children:
    prometheus: {hosts: {localhost: {}}}
    loki: {hosts: {localhost: {}}}
  vars:
    ansible_connection: local
    ansible_python_interpreter: "{{ ansible_playbook_python }}"
"""


@dataclass(frozen=True)
class Played:
    """One recording of one person that ended at a time."""

    person: str
    name: str
    ended: float
    session: str

    @property
    def team(self) -> str:
        return PEOPLE[self.person]

    @property
    def ledger(self) -> dict[str, int]:
        return expected(f"{self.name}{SUFFIX}")


@dataclass
class Stack:
    """Where the programs are, and what they were given."""

    folder: Path
    now: float
    ports: dict[str, int] = field(default_factory=dict)
    running: dict[str, Running] = field(default_factory=dict)
    played: list[Played] = field(default_factory=list)

    @property
    def zone(self) -> str:
        return CALENDAR.zone

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.ports[f'{name}_port']}"

    def midnight(self, age: int) -> float:
        """When the day began, so many days ago."""
        east = CALENDAR.utc_offset
        return (self.now + east) // DAY * DAY - east - age * DAY

    def of(self, start: float, end: float | None = None) -> list[Played]:
        """What ended in a time."""
        return [each for each in self.played if start < each.ended <= (self.now if end is None else end)]

    def play(self, playbook: str, *arguments: str) -> str:
        """What a playbook says, run against an inventory of this stack."""
        hosts = self.folder / "hosts.yml"
        hosts.write_text(INVENTORY + "".join(f"    {name}: {port}\n" for name, port in self.ports.items()))
        said = {"ANSIBLE_CALLBACK_RESULT_FORMAT": "yaml", "ANSIBLE_NOCOLOR": "1", "LC_ALL": "C.UTF-8"}
        said["ANSIBLE_PIPELINING"] = "1"
        argv = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", str(hosts), playbook, *arguments]
        done = subprocess.run(argv, env={**os.environ, **said}, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def promtool(self, *arguments: str) -> None:
        subprocess.run([program("promtool"), *arguments], check=True, capture_output=True)


def total(played: list[Played], row: str) -> int:
    """A row of the ledgers, or of all rows that begin so."""
    return sum(value for each in played for name, value in each.ledger.items() if name.startswith(row))


def start(stack: Stack) -> None:
    """Starts the programs with the roles' own configuration."""
    names = ["prometheus_port", "loki_port", "loki_grpc_port"]
    names += [f"otel_collector_{name}_port" for name in ("grpc", "http", "export", "metrics", "health")]
    stack.ports = {name: free_port() for name in names}
    places = {f"stack_{name}_dir": str(stack.folder / name) for name in ("config", "data")}
    variables: dict[str, Any] = {"stack_runtime": "systemd", "stack_utc_offset": ZONE, **places, **stack.ports}
    files = {
        f"{role}/{name}": text
        for role in ("prometheus", "loki", "otel_collector")
        for name, text in roles.files(role, stack_late_max=HISTORY, **variables).items()
    }
    days = "prometheus/rules/claude-code-days.yml"
    files[days] = yaml.safe_dump({"groups": [{**group, "interval": "1s"} for group in CALENDAR.groups()[:1]]})
    loki = yaml.safe_load(files["loki/config.yml"])
    loki.pop("ruler", None)
    files["loki/config.yml"] = yaml.safe_dump(loki)
    for name, text in files.items():
        path = stack.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    prometheus = [
        f"--config.file={stack.folder}/prometheus/prometheus.yml",
        f"--storage.tsdb.path={stack.folder}/tsdb",
        f"--web.listen-address=127.0.0.1:{stack.ports['prometheus_port']}",
        "--web.enable-otlp-receiver",
    ]
    run(stack, "prometheus", prometheus, f"{stack.url('prometheus')}/-/ready")
    run(stack, "loki", [f"-config.file={stack.folder}/loki/config.yml"], f"{stack.url('loki')}/ready")
    health = f"http://127.0.0.1:{stack.ports['otel_collector_health_port']}"
    run(stack, "otelcol-contrib", [f"--config={stack.folder}/otel_collector/config.yaml"], health)


def run(stack: Stack, name: str, arguments: list[str], ready: str) -> None:
    stack.running[name] = Running([program(name), *arguments], ready, stack.folder / f"{name}.log")
    stack.running[name].start()


def fill(stack: Stack) -> None:
    """Sends the recordings, oldest first, as if each had been played at its time by its person."""
    plan = [
        (stack.midnight(age) + seconds + 60 * number, person, name)
        for age in range(1, DAYS)
        for number, person in enumerate(PEOPLE)
        for name, seconds in SHIFTS[(age + number) % 4 : (age + number) % 4 + 1 + (age % 3 == 0)]
    ]
    # Nothing at the edges of the windows that the tests ask for: whole days, and days up to now.
    plan = [each for each in plan if abs((each[0] - stack.now + DAY / 2) % DAY - DAY / 2) > EDGE]
    plan += [
        (ended + (EDGE if ended - EDGE < stack.midnight(0) < ended else 0), person, name)
        for person, name, age in RECENT
        for ended in (stack.now - age,)
    ]
    sender = GrpcSender(f"127.0.0.1:{stack.ports['otel_collector_grpc_port']}")
    for ended, person, name in sorted(plan):
        requests, (session,) = prepare(
            sendable(load(RECORDINGS / f"{name}{SUFFIX}")), stack.now, stack.now - ended, uuid.uuid4()
        )
        for request in requests:
            for resource in request.body.get("resourceMetrics", []) + request.body.get("resourceLogs", []):
                names = {"developer": person, "team": PEOPLE[person]}
                resource["resource"]["attributes"] += [
                    {"key": key, "value": {"stringValue": value}} for key, value in names.items() if value
                ]
            sender.send(request.signal, request.body)
        stack.played.append(Played(person, name, ended, session))


def wait_until_stored(stack: Stack) -> None:
    """Until both stores have every token that was sent."""
    sent = total(stack.played, "tokens ")
    fields = " + ".join(
        f'sum(sum_over_time({{service_name="claude-code"}} | event_name="api_request" | unwrap {name} [{HISTORY}]))'
        for name in TOKEN_FIELDS.values()
    )
    questions = {
        "prometheus": lambda: Prometheus(stack.url("prometheus")).query(
            f"sum(sum_over_time(claude_code_token_usage_tokens[{HISTORY}]))"
        ),
        "loki": lambda: Loki(stack.url("loki")).query(fields),
    }
    end = time.monotonic() + 60
    for name, ask in questions.items():
        found = 0
        while found != sent:
            assert time.monotonic() < end, f"{name} has {found} of {sent} tokens"
            time.sleep(0.5)
            found = sum(int(float(row["value"][1])) for row in ask())


def record_days(stack: Stack) -> None:
    """Records the days of the past as a repair does. Prometheus finds new blocks when it starts."""
    rules = stack.folder / "repair.yml"
    rules.write_text(yaml.safe_dump({"groups": CALENDAR.repair_groups("test")}))
    stack.promtool(
        *["tsdb", "create-blocks-from", "rules", f"--url={stack.url('prometheus')}"],
        *[*repair_span(int(stack.midnight(DAYS))), f"--end={int(stack.midnight(0))}"],
        *[f"--output-dir={stack.folder}/tsdb", str(rules)],
    )
    stack.running["prometheus"].stop()
    # Weeks came within a minute: its log still has what is older than the end of these blocks, and would be skipped.
    for meta in stack.folder.glob("tsdb/*/meta.json"):
        block = json.loads(meta.read_text())
        block["compaction"]["hints"] = ["from-out-of-order"]
        meta.write_text(json.dumps(block))
    stack.running["prometheus"].start()


def wait_until_today_is_recorded(stack: Stack) -> None:
    today = Counter({each.session: 1 for each in stack.of(stack.midnight(0))})
    ask = f'max_over_time(team:claude_code_sessions:day{{age="0", zone="{CALENDAR.zone}"}}[1m])'
    end = time.monotonic() + 60
    while today and not Prometheus(stack.url("prometheus")).query(ask):
        assert time.monotonic() < end, "today is not recorded"
        time.sleep(0.5)


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    stack = Stack(tmp_path_factory.mktemp("stack"), time.time())
    try:
        start(stack)
        fill(stack)
        wait_until_stored(stack)
        record_days(stack)
        wait_until_today_is_recorded(stack)
        yield stack
    finally:
        for running in stack.running.values():
            running.stop()
