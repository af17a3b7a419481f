# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook records days that no rule has recorded, in either runtime, while Prometheus runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dashboards.queries import TOKENS
from plugins.module_utils._rollups import DAY, REPAIR_BLOCK, Calendar
from tests.tools.programs import CACHE

ROOT = Path(__file__).parents[3]
OFFSET = "+09:00"
USED = {20: 2000, 10: 300, 2: 40}
TOTAL = "sum(sum_over_time(<<days team:claude_code_tokens:day>>[30d:1d] <<midnight>>))"
# Prometheus looks for new blocks every minute.
SERVED_WITHIN = 120
INVENTORY = """---
claude_code_observability:
  vars:
    ansible_connection: community.docker.docker
    ansible_python_interpreter: /usr/bin/python3
    stack_runtime: {runtime}
    stack_mirror: file:///mirror
    stack_utc_offset: "{offset}"
  children:
    prometheus: {{hosts: {{{host}: {{}}}}}}
"""
PROMTOOL = {
    "docker": "docker exec --interactive prometheus promtool",
    "systemd": "runuser --user prometheus -- /opt/prometheus/*/promtool",
}


class Host:
    """A test host with Prometheus alone."""

    def __init__(self, runtime: str, folder: Path) -> None:
        self.name, self.runtime = f"ccobs-rollups-{runtime}", runtime
        self.inventory = folder / "hosts.yml"
        self.inventory.write_text(INVENTORY.format(runtime=runtime, offset=OFFSET, host=self.name))

    def sh(self, script: str, text: str = "") -> str:
        argv = ["docker", "exec", "--interactive", self.name, "sh", "-c", script]
        done = subprocess.run(argv, input=text, capture_output=True, text=True)
        assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"
        return done.stdout

    def play(self, name: str, *options: str) -> None:
        environment = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")}
        argv = [f"{Path(sys.executable).parent}/ansible-playbook", "-i", str(self.inventory), f"playbooks/{name}.yml"]
        argv += options
        done = subprocess.run(argv, cwd=ROOT, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr

    def total(self, expression: str) -> int:
        query = Calendar.of("72h", OFFSET).expand(expression)
        url = "http://127.0.0.1:9090/api/v1/query"
        answer = json.loads(self.sh(f"curl --silent --fail --get {url} --data-urlencode query@-", query))
        return sum(int(series["value"][1]) for series in answer["data"]["result"])

    def wait_for(self, expression: str, expected: int) -> None:
        end = time.monotonic() + SERVED_WITHIN
        while (found := self.total(expression)) != expected and time.monotonic() < end:
            time.sleep(1)
        assert found == expected


@pytest.fixture(params=["systemd", "docker"])
def host(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Host]:
    host = Host(request.param, tmp_path)
    kind = "docker" if host.runtime == "docker" else "plain"
    mirror = f"--volume={CACHE}/mirror:/mirror:ro"
    try:
        subprocess.run([f"{ROOT}/tests/hosts/run", host.name, "rollups", kind, mirror], check=True)
        if host.runtime == "docker":
            host.sh("for i in /mirror/images/prometheus-*.tar; do docker load --quiet --input $i || exit 1; done")
        host.play("stack")
        yield host
    finally:
        subprocess.run(["docker", "rm", "--force", "--volumes", host.name], capture_output=True)


@pytest.mark.one_runtime
def test_days_are_recorded_anew(host: Host) -> None:
    now = int(time.time())
    samples = [f'{TOKENS}{{session_id="s"}} {value} {now - age * DAY}' for age, value in USED.items()]
    host.sh("cat >/var/lib/prometheus/raw", "\n".join([f"# TYPE {TOKENS} gauge", *samples, "# EOF", ""]))
    create = "tsdb create-blocks-from openmetrics /var/lib/prometheus/raw /var/lib/prometheus"
    host.sh(f"{PROMTOOL[host.runtime]} {create}")
    host.wait_for(f"sum(sum_over_time({TOKENS}[30d]))", sum(USED.values()))
    # The day before yesterday is open: the rules of the stack may have recorded it by now.
    assert host.total(TOTAL) in (0, USED[2])
    # A moment at which the first evaluation may come after the end of the first block.
    days = next(days for days in range(31, 58) if (days * DAY - now) % REPAIR_BLOCK < 6 * 3600)
    for _ in range(2):
        host.play("repair", "-e", f"days={days}")
        host.wait_for(TOTAL, sum(USED.values()))
    assert "repair.yml" not in host.sh("ls /var/lib/prometheus")
