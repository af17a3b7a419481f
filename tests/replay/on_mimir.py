# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The same with Mimir for the metrics. Prometheus scrapes, and writes what it scraped to Mimir."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from plugins.module_utils._rollups import Calendar
from tests.replay.mimir_past import HEADERS, LOOK_OFTEN, TENANT, record_in_mimir
from tests.replay.stack import Stack
from tests.tools.ledger import Store
from tests.tools.queries.roles import HOST


class OnMimir(Stack):
    members: Mapping[str, tuple[str, ...]] = {**Stack.members, "prometheus": ("mimir", "prometheus")}
    rules = f"mimir/current/rules/{TENANT}"
    turns = "10s"

    def __init__(self, folder: Path, zones: dict[str, Calendar]) -> None:
        super().__init__(folder, zones)
        self.variables |= {
            "groups": {name: [HOST] for name in ("all", "otel_collector", "prometheus", "loki", "mimir")},
            "stack_utc_offset": "Z",
            "stack_tenant": TENANT,
            "mimir_config_overrides": LOOK_OFTEN,
        }
        (folder / "config" / self.rules).mkdir(parents=True)
        (folder / "data" / "mimir" / "compactor").mkdir()

    @property
    def stores(self) -> Mapping[str, Store]:
        mimir = Store(f"{self.url('mimir_port')}/prometheus", headers=tuple(HEADERS.items()))
        return {**super().stores, "prometheus": mimir}

    def start(self, *names: str) -> None:
        super().start(*names)
        if not names:
            # The past comes late, as to a Mimir at work.
            self.wait_until_scraped()

    def record_the_past(self, first: float) -> None:
        record_in_mimir(self, first, self.url("mimir_port"))
