# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""For each cause in the doctor's table: the fault is there, the real client loses what it says, the doctor names it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from plugins.module_utils._doctor_causes import CAUSES, NOTE, Cause
from tests.client.doctor_bench import COLLECTIONS, PROMPT, TOKEN, Collector, Laptop, counted, says
from tests.client.doctor_certificates import Certificates
from tests.client.doctor_faults import (
    BEARER,
    EVENTS,
    FAULTS,
    MANAGED,
    POINTS,
    PROJECT,
    SCRIPT,
    USER,
    Bench,
    SetUp,
)
from tests.tools.model_api import ModelApi

AT_ONCE = 3
# The number of that temporality in OTLP.
CUMULATIVE = 2
ALL = {"metrics": POINTS, "events": EVENTS}
BY_NAME = {fault.name: fault for fault in FAULTS}


@dataclass
class Told:
    """One laptop after its session, and what the doctor said."""

    laptop: Laptop
    session: str
    answer: dict[str, Any]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    folder = tmp_path_factory.mktemp("bench")
    certificates = Certificates(folder)
    collector = Collector(folder, certificates)
    with ExitStack() as servers:
        servers.callback(collector.close)
        yield Bench(collector, certificates, servers)


@pytest.fixture
def laptop(tmp_path: Path, claude: Path, model_api: ModelApi) -> Laptop:
    return Laptop(tmp_path / "laptop", claude, model_api)


def over_http(laptop: Laptop, bench: Bench) -> None:
    laptop.settings(**bench.http())


def over_http_as_json(laptop: Laptop, bench: Bench) -> None:
    laptop.settings(**bench.http(OTEL_EXPORTER_OTLP_PROTOCOL="http/json"))


def over_grpc(laptop: Laptop, bench: Bench) -> None:
    laptop.settings(**bench.grpc())


def over_tls(laptop: Laptop, bench: Bench) -> None:
    laptop.settings(**bench.http("tls", "https://localhost", NODE_EXTRA_CA_CERTS=bench.authority))


def over_grpc_with_tls(laptop: Laptop, bench: Bench) -> None:
    laptop.settings(**bench.grpc("tls", "https://localhost", OTEL_EXPORTER_OTLP_CERTIFICATE=bench.authority))


def grpc_with_a_token_in_percent_codes(laptop: Laptop, bench: Bench) -> None:
    laptop.settings(**bench.grpc("token", OTEL_EXPORTER_OTLP_HEADERS=BEARER.replace(" ", "%20")))


def headers_from_a_helper(laptop: Laptop, bench: Bench) -> None:
    script = laptop.write("home/headers.sh", SCRIPT)
    script.chmod(0o755)
    laptop.write(USER, {"env": bench.http("token"), "otelHeadersHelper": str(script)})


def from_the_shell(laptop: Laptop, bench: Bench) -> None:
    laptop.shell.update(bench.http())


def from_bashrc(laptop: Laptop, bench: Bench) -> None:
    laptop.terminal.update(bench.http())
    laptop.write("home/.bashrc", "".join(f"export {name}='{value}'\n" for name, value in bench.http().items()))


def managed_settings_win(laptop: Laptop, bench: Bench) -> None:
    """They also take a user's endpoint for one signal out."""
    dead = "http://127.0.0.1:1/v1/metrics"
    laptop.settings(**bench.http(OTEL_EXPORTER_OTLP_ENDPOINT=dead, OTEL_EXPORTER_OTLP_METRICS_ENDPOINT=dead))
    laptop.settings(MANAGED, **bench.http())


def drop_ins_win_in_order(laptop: Laptop, bench: Bench) -> None:
    laptop.settings("etc/claude-code/managed-settings.d/20-last.json", **bench.http())
    laptop.settings(
        "etc/claude-code/managed-settings.d/10-first.json", OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1"
    )
    laptop.settings(MANAGED, OTEL_METRICS_EXPORTER="none")


def a_repository_can_not_redirect(laptop: Laptop, bench: Bench) -> None:
    laptop.settings(**bench.http())
    laptop.settings(PROJECT, OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1", CLAUDE_CODE_ENABLE_TELEMETRY="0")


def the_shell_beats_none_of_a_repository(laptop: Laptop, bench: Bench) -> None:
    laptop.settings(**bench.http())
    laptop.settings(PROJECT, OTEL_METRICS_EXPORTER="none")
    laptop.shell["OTEL_METRICS_EXPORTER"] = "otlp"


def a_proxy_is_not_used_for_loopback(laptop: Laptop, bench: Bench) -> None:
    laptop.settings(**bench.http(host="http://localhost"))
    proxy = f"http://127.0.0.1:{bench.servers.enter_context(says(403))}"
    laptop.shell.update(HTTP_PROXY=proxy, HTTPS_PROXY=proxy, NO_PROXY="127.0.0.1")


HEALTHY = (
    *(over_http, over_http_as_json, over_grpc, over_tls, over_grpc_with_tls),
    *(grpc_with_a_token_in_percent_codes, headers_from_a_helper, from_the_shell, from_bashrc),
    *(managed_settings_win, drop_ins_win_in_order, a_repository_can_not_redirect),
    *(the_shell_beats_none_of_a_repository, a_proxy_is_not_used_for_loopback),
)


@pytest.fixture(scope="module")
def told(bench: Bench, claude: Path, model_api: ModelApi, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Told]:
    """Every set-up once: a session of the real client, then the doctor."""

    def play(set_up: SetUp) -> Told:
        one = Laptop(tmp_path_factory.mktemp("told") / "laptop", claude, model_api)
        set_up(one, bench)
        return Told(one, one.ask(), one.examine())

    set_ups = {fault.name: fault.set_up for fault in FAULTS} | {set_up.__name__: set_up for set_up in HEALTHY}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = dict(zip(set_ups, pool.map(play, set_ups.values())))
    # The collector writes in order: once this session is there, all others that were sent are.
    last = play(over_http)
    assert counted(bench.collector, last.session, ALL) == ALL, last.laptop.output
    return found


@pytest.mark.parametrize("name", BY_NAME)
def test_the_first_cause_is_named(name: str, told: dict[str, Told], bench: Bench) -> None:
    fault, one = BY_NAME[name], told[name]
    arrived = bench.collector.counts(one.session)
    assert {kind: arrived[kind] for kind in fault.arrives} == fault.arrives, one.laptop.output
    assert one.answer["cause"] == fault.cause, one.answer["verdict"]


def test_a_secret_is_in_no_answer(told: dict[str, Told]) -> None:
    assert [name for name, one in told.items() if TOKEN in json.dumps(one.answer)] == []


def test_every_cause_is_set_up() -> None:
    wanted = {cause.name for cause in CAUSES if not cause.untested and cause.severity != NOTE}
    assert wanted == {fault.cause for fault in FAULTS}


@pytest.mark.parametrize("cause", [cause for cause in CAUSES if cause.untested], ids=lambda cause: cause.name)
def test_what_can_not_be_set_up(cause: Cause) -> None:
    pytest.skip(f"{cause.name}: {cause.untested}")


def test_what_the_warnings_say_is_true(told: dict[str, Told], bench: Bench) -> None:
    def points(name: str) -> list[dict[str, Any]]:
        return bench.collector.token_points(told[name].session)

    assert {one["temporality"] for one in points("running_totals")} == {CUMULATIVE}
    assert {one.get("developer") for one in points("a_client_without_attributes_on_metrics")} == {None}
    dropped = points("an_attribute_with_a_blank")
    assert {(one.get("developer"), one.get("team")) for one in dropped} == {(None, "engines")}


@pytest.mark.parametrize("name", [set_up.__name__ for set_up in HEALTHY])
def test_all_is_well(name: str, told: dict[str, Told], bench: Bench) -> None:
    one = told[name]
    assert bench.collector.counts(one.session) == ALL, one.laptop.output
    # The only cause that a busy machine has for a moment.
    answer = one.laptop.examine() if one.answer["cause"] == "slow-collector" else one.answer
    assert (answer["cause"], answer["findings"]) == ("", []), answer["verdict"]
    assert answer["verdict"].startswith("Everything looks right: metrics and events go to http")


def test_content_is_a_note_only(laptop: Laptop, bench: Bench) -> None:
    laptop.settings(**bench.http(OTEL_LOG_USER_PROMPTS="1"))
    session, answer = laptop.ask(), laptop.examine()
    assert counted(bench.collector, session, ALL) == ALL, laptop.output
    assert any(PROMPT in line for line in bench.collector.lines(session))
    assert (answer["cause"], [one["cause"] for one in answer["findings"]]) == ("", ["content-logged"])


def without_the_drop_in(laptop: Laptop, bench: Bench) -> None:
    (laptop.etc / "claude-code" / "managed-settings.d" / "10-it.json").unlink()


def executable(laptop: Laptop, bench: Bench) -> None:
    (laptop.home / "headers.sh").chmod(0o755)


def without_the_shells_endpoint(laptop: Laptop, bench: Bench) -> None:
    laptop.shell.clear()


FIXES: dict[str, SetUp] = {
    "a_comma_too_many_in_a_drop_in": without_the_drop_in,
    "a_helper_that_is_not_executable": executable,
    "the_shell_sends_metrics_elsewhere": without_the_shells_endpoint,
    "the_authority_in_the_variable_for_grpc": over_tls,
    "a_protocol_in_capitals": over_grpc,
}


@pytest.mark.parametrize("name", FIXES)
def test_the_fix_helps(name: str, told: dict[str, Told], bench: Bench) -> None:
    laptop = told[name].laptop
    FIXES[name](laptop, bench)
    session = laptop.ask()
    assert counted(bench.collector, session, ALL) == ALL, laptop.output
    assert laptop.examine()["cause"] == ""


INVENTORY = """
clients:
  hosts:
    laptop: {ansible_connection: local, ansible_python_interpreter: "{{ ansible_playbook_python }}"}
    away: {ansible_host: 127.0.0.1, ansible_port: 1}
"""


def play(laptop: Laptop, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The playbook as a person runs it, with the laptop's home."""
    inventory = laptop.write("hosts.yml", INVENTORY)
    program = str(Path(sys.executable).parent / "ansible-playbook")
    return subprocess.run(
        [program, "-i", str(inventory), "playbooks/doctor.yml", *arguments],
        cwd=COLLECTIONS.parent,
        env=laptop.environment() | {"ANSIBLE_HOME": str(laptop.root / "ansible"), "LANG": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_playbook(laptop: Laptop, bench: Bench) -> None:
    laptop.settings(**bench.http("token", OTEL_EXPORTER_OTLP_HEADERS=f"{BEARER}-not"))
    told = laptop.root / "told.json"
    done = play(laptop, "-e", f"doctor_json={told}")
    assert done.returncode == 0, done.stdout + done.stderr
    said = " ".join(done.stdout.split())
    assert f"on laptop: Metrics and events to http://127.0.0.1:{bench.collector.http['token']}" in said
    assert "the answer is 401 Unauthorized. The collector refuses the credential" in said
    assert "OTEL_EXPORTER_OTLP_HEADERS (hidden) user" in said
    assert "away: can't be reached" in said.replace("''", "'")
    assert TOKEN not in done.stdout + told.read_text()
    rows = {row["host"]: row["cause"] for row in json.loads(told.read_text())}
    assert rows == {"laptop": "auth-refused", "away": "unreachable"}
    failed = play(laptop, "-e", "doctor_fail=true", "--limit", "laptop")
    assert failed.returncode == 2 and "Broken: laptop" in failed.stdout, failed.stdout + failed.stderr


def test_the_playbook_on_a_healthy_laptop(laptop: Laptop, bench: Bench) -> None:
    laptop.settings(**bench.grpc())
    done = play(laptop, "-e", "doctor_fail=true", "--limit", "laptop", "--check")
    assert done.returncode == 0, done.stdout + done.stderr
    address = f"http://127.0.0.1:{bench.collector.grpc['plain']} (grpc)"
    assert f"on laptop: Everything looks right: metrics and events go to {address}" in " ".join(done.stdout.split())
