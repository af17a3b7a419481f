# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Loki with events in files goes on in an object store from a day on, and finds both."""

from __future__ import annotations

import json
import shutil
import sys
import time
import urllib.request
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[3]))

from tests.tools import s3
from tests.tools.ledger import Loki
from tests.tools.programs import Running, free_port, program
from tests.tools.queries import roles

BUCKET = "events"


def push(url: str, moment: float, *numbers: int) -> None:
    values = [[str(int(moment * 1e9) + number), f"event {number}"] for number in numbers]
    body = {"streams": [{"stream": {"service_name": "claude-code"}, "values": values}]}
    post(f"{url}/loki/api/v1/push", json.dumps(body).encode())


def post(url: str, body: bytes = b"") -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    opener.open(urllib.request.Request(url, body, {"Content-Type": "application/json"}), timeout=60).close()


def test_a_move_keeps_what_was_before(tmp_path: Path) -> None:
    port = free_port()
    url, data = f"http://127.0.0.1:{port}", tmp_path / "loki"
    variables: dict[str, Any] = {
        "stack_runtime": "systemd",
        "stack_utc_offset": "Z",
        "stack_data_dir": str(tmp_path),
        "loki_port": port,
        "loki_grpc_port": free_port(),
        "loki_config_overrides": {"ruler": {"remote_write": {"enabled": False}}},
    }
    access, secret = s3.CREDENTIALS.values()
    now = time.time()
    today = datetime.fromtimestamp(now, timezone.utc).strftime("%Y-%m-%d")
    midnight = datetime.fromisoformat(f"{today}T00:00:00+00:00").timestamp()
    with s3.served(tmp_path) as server:
        (server.directory / BUCKET).mkdir()
        moved: dict[str, Any] = {
            "loki_s3_endpoint": server.url,
            "loki_s3_bucket": BUCKET,
            "loki_s3_access_key": access,
            "loki_s3_secret_key": secret,
            "loki_s3_from": today,
        }
        config = tmp_path / "config.yml"
        data.mkdir()
        loki = Running([program("loki"), f"-config.file={config}"], f"{url}/ready", tmp_path / "loki.log")
        credentials = tmp_path / "credentials"
        credentials.write_text(roles.files("loki", kind="secrets", **variables, **moved)["s3/credentials"])
        loki.environment = {"AWS_SHARED_CREDENTIALS_FILE": str(credentials)}
        try:
            config.write_text(roles.files("loki", **variables)["config.yml"])
            loki.start()
            push(url, midnight - 7200, 1, 2, 3)
            loki.stop()
            # These are in files alone; another one is in the log alone.
            shutil.rmtree(data / "wal")
            loki.start()
            push(url, midnight - 3600, 4)
            loki.kill()
            config.write_text(roles.files("loki", **variables, **moved)["config.yml"])
            loki.start()
            push(url, midnight - 1800, 5)
            push(url, max(now - 60, midnight), 6, 7)
            for stored in (False, True):
                if stored:
                    post(f"{url}/flush")
                    loki.stop()
                    loki.start()
                counted = Loki(url).query('sum(count_over_time({service_name="claude-code"}[48h]))')
                assert [each["value"][1] for each in counted] == ["7"]
            assert any(name.startswith("fake/") for name in server.files(BUCKET))
            assert any((data / "chunks" / "fake").iterdir())
        finally:
            loki.kill()
