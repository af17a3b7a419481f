# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the scenes are played on: collectors and stores that can be configured, killed and waited for."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.request
from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from plugins.module_utils._rollups import DAY, Calendar, repair_span
from tests.tools.ledger import Store, StoreError, ask
from tests.tools.otlp import Sender
from tests.tools.programs import program

SHIPPED = "72h"
# Samples of months, which no shipped configuration accepts, and none rejects.
HISTORY = f"{75 * 24}h"
TIMEOUT = 300


class Backend(ABC):
    """`zones` are the calendars whose days are recorded side by side.

    A scene knows three names, of one program or of many: prometheus (where metrics are), loki, otel_collector.
    """

    # The shipped rules take their turns minutes to an hour apart. What they write does not depend on when, so they may
    # take them more often.
    turns = "3s"

    def __init__(self, folder: Path, zones: dict[str, Calendar]) -> None:
        self.folder, self.zones = folder, zones

    @property
    @abstractmethod
    def stores(self) -> Mapping[str, Store]:
        """Who is asked for metrics, prometheus, and for events, loki."""

    @abstractmethod
    def senders(self) -> list[Sender]:
        """One for each protocol."""

    @abstractmethod
    def configure(self, late_max: str, rules: bool) -> None:
        """As the roles do it for this lateness, with the rules or without."""

    @abstractmethod
    def start(self, *names: str) -> None:
        """Those, or all; returns when they are ready."""

    @abstractmethod
    def stop(self) -> None:
        """All, for good."""

    @abstractmethod
    def restart(self) -> None:
        """With the configuration as it is by now."""

    @abstractmethod
    def kill(self, *names: str) -> None:
        """They stay away until they are started."""

    @abstractmethod
    def record_the_past(self, first: float) -> None:
        """The repair since that moment, for each of the zones."""

    @abstractmethod
    def waiting(self) -> float:
        """How many requests are in the collectors' queues or on their way."""

    def days(self, zone: str) -> dict[str, Any]:
        """The rules that record the days of a zone, in their turns here."""
        return {"groups": [{**group, "interval": self.turns} for group in self.zones[zone].groups()]}

    def written(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def repaired(self, first: float, url: str, blocks: Path, *options: str) -> None:
        """Asks the store at this URL and writes blocks."""
        groups = [group for zone, calendar in self.zones.items() for group in calendar.repair_groups(zone)]
        rules = self.written("repair.yml", yaml.safe_dump({"groups": groups}))
        argv = [program("promtool"), "tsdb", "create-blocks-from", "rules"]
        argv += [f"--url={url}", *repair_span(int(first) - DAY), f"--output-dir={blocks}", *options, str(rules)]
        subprocess.run(argv, check=True, capture_output=True)

    def wait_until_delivered(self) -> None:
        """Until the collector's disk queues are empty and nothing of them is on its way."""
        end = time.monotonic() + TIMEOUT
        while (waiting := self.waiting()) and time.monotonic() < end:
            time.sleep(0.2)
        assert not waiting, f"still in the collector's queue: {waiting}"

    def wait_until_recorded(self) -> None:
        """Until every day has been recorded once more, and well."""
        now, end = time.time(), time.monotonic() + TIMEOUT
        while (open_rules := self._not_evaluated_since(now)) and time.monotonic() < end:
            time.sleep(0.3)
        assert not open_rules, f"not evaluated: {open_rules}"

    def _not_evaluated_since(self, moment: float) -> list[str]:
        try:
            groups = self._groups()
        except OSError as error:
            # A balancer that has nobody behind it for a moment.
            return [str(error)]
        return [
            f"{rule['name']} {rule.get('lastError', '')}"
            for group in groups
            for rule in group["rules"]
            if rule["name"].endswith(":day")
            if rule["health"] != "ok" or datetime.fromisoformat(group["lastEvaluation"]).timestamp() <= moment
        ]

    def _groups(self) -> list[dict[str, Any]]:
        """The groups of rules of metrics, as they are evaluated."""
        store = self.stores["prometheus"]
        request = urllib.request.Request(f"{store.url}/api/v1/rules", headers=dict(store.headers))
        handlers = (urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=store.tls))
        with urllib.request.build_opener(*handlers).open(request, timeout=10) as answer:
            groups: list[dict[str, Any]] = json.load(answer)["data"]["groups"]
            return groups

    def wait_until_scraped(self) -> None:
        """Until the counters of path (b) have been read once more."""
        now, end = time.time(), time.monotonic() + TIMEOUT
        while (last := self._scraped()) <= now and time.monotonic() < end:
            time.sleep(0.5)
        assert last > now, "Prometheus does not read the collector's counters"

    def _scraped(self) -> float:
        try:
            answer = ask(self.stores["prometheus"], "/api/v1/query", query='timestamp(up{job="claude-code"})')
        except StoreError:
            return 0.0
        return min((float(each["value"][1]) for each in answer), default=0.0)
