# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What answers the questions of the dashboards: a program over the month's data, Prometheus or Mimir."""

from __future__ import annotations

import importlib
import json
import shutil
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from benchmarks.month.panels import Request
from tests.tools.programs import Running, free_port, program
from tests.tools.queries import roles

TENANT = "claude-code"
COMPACTED = "cortex_compactor_last_successful_run_timestamp_seconds"
LISTED = f'cortex_bucket_index_last_successful_update_timestamp_seconds{{user="{TENANT}"}}'
SYNCED = 'cortex_bucket_stores_blocks_last_successful_sync_timestamp_seconds{component="store-gateway"}'
LOADED = 'cortex_bucket_store_blocks_loaded{component="store-gateway"}'
# What it does within an hour, within seconds; and blocks that are merged with others are gone at once.
HASTY = {
    "compactor": {"cleanup_interval": "1s", "compaction_interval": "1s", "deletion_delay": "0s"},
    "blocks_storage": {"bucket_store": {"sync_interval": "1s"}},
}
SETTLED_S = 1800


class Engine:
    """A program that answers as Prometheus does, below `url`, for as long as its block lasts."""

    name: str
    headers: Mapping[str, str] = {}

    def __init__(self, base: str, path: str, running: Running) -> None:
        self.base, self.url, self.running = base, base + path, running

    def __enter__(self) -> Self:
        self.running.start()
        return self

    def __exit__(self, *unused: object) -> None:
        self.running.stop()

    @property
    def pid(self) -> int:
        """The process that listens on the port."""
        return self.running.pid

    def ask(self, request: Request) -> list[Any]:
        """Ask once, and read the whole answer. Raises ValueError with the words of the program."""
        return parsed(self.said(request))

    def said(self, request: Request) -> bytes:
        """The text of an answer."""
        parameters = urllib.parse.urlencode({**request.parameters, "timeout": "10m"})
        path, body = f"{self.url}/api/v1/{request.path}", parameters.encode()
        if request.path.startswith("label/"):
            call = urllib.request.Request(f"{path}?{parameters}", headers=dict(self.headers))
        else:
            call = urllib.request.Request(path, body, dict(self.headers))
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(call, timeout=900) as answer:
                return bytes(answer.read())
        except urllib.error.HTTPError as error:
            raise ValueError(f"{self.name}: {error.read().decode()[:500]}\n{request}") from error

    def metric(self, name: str) -> float:
        """Of those about itself; 0 if it has none of that name."""
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(f"{self.base}/metrics") as answer:
            lines = answer.read().decode().splitlines()
        return next((float(line.split()[-1]) for line in lines if line.startswith(f"{name} ")), 0)

    def worked(self) -> float:
        """Seconds of a processor so far."""
        # The kernel's number for the processor time of a process.
        return time.clock_gettime((~self.pid << 3) | 2)


class Prometheus(Engine):
    """On a folder of blocks, with these configuration files."""

    name = "Prometheus"

    def __init__(self, data: Path, files: Mapping[str, str], work: Path, *flags: str) -> None:
        config = work / "config"
        shutil.rmtree(config, ignore_errors=True)
        _write(config, files or {"prometheus.yml": "{}"})
        address = f"127.0.0.1:{free_port()}"
        argv = (
            program("prometheus"),
            f"--config.file={config / 'prometheus.yml'}",
            f"--storage.tsdb.path={data}",
            f"--web.listen-address={address}",
            "--storage.tsdb.retention.time=400d",
            *flags,
        )
        base = f"http://{address}"
        super().__init__(base, "", Running(argv, f"{base}/-/ready", work / "prometheus.log"))

    def compact(self) -> None:
        """Waits until it has put its blocks together: it looks for some every --storage.tsdb.block-reload-interval."""
        counters = ("prometheus_tsdb_compactions_triggered_total", "prometheus_tsdb_compactions_total")
        looked, done = map(self.metric, counters)
        while True:
            time.sleep(1)
            now_looked, now_done = map(self.metric, counters)
            if now_looked >= looked + 2:
                # It has looked at all of them in between.
                if now_done == done:
                    return
                looked, done = now_looked, now_done


class Mimir(Engine):
    """As the role configures one host, with the blocks of a Prometheus and without its rules.

    It answers when its compactor has found nothing more to do and its queriers know all blocks.
    """

    name = "Mimir"

    def __init__(self, work: Path, overrides: Mapping[str, Any]) -> None:
        ports: dict[str, Any] = {name: free_port() for name in ("mimir_port", "mimir_grpc_port")}
        base = f"http://127.0.0.1:{ports['mimir_port']}"
        self.headers = {"X-Scope-OrgID": TENANT}
        self.brought = work / "brought"
        (work / "data" / "mimir" / "compactor").mkdir(parents=True, exist_ok=True)
        config = work / "config" / "mimir" / "current"
        files = roles.files(
            "mimir",
            groups={name: [roles.HOST] for name in ("all", "mimir")},
            stack_runtime="systemd",
            stack_config_dir=str(work / "config"),
            stack_data_dir=str(work / "data"),
            stack_tenant=TENANT,
            mimir_config_overrides=overrides,
            **ports,
        )
        (config / "rules").mkdir(parents=True, exist_ok=True)
        _write(config, {"config.yml": files["config.yml"]})
        argv = (program("mimir"), f"-config.file={config / 'config.yml'}")
        super().__init__(base, "/prometheus", Running(argv, f"{base}/ready", work / "mimir.log"))

    @classmethod
    def of(cls, data: Path, work: Path) -> Mimir:
        """With the blocks of that folder, brought once as `make migrate` brings them."""
        if not (work / "brought").exists():
            shutil.rmtree(work, ignore_errors=True)
            with cls(work, HASTY) as hasty:
                hasty._bring(data)
            hasty.brought.touch()
        return cls(work, {})

    def __enter__(self) -> Self:
        began = time.time()
        super().__enter__()
        if self.brought.exists():
            for moment in (COMPACTED, LISTED):
                self._settle(began, moment)
            # A list that was just being written is read once more after a quarter of an hour.
            self._settle(0, LOADED)
        return self

    def _bring(self, data: Path) -> None:
        # Only now the collection can be imported: the roles' files were made before.
        package = "ansible_collections.claude_code.observability.plugins.module_utils"
        blocks, tls = (importlib.import_module(f"{package}.{name}") for name in ("_mimir_blocks", "_tls"))
        outcome = blocks.bring(blocks.Mimir(self.base, self.headers, tls.Access(), 600), data, False)
        if outcome.refused:
            sys.exit(f"not in Mimir: {'; '.join(outcome.refused)}")
        # The first run may have begun before the last block was there.
        self._settle(time.time(), COMPACTED, COMPACTED, LISTED, SYNCED)

    def _settle(self, since: float, *moments: str) -> None:
        """Waits for each of these to be more than that, and then later than the one before."""
        end = time.monotonic() + SETTLED_S
        for moment in moments:
            while self.metric(moment) <= since:
                if time.monotonic() > end:
                    sys.exit(f"Mimir: {moment} is not after {since:.0f}")
                time.sleep(0.5)
            since = time.time()


def parsed(body: bytes) -> list[Any]:
    """What came: label values, or rows."""
    data = json.loads(body)["data"]
    return list(data if isinstance(data, list) else data["result"])


def _write(folder: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
