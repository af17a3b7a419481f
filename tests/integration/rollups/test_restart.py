# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Prometheus holds in its write-ahead log only is still there after a restart, whatever its blocks say."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.request
from pathlib import Path

from tests.tools.ledger import ask
from tests.tools.programs import Running, free_port, program
from tests.tools.queries.vocabulary import ROOT

GUARD = ROOT / "roles" / "prometheus" / "files" / "keep-unwritten-samples.sh"
SERIES = "in_the_log"


def test_a_merged_block_of_late_samples_hides_nothing(tmp_path: Path) -> None:
    data, config, port, now = tmp_path / "data", tmp_path / "prometheus.yml", free_port(), int(time.time())
    url = f"http://127.0.0.1:{port}"
    config.write_text("{}")
    prometheus = Running(
        [
            program("prometheus"),
            f"--config.file={config}",
            f"--storage.tsdb.path={data}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--web.enable-otlp-receiver",
        ],
        f"{url}/-/ready",
        tmp_path / "log",
    )

    def found() -> list[str]:
        return [each["value"][1] for each in ask(url, "/api/v1/query", query=f"sum_over_time({SERIES}[1h])")]

    def merged_blocks() -> list[Path]:
        return [meta for meta in data.glob("*/meta.json") if '"level": 2,' in meta.read_text()]

    try:
        prometheus.start()
        push(url, now - 300)
        assert found() == ["7"]
        prometheus.stop()
        lines = [f"late 1 {at}" for at in range(now - 900, now - 60, 60)]
        (tmp_path / "late").write_text("\n".join(["# TYPE late gauge", *lines, "# EOF", ""]))
        argv = [program("promtool"), "tsdb", "create-blocks-from", "openmetrics", str(tmp_path / "late"), str(data)]
        subprocess.run(argv, check=True, capture_output=True)
        for meta in data.glob("*/meta.json"):
            meta.write_text(meta.read_text().replace('"level": 1,', '"level": 2,'))
        assert merged_blocks()

        prometheus.start()
        assert found() == [], "Prometheus needs the guard no more"
        prometheus.stop()
        for _ in range(2):
            subprocess.run(["/bin/sh", str(GUARD), str(data)], check=True)
        assert all(
            json.loads(meta.read_text())["compaction"]["hints"] == ["from-out-of-order"] for meta in merged_blocks()
        )
        prometheus.start()
        assert found() == ["7"]
    finally:
        prometheus.stop()


def test_a_storage_without_blocks_is_no_error(tmp_path: Path) -> None:
    subprocess.run(["/bin/sh", str(GUARD), str(tmp_path)], check=True)


def push(url: str, at: int) -> None:
    point = {"timeUnixNano": str(at * 10**9), "asInt": "7"}
    metric = {"name": SERIES, "gauge": {"dataPoints": [point]}}
    body = {"resourceMetrics": [{"resource": {}, "scopeMetrics": [{"scope": {}, "metrics": [metric]}]}]}
    request = urllib.request.Request(
        f"{url}/api/v1/otlp/v1/metrics", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10) as answer:
        assert answer.status == 200
