# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Records the days of the past in Mimir, as playbooks/repair.yml does, and waits until it shows them."""

from __future__ import annotations

import math
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.claude_code.observability.plugins.module_utils._mimir_blocks import Mimir, bring
from ansible_collections.claude_code.observability.plugins.module_utils._tls import Access

from plugins.module_utils._rollups import DAY, REPAIR_BLOCK, TABLE, Calendar, Rollup
from tests.replay.backend import Backend
from tests.tools.hosts import wait
from tests.tools.ledger import Store, StoreError, ask
from tests.tools.programs import program

TENANT = "claude-code"
HEADERS = {"X-Scope-OrgID": TENANT}
# Mimir looks for new blocks every quarter of an hour, and shows them then.
LOOK_OFTEN = {
    "compactor": {"cleanup_interval": "15s"},
    "blocks_storage": {"bucket_store": {"sync_interval": "15s"}},
}
PATIENCE = 1800


def record_in_mimir(backend: Backend, first: float, url: str, access: Access | None = None) -> None:
    """`url` is Mimir's own; backend.stores says where it answers queries."""
    access = access or Access()
    store = backend.stores["prometheus"]
    client: dict[str, Any] = {"http_headers": {name: {"values": [value]} for name, value in HEADERS.items()}}
    if access.ca_path:
        keys = {"ca_file": access.ca_path, "cert_file": access.client_cert, "key_file": access.client_key}
        client["tls_config"] = keys
    config = backend.written("repair-client.yml", yaml.safe_dump(client))
    blocks = backend.folder / "repair"
    backend.repaired(first, store.url, blocks, f"--http.config.file={config}")
    outcome = bring(Mimir(url, HEADERS, access), merged(blocks), False)
    assert outcome.uploaded and not outcome.refused, outcome
    past = int((time.time() - first) // DAY) + 1
    wait("Mimir shows the days", lambda: shown(store, backend.zones.values(), past), PATIENCE)


def merged(blocks: Path) -> Path:
    """The same in a few blocks.

    promtool writes one for each rule and week: for three zones 400, and 3,000 when they are cut by the day. Mimir looks
    at one after another, which takes half an hour on a busy machine.
    """
    text, target = blocks.with_suffix(".txt"), blocks.with_name("merged")
    # promtool reads a whole Prometheus.
    (blocks / "wal").mkdir()
    with text.open("wb") as file:
        subprocess.run([program("promtool"), "tsdb", "dump-openmetrics", str(blocks)], stdout=file, check=True)
    argv = [program("promtool"), "tsdb", "create-blocks-from", f"--max-block-duration={REPAIR_BLOCK}s", "openmetrics"]
    subprocess.run([*argv, str(text), str(target)], check=True, capture_output=True)
    return target


def shown(store: Store, zones: Iterable[Calendar], past: int) -> bool:
    """Whether the sums of the days add up to those of the samples, for this many days before today."""

    def total(query: str) -> float:
        answer = ask(store, "/api/v1/query", query=f"sum(sum_over_time({query}))")
        return float(answer[0]["value"][1]) if answer else 0.0

    def same(rollup: Rollup, zone: Calendar) -> bool:
        days = zone.expand(f"(<<days by () {rollup.by_team}>>)[{past}d:1d] <<midnight>>")
        return math.isclose(total(days), total(f"{rollup.series}[{past}d]"))

    try:
        return all(same(rollup, zone) for zone in zones for rollup in TABLE)
    except StoreError:
        # Mimir knows of a block that it has not yet read.
        return False
