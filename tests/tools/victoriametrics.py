# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The real VictoriaMetrics and vmalert, from their Go modules, with the flags of docs/victoriametrics.md."""

from __future__ import annotations

import re
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from tests.tools.go_tools import go_tool
from tests.tools.ledger import Store
from tests.tools.programs import Running, free_port

# The newest line that Go 1.26 builds.
VERSION = "1.148.9"
MODULE = "github.com/VictoriaMetrics/VictoriaMetrics/app"
PAGE = Path(__file__).parents[2] / "docs" / "victoriametrics.md"
CONFIG, DATA = "/etc/victoriametrics", "/var/lib/victoriametrics"
STORE, RULER = "http://localhost:8428", "http://localhost:8880"


def flags(program: str) -> list[str]:
    """As the page has them."""
    command = re.search(rf"(?m)^ +{program} ((?:.*\\\n)*.*)", PAGE.read_text(encoding="utf-8"))
    assert command
    return re.findall(r"-\S+", command[1])


def name_of(flag: str) -> str:
    return flag.partition("=")[0]


def moved(flag: str, places: Mapping[str, str]) -> str:
    """With other places than on the page."""
    for there, here in places.items():
        flag = flag.replace(there, here)
    return flag


class VictoriaMetrics(Running):
    """With the configuration in `config`. `instead`: other flags, by name; None leaves one out."""

    def __init__(self, folder: Path, config: Path, instead: Mapping[str, str | None] | None = None) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.otlp = f"{self.url}/opentelemetry"
        self.store = Store(self.url)
        self.vmalert = Vmalert(folder, config, self.url)
        wanted = {name_of(flag): flag for flag in flags("victoria-metrics")}
        for name, value in (instead or {}).items():
            wanted[name] = "" if value is None else f"{name}={value}"
        here = {CONFIG: str(config), DATA: str(folder / "victoriametrics"), RULER: self.vmalert.url}
        argv = [f"-httpListenAddr=127.0.0.1:{port}", *(moved(flag, here) for flag in wanted.values() if flag)]
        program = go_tool(f"{MODULE}/victoria-metrics", VERSION)
        super().__init__([program, *argv], f"{self.url}/health", folder / "victoriametrics.log")

    def take(self, samples: str) -> None:
        """As lines of a scrape, each with its time in milliseconds."""
        self._ask("/api/v1/import/prometheus", samples.encode())
        self.show()

    def show(self) -> None:
        """What came is found at once, instead of within seconds. It is no more on disk than before."""
        self._ask("/internal/force_flush")

    def _ask(self, path: str, body: bytes | None = None) -> None:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        opener.open(self.url + path, body, timeout=30).close()


class Vmalert(Running):
    """Evaluates the rules in `config` on a store. It notifies nobody."""

    def __init__(self, folder: Path, config: Path, store: str) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        here = {CONFIG: str(config), STORE: store}
        kept = [moved(flag, here) for flag in flags("vmalert") if name_of(flag) != "-notifier.url"]
        program = go_tool(f"{MODULE}/vmalert", VERSION)
        argv = [program, f"-httpListenAddr=127.0.0.1:{port}", "-notifier.blackhole", *kept]
        super().__init__(argv, f"{self.url}/health", folder / "vmalert.log")
