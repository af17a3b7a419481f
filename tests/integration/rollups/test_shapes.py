# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The expressions of the dashboards over whole days give exactly what was used on them, in a real Prometheus.

Seventy days of samples, written into blocks, and the days recorded by the rules of a repair. Every range and step is
asked as it comes from Grafana: of whole days or not, ending at a boundary, just beside it, or now.
"""

from __future__ import annotations

import itertools
import random
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from dashboards.queries import TOKENS, Metric
from plugins.module_utils._rollups import DAY, REPAIR_BLOCK, Calendar, repair_span
from tests.tools.ledger import ask
from tests.tools.programs import Running, free_port, program

ZONES = {name: Calendar.of("72h", name) for name in ("Z", "+09:00", "-08:00", "+05:30")}
DAYS = 70
Sample = tuple[int, str, int]


class Store:
    """A Prometheus that holds the samples and the recorded days of all zones."""

    def __init__(self, folder: Path, samples: list[Sample], now: int) -> None:
        self.samples, self.now = samples, now
        self.data = folder / "data"
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        config = folder / "prometheus.yml"
        config.write_text("{}")
        self.running = Running(
            [
                program("prometheus"),
                f"--config.file={config}",
                f"--storage.tsdb.path={self.data}",
                "--storage.tsdb.retention.time=400d",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            f"{self.url}/-/ready",
            folder / "log",
        )
        lines = [f'{TOKENS}{{team="{team}",developer="{team}1"}} {value} {at}' for at, team, value in samples]
        raw = folder / "raw"
        raw.write_text("\n".join([f"# TYPE {TOKENS} gauge", *lines, "# EOF", ""]))
        self.promtool("--max-block-duration=500h", "openmetrics", str(raw), str(self.data))
        self.running.start()
        rules = folder / "rules.yml"
        groups = [group for name, calendar in ZONES.items() for group in calendar.repair_groups(name)]
        rules.write_text(yaml.safe_dump({"groups": groups}))
        # The worst moment: just before a block ends, and the first evaluation comes after it.
        first = (now - (DAYS + 1) * DAY) // REPAIR_BLOCK * REPAIR_BLOCK - 1
        past = [*repair_span(first), f"--end={now}"]
        self.promtool("rules", f"--url={self.url}", *past, f"--output-dir={self.data}", str(rules))
        self.running.stop()
        self.running.start()

    def promtool(self, *arguments: str) -> None:
        argv = [program("promtool"), "tsdb", "create-blocks-from", *arguments]
        subprocess.run(argv, check=True, capture_output=True)

    def instant(self, query: str, at: int) -> Counter[str]:
        answer = ask(self.url, "/api/v1/query", query=query, time=str(at))
        return Counter({series["metric"]["team"]: int(series["value"][1]) for series in answer})

    def bars(self, query: str, start: int, end: int, step: int) -> Counter[tuple[int, str]]:
        span = {"start": str(start), "end": str(end), "step": str(step)}
        answer = ask(self.url, "/api/v1/query_range", query=query, **span)
        return Counter(
            {(at, series["metric"]["team"]): int(value) for series in answer for at, value in series["values"]}
        )

    def used(self, calendar: Calendar, start: int, end: int) -> Counter[str]:
        """What was used on the days that begin in [start, end). A day holds its last moment, not its first."""
        used: Counter[str] = Counter()
        for at, team, value in self.samples:
            begin = (at + calendar.utc_offset - 1) // DAY * DAY - calendar.utc_offset
            if start <= begin < end:
                used[team] += value
        return used


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    now = int(time.time())
    draw = random.Random(4)
    moments = {now - draw.randrange(3600, DAYS * DAY) for _ in range(400)}
    # On the boundaries, and just beside them, is where a day is gained or lost.
    for calendar in ZONES.values():
        midnight = now // DAY * DAY - calendar.utc_offset
        moments |= {midnight - days * DAY + beside for days in range(2, 40, 3) for beside in (-1, 0, 1)}
    samples = [(at, draw.choice("ab"), draw.randrange(1, 1000)) for at in sorted(moments)]
    store = Store(tmp_path_factory.mktemp("store"), samples, now)
    yield store
    store.running.stop()


def as_asked(shape: Callable[[Metric], str], calendar: Calendar, seconds: int) -> str:
    query = calendar.expand(shape(Metric(TOKENS)))
    for name, value in {
        "$__range": f"{seconds}s",
        "$__interval": f"{seconds}s",
        "$per": "day",
        "$team": ".*",
        "$model": ".*",
        "$vcs_repository_name": ".*",
    }.items():
        query = query.replace(name, value)
    return query


@pytest.mark.parametrize("zone", ZONES)
def test_totals_of_a_range_and_of_the_one_before(store: Store, zone: str) -> None:
    calendar = ZONES[zone]
    midnight = store.now // DAY * DAY - calendar.utc_offset
    ends = (store.now, store.now // DAY * DAY, midnight, midnight - 1, midnight + 1)
    for end, length in itertools.product(ends, (DAY, 7 * DAY, 30 * DAY, 30 * DAY + 12345, 20 * DAY - 1)):
        where = f"{length} s up to {end - midnight} s after midnight"
        total = store.instant(as_asked(lambda metric: metric.total("team"), calendar, length), end)
        assert total == store.used(calendar, end - length, end), where
        before = store.instant(as_asked(lambda metric: metric.before("team"), calendar, length), end)
        assert before == store.used(calendar, end - 2 * length, end - length), where


@pytest.mark.parametrize("zone", ZONES)
def test_bars(store: Store, zone: str) -> None:
    calendar = ZONES[zone]
    for step, shift in itertools.product((DAY, 2 * DAY, 7 * DAY), (0, -calendar.utc_offset, 3600, 777)):
        start = (store.now - 40 * DAY) // step * step + shift
        bars = store.bars(as_asked(lambda metric: metric.bars("team")[1], calendar, step), start, store.now, step)
        expected = {
            (at, team): value
            for at in range(start, store.now + 1, step)
            for team, value in store.used(calendar, at, at + step).items()
        }
        assert bars == expected, f"steps of {step} s, {shift} s off UTC midnight"


def test_raw_samples_are_left_alone_where_days_are_asked(store: Store) -> None:
    raw = as_asked(lambda metric: metric.bars("team")[0], ZONES["Z"], DAY)
    assert store.bars(raw, store.now - 5 * DAY, store.now, DAY) == {}
