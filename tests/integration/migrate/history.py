# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Prometheus with weeks of history of every kind, and an empty Mimir as the role configures it."""

from __future__ import annotations

import json
import random
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ansible_collections.claude_code.observability.plugins.module_utils._query import PROMETHEUS_SPEC, prometheus

from tests.tools.ledger import Store, ask
from tests.tools.otlp import HttpSender
from tests.tools.programs import Running, free_port, program
from tests.tools.queries import roles

HOST = "stack"
TENANT = "business-unit"
DAY = 86400
WEEKS = 5
PATIENCE = 150
# How Mimir shows what was uploaded within seconds. Its rules would ask before there is any block, and for a minute it
# remembers that there is none.
AT_ONCE = {
    "compactor": {"cleanup_interval": "1s"},
    "blocks_storage": {"bucket_store": {"sync_interval": "1s"}},
}
# As the playbook starts Prometheus, so that late samples in memory become blocks.
MAINTENANCE = [
    "--web.enable-admin-api",
    "--storage.tsdb.min-block-duration=3600s",
    "--storage.tsdb.max-block-duration=3600s",
]
TOTALS = {
    "tokens": "claude_code_token_usage_tokens",
    "cost": "claude_code_cost_usage_USD",
    "sessions": "claude_code_session_count",
}


class History:
    """`started` is when its last sample came."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.random = folder, random.Random(8)
        self.started = int(time.time())
        self.data = folder / "data" / "prometheus"
        (folder / "no-rules").mkdir()
        ports = {name: free_port() for name in ("prometheus_port", "mimir_port", "mimir_grpc_port")}
        self.prometheus, self.mimir = (f"http://127.0.0.1:{ports[name]}" for name in ("prometheus_port", "mimir_port"))
        self.headers = {"X-Scope-OrgID": TENANT}
        variables: dict[str, Any] = {
            "groups": {name: [HOST] for name in ("all", "mimir")},
            "stack_runtime": "systemd",
            "stack_config_dir": str(folder / "config"),
            "stack_data_dir": str(folder / "data"),
            "stack_late_max": "72h",
            "stack_utc_offset": "Z",
            "stack_tenant": TENANT,
            "mimir_config_overrides": {**AT_ONCE, "ruler_storage": {"local": {"directory": f"{folder}/no-rules"}}},
            **ports,
        }
        alone = {**variables, "groups": {name: [HOST] for name in ("all", "prometheus")}}
        self.programs = {
            "prometheus": Running(
                [
                    program("prometheus"),
                    f"--config.file={self._written('prometheus', alone)}/prometheus.yml",
                    f"--storage.tsdb.path={self.data}",
                    f"--web.listen-address={self.prometheus.rpartition('/')[2]}",
                    "--web.enable-otlp-receiver",
                    *MAINTENANCE,
                ],
                f"{self.prometheus}/-/ready",
                folder / "prometheus.log",
            ),
            "mimir": Running(
                [program("mimir"), f"-config.file={self._written('mimir', variables)}/config.yml"],
                f"{self.mimir}/ready",
                folder / "mimir.log",
            ),
        }

    def _written(self, role: str, variables: dict[str, Any]) -> Path:
        (self.folder / "data" / role / "compactor").mkdir(parents=True)
        return roles.write(self.folder / "config" / role / "current", role, **variables)

    def start(self) -> None:
        """Weeks in long blocks, late ones over them in shorter ones, and a memory with late samples in it."""
        midnight = self.started // DAY * DAY
        begin = midnight - WEEKS * 7 * DAY
        self._blocks("486h", list(self._samples(begin, self.started - 4 * 3600, 1200)))
        late = list(self._samples(begin + 9 * DAY, self.started - 8 * 3600, 7200))
        # The same samples in two blocks count once.
        self._blocks("54h", late)
        self._blocks("18h", late[len(late) // 2 :])
        for running in self.programs.values():
            running.start()
        sender = HttpSender(f"{self.prometheus}/api/v1/otlp")
        for age in (7100, 6000, 4000, 1500, 1, 30 * 3600, 50 * 3600, 71 * 3600):
            self._push(sender, self.started - age)

    def _samples(self, begin: int, end: int, pause: int) -> Iterator[str]:
        """Samples of some sessions in OpenMetrics, now and then right at midnight."""
        for total, series in TOTALS.items():
            for session in range(12):
                labels = f'session_id="s{session}",developer="d{session % 5}",team="t{session % 2}",start_type="fresh"'
                moment = begin * 1000 + session
                while moment < end * 1000:
                    value = self.random.random() if total == "cost" else self.random.randrange(1, 5000)
                    yield f"{series}{{{labels}}} {value} {moment / 1000:.3f}\n"
                    if self.random.random() < 0.01:
                        moment = (moment // 1000 // DAY + 1) * DAY * 1000
                    else:
                        moment += self.random.randrange(1, 2 * pause * 1000)

    def _blocks(self, length: str, lines: list[str]) -> None:
        """Makes blocks of these, not longer than `length`."""
        source = self.folder / "samples.txt"
        heads = {series: f"# TYPE {series} unknown\n" for series in TOTALS.values()}
        with source.open("w") as file:
            for series, head in heads.items():
                file.writelines([head, *(line for line in lines if line.startswith(f"{series}{{"))])
            file.write("# EOF\n")
        argv = [program("promtool"), "tsdb", "create-blocks-from", "openmetrics", f"--max-block-duration={length}"]
        subprocess.run([*argv, source, self.data], check=True, capture_output=True, timeout=PATIENCE)

    def _push(self, sender: HttpSender, moment: int) -> None:
        point = {
            "timeUnixNano": str(moment * 10**9),
            "asInt": "7",
            "attributes": [{"key": "session.id", "value": {"stringValue": "pushed"}}],
        }
        metric = {
            "name": "claude_code.token.usage",
            "unit": "tokens",
            "gauge": {"dataPoints": [point]},
        }
        sender.send("metrics", {"resourceMetrics": [{"scopeMetrics": [{"metrics": [metric]}]}]})

    def stop(self) -> None:
        for running in self.programs.values():
            running.kill()

    def snapshot(self) -> Path:
        """A snapshot of Prometheus, once its memory has become blocks."""
        end = time.monotonic() + PATIENCE
        compacted = "prometheus_tsdb_compactions_total 0"
        while compacted in self._get(self.prometheus, "/metrics") and time.monotonic() < end:
            time.sleep(1)
        answer = self._get(self.prometheus, "/api/v1/admin/tsdb/snapshot", method="POST")
        return self.data / "snapshots" / json.loads(answer)["data"]["name"]

    def _get(self, url: str, path: str, method: str = "GET") -> str:
        request = urllib.request.Request(url + path, headers=self.headers, method=method)
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60) as answer:
            return str(answer.read().decode())

    def totals(self, url: str, total: str, utc_offset: str) -> dict[str, float]:
        """A total by day, as prometheus_query gives it."""
        midnight = self.started // DAY * DAY
        first, last = (
            time.strftime("%Y-%m-%d", time.gmtime(moment))
            for moment in (midnight - (WEEKS * 7 + 1) * DAY, midnight + 2 * DAY)
        )
        asked = {
            **{name: option.get("default") for name, option in PROMETHEUS_SPEC.items()},
            "url": url,
            "headers": self.headers,
            "timeout": 120,
            "total": total,
            "source": "samples",
            "utc_offset": utc_offset,
            "start": first,
            "end": last,
            "step": "1d",
        }
        return {row["time"]: row["value"] for row in prometheus(asked, time.time())["rows"] if row["value"]}

    def value(self, url: str, query: str) -> float:
        rows = ask(Store(url, headers=tuple(self.headers.items())), "/api/v1/query", query=query)
        return float(rows[0]["value"][1])

    def wait_until_shown(self) -> None:
        """Until queries see all that is there now. To ask before would be remembered as that there is nothing."""
        index = f'cortex_bucket_index_last_successful_update_timestamp_seconds{{user="{TENANT}"}}'
        sync = 'cortex_bucket_stores_blocks_last_successful_sync_timestamp_seconds{component="store-gateway"}'
        now, end = time.time() + 1, time.monotonic() + PATIENCE
        # What was begun before the list was there may end after it.
        for metric in (index, sync, sync):
            while self._metric(metric) <= now:
                assert time.monotonic() < end, metric
                time.sleep(0.5)
            now = time.time()

    def _metric(self, name: str) -> float:
        lines = self._get(self.mimir, "/metrics").splitlines()
        return next((float(line.split()[-1]) for line in lines if line.startswith(f"{name} ")), 0)
