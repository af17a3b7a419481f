# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the programs of the stack say of themselves, as their Prometheus has it: metrics, types, and labels.

    python -m tests.tools.stack_metrics --prometheus http://127.0.0.1:9090     adds what is new to the committed list

Many counters exist only after what they count has happened, so the list only grows. With another version of a program,
delete that program's part first. After faults made on purpose, --rare keeps what is new apart: a healthy stack need not
say it.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
import urllib.parse
import urllib.request
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import yaml

FILE = Path(__file__).parents[2] / "dashboards" / "stack_metrics.yml"
HEAD = """\
---
# What the stack's own programs say of themselves, as Prometheus stores it; `labels` beside job and instance. Written by
# tests/tools/stack_metrics.py. `rare`: what they say only after a fault or with other settings.
"""
# By the job of their scrape. What every Go program says of its runtime is left out.
JOBS = ("otel-collector", "prometheus", "disk", "loki")
BORING = re.compile(r"(go|scrape)_.*")
# What an older version of a program said may still be in the store.
RECENT = 300
PARTS = re.compile(r"(.+)_(bucket|sum|count)")

Family = dict[str, Any]
Programs = dict[str, dict[str, Family]]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--prometheus", required=True, metavar="URL")
    parser.add_argument("--rare", action="store_true", help="what is new exists only after a fault")
    options = parser.parse_args()
    known = yaml.safe_load(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}
    FILE.write_text(text(merged(known, seen(options.prometheus), rare=options.rare)), encoding="utf-8")
    return 0


def seen(prometheus: str) -> Programs:
    """By program and family, as Prometheus answers."""
    types = _ask(prometheus, "metadata", {})
    found: Programs = {job: {} for job in JOBS}
    scraped = {"match[]": f'{{job=~"{"|".join(JOBS)}"}}', "start": str(time.time() - RECENT)}
    for series in _ask(prometheus, "series", scraped):
        name = series["__name__"]
        part = PARTS.fullmatch(name)
        family = part[1] if part and part[1] in types else name
        if BORING.fullmatch(family):
            continue
        # OpenMetrics names a counter's family without the ending.
        described = types.get(family) or types.get(family.removesuffix("_total")) or [{"type": "unknown"}]
        kind = described[0]["type"]
        labels = set(series) - {"__name__", "job", "instance"} - ({"le"} if kind == "histogram" else set())
        entry = found[series["job"]].setdefault(family, {"type": kind, "labels": []})
        entry["labels"] = sorted({*entry["labels"], *labels})
    return found


def merged(known: dict[str, Any], new: Programs, *, rare: bool = False) -> dict[str, Any]:
    """Both, with the labels of both. What a healthy program is now seen to say is no longer rare."""
    usual: Programs = {job: dict(families) for job, families in (known.get("programs") or {}).items()}
    unusual: Programs = {job: dict(families) for job, families in (known.get("rare") or {}).items()}
    for job, families in new.items():
        for name, family in families.items():
            before = unusual.get(job, {}).pop(name, None) or usual.get(job, {}).get(name, {})
            labels = sorted({*family["labels"], *before.get("labels", [])})
            part = unusual if rare and name not in usual.get(job, {}) else usual
            part.setdefault(job, {})[name] = {"type": family["type"], "labels": labels}
    return {"seen": datetime.now(timezone.utc).date(), "programs": usual, "rare": unusual}


def text(content: dict[str, Any]) -> str:
    """The file: a line for each family."""
    lines = [f"seen: {content['seen']}"]
    for part in ("programs", "rare"):
        lines.append(f"{part}:")
        for job, families in sorted(content[part].items()):
            lines.append(f"  {job}:")
            for name, family in sorted(families.items()):
                labels = f", labels: [{', '.join(family['labels'])}]" if family.get("labels") else ""
                lines.append(f"    {name}: {{type: {family['type']}{labels}}}")
    return HEAD + "\n".join(lines) + "\n"


def _ask(prometheus: str, path: str, parameters: dict[str, str]) -> Any:
    url = f"{prometheus.rstrip('/')}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=30) as answer:
        return json.load(answer)["data"]


if __name__ == "__main__":
    sys.exit(main())
