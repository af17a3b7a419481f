# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host with Mimir beside everything else, beyond loopback: played, played again, and found well by every playbook."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.tools import hosts
from tests.tools.hosts import Site, TestHost
from tests.tools.programs import CACHE

SUITE = "mimir"
HOST = TestHost("ccobs-mimir")
DEVELOPER = "ada"
BUCKET = "/var/lib/mimir/bucket/blocks/claude-code"


@dataclass(frozen=True)
class Played:
    site: Site
    folder: Path


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    folder = tmp_path_factory.mktemp("host")
    HOST.start(SUITE, "plain", f"--volume={CACHE}/mirror:/mirror:ro")
    groups = ("mimir", "prometheus", "loki", "otel_collector")
    variables = {
        "ansible_connection": "community.docker.docker",
        "ansible_python_interpreter": "/usr/bin/python3",
        "stack_runtime": "systemd",
        "stack_mirror": "file:///mirror",
        "stack_listen_address": "0.0.0.0",
        "stack_secrets_dir": str(folder / "secrets"),
    }
    children = {group: {"hosts": {HOST.name: {}}} for group in groups}
    inventory = {"claude_code_observability": {"vars": variables, "children": children}}
    (folder / "hosts.yml").write_text(yaml.safe_dump(inventory))
    site = Site(folder / "hosts.yml")
    try:
        site.play("stack")
        yield Played(site, folder)
    finally:
        hosts.clear(f"claude_code.observability.test={SUITE}", ("ps --all",))


def test_a_second_play_changes_nothing(played: Played) -> None:
    assert re.search(rf"{HOST.name} .* changed=0 ", played.site.play("stack", "--diff"))


def test_verify_finds_the_probe_in_mimir(played: Played) -> None:
    rows = played.folder / "rows.json"
    output = played.site.play("verify", "-e", f"verify_json={rows}")
    found = {row["check"]: row["result"] for row in json.loads(rows.read_text())["stack"]}
    assert found["Mimir has the probe"] == "ok", output
    assert "broken" not in found.values()


def test_status_names_it_and_asks_it(played: Played) -> None:
    status = played.folder / "status.json"
    played.site.play("status", "-e", f"status_json={status}", "-e", "status_fail=true")
    (mimir,) = [row for row in json.loads(status.read_text())["components"] if row["component"] == "mimir"]
    assert (mimir["state"], mimir["health"], mimir["encryption"]) == ("running", "ok", "tls")


def test_its_port_asks_for_a_certificate(played: Played) -> None:
    asked = HOST.sh("curl --silent --insecure https://127.0.0.1:9009/ready; echo $?", check=False)
    # It hung up, before or after it was asked.
    assert asked.splitlines()[-1] in ("55", "56")


def test_a_repair_records_in_mimir(played: Played) -> None:
    push(time.time() - 50 * 3600)

    def blocks() -> set[str]:
        return set(HOST.sh(f"find /var/lib/mimir -path '{BUCKET}/*' -prune").split())

    before = blocks()
    played.site.play("repair", "-e", "days=3")
    assert blocks() > before
    assert HOST.sh("find /var/lib/prometheus -name '*repair*'") == ""


def test_forgetting_fails_as_long_as_mimir_remembers(played: Played) -> None:
    process = played.site.begin("forget", "-e", f"developer={DEVELOPER}", "-e", "confirm=yes", "--check")
    output = process.communicate(timeout=hosts.TIMEOUT)[0]
    assert process.returncode != 0
    assert f"Mimir has 1 series of {DEVELOPER} and keeps them until mimir_retention (400d)" in " ".join(output.split())


def push(at: float) -> None:
    """A cost as the collector pushes it."""
    attributes = [{"key": "developer", "value": {"stringValue": DEVELOPER}}]
    point = {"timeUnixNano": str(int(at) * 10**9), "asDouble": 0.5, "attributes": attributes}
    metric = {"name": "claude_code.cost.usage", "unit": "USD", "gauge": {"dataPoints": [point]}}
    body = {"resourceMetrics": [{"resource": {}, "scopeMetrics": [{"scope": {}, "metrics": [metric]}]}]}
    tls = "/etc/mimir/current/tls"
    HOST.sh(
        f"curl --fail --silent --show-error --cacert {tls}/ca.pem --cert {tls}/certificate.pem --key {tls}/key.pem"
        " --header 'X-Scope-OrgID: claude-code' --header 'Content-Type: application/json'"
        f" --data '{json.dumps(body)}' https://127.0.0.1:9009/otlp/v1/metrics"
    )
