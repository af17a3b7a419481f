# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VictoriaMetrics as a store of one's own answers as Prometheus does, but where docs/victoriametrics.md says so."""

from __future__ import annotations

import json
import math
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parents[3]))

from plugins.module_utils._event_rules import COUNT
from plugins.module_utils._rollups import DAY, TABLE, Calendar
from tests.replay.panels import Target, targets
from tests.tools import hosts, late
from tests.tools.check_totals import compare
from tests.tools.hosts import wait
from tests.tools.ledger import Loki, Prometheus, Store, StoreError, ask
from tests.tools.otlp import GrpcSender, HttpSender
from tests.tools.programs import Running, free_port, program
from tests.tools.queries import fill, promql, roles
from tests.tools.queries.vocabulary import DAYS, EXACT, Vocabulary
from tests.tools.replay import replay_all
from tests.tools.victoriametrics import VictoriaMetrics

pytestmark = pytest.mark.thorough

PAGE_PLAY = Path(__file__).parents[3] / "docs" / "victoriametrics.yml"
LATE = 50 * 3600.0
PATIENCE = 180
TURNS = "15s"
CALENDAR = Calendar.of("72h", "Z")
PORTS = {
    "otel_collector": ("grpc_port", "http_port", "export_port", "metrics_port", "health_port"),
    "loki": ("port", "grpc_port"),
    "prometheus": ("port",),
}
# How long a range is, and how far apart the points of a chart are, by how it is read.
RANGES = {fill.PER_MINUTE: (6 * 3600, 300), fill.PER_DAY: (10 * DAY, DAY)}


class Beside:
    """A host without Prometheus whose collector pushes to VictoriaMetrics, and to a Prometheus to compare it with."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        ports = {f"{role}_{port}": free_port() for role, names in PORTS.items() for port in names}
        self.grpc = f"127.0.0.1:{ports['otel_collector_grpc_port']}"
        self.http, self.loki, compared, health = (
            f"http://127.0.0.1:{ports[name]}"
            for name in ("otel_collector_http_port", "loki_port", "prometheus_port", "otel_collector_health_port")
        )
        self.config = folder / "etc"
        self.victoria = VictoriaMetrics(folder, self.config)
        self.variables: dict[str, Any] = {
            "groups": {name: [roles.HOST] for name in ("all", "otel_collector", "loki")},
            "prometheus_external_url": self.victoria.url,
            "prometheus_otlp_path": "/opentelemetry",
            "stack_utc_offset": "Z",
            "stack_runtime": "systemd",
            "stack_config_dir": str(folder / "config"),
            "stack_data_dir": str(folder / "data"),
            **ports,
        }
        also = {
            "exporters": {"otlp_http/compared": {"endpoint": f"{compared}/api/v1/otlp"}},
            "service": {"pipelines": {"metrics/exact": {"exporters": ["otlp_http/prometheus", "otlp_http/compared"]}}},
        }
        self.stores = {"victoria": self.victoria.store, "prometheus": Store(compared)}
        collector = self._written("otel_collector", otel_collector_config_overrides=also)
        loki = self._written("loki")
        alone = {name: [roles.HOST] for name in ("all", "otel_collector", "loki", "prometheus")}
        prometheus = self._written("prometheus", groups=alone, prometheus_external_url="")
        self._play()
        often(prometheus / "rules")
        often(self.config / "rules")
        argv = [
            f"--config.file={prometheus}/prometheus.yml",
            f"--storage.tsdb.path={folder}/data/prometheus",
            f"--web.listen-address=127.0.0.1:{ports['prometheus_port']}",
            "--web.enable-otlp-receiver",
        ]
        self.running = [
            self.victoria,
            Running([program("prometheus"), *argv], f"{compared}/-/ready", folder / "prometheus.log"),
            Running([program("loki"), f"-config.file={loki}/config.yml"], f"{self.loki}/ready", folder / "loki.log"),
            Running(
                [program("otelcol-contrib"), f"--config={collector}/config.yaml"], health, folder / "collector.log"
            ),
            self.victoria.vmalert,
        ]

    def _written(self, role: str, **variables: Any) -> Path:
        """Writes the files of a role; their directory."""
        name = role.replace("_", "-")
        (self.folder / "data" / name).mkdir(parents=True)
        return roles.write(self.folder / "config" / name / "current", role, **{**self.variables, **variables})

    def _play(self) -> None:
        """The play of the page, on this machine."""
        variables = {key: value for key, value in self.variables.items() if key not in ("groups", "prometheus_port")}
        here = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
        children = {name: {"hosts": {"localhost": here}} for name in ("otel_collector", "loki", "victoriametrics")}
        inventory = {"claude_code_observability": {"vars": variables, "children": children}}
        (self.folder / "hosts.yml").write_text(yaml.safe_dump(inventory))
        itself = self.victoria.url.rpartition(":")[2]
        changed = (f"prometheus_directory={self.config}", "ansible_become=false", f"prometheus_port={itself}")
        options = [part for each in changed for part in ("-e", each)]
        hosts.Site(self.folder / "hosts.yml").play(f"../docs/{PAGE_PLAY.stem}", *options)

    def start(self) -> None:
        for each in self.running:
            each.start()

    def stop(self) -> None:
        for each in reversed(self.running):
            each.kill()


def often(rules: Path) -> None:
    """The rules take their turns minutes to an hour apart. What they write does not depend on when."""
    for file in rules.glob("*.yml"):
        content = yaml.safe_load(file.read_text())
        groups = [{**group, "interval": TURNS} for group in content["groups"]]
        file.write_text(yaml.safe_dump({"groups": groups}))


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Beside]:
    stack = Beside(tmp_path_factory.mktemp("victoriametrics"))
    try:
        stack.start()
        yield stack
    finally:
        stack.stop()


def get(url: str, path: str) -> Any:
    """The data of an answer of the API."""
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url + path, timeout=30) as answer:
        return json.load(answer)["data"]


def named(store: Store, sessions: str) -> set[tuple[tuple[str, str], ...]]:
    """Every series of path (a), with its labels. In VictoriaMetrics they carry the name of the service twice."""
    selector = f'{{__name__!~".*_total|target_info", session_id=~"{sessions}"}}'
    span = {"match[]": selector, "start": int(time.time() - LATE - 7200), "end": int(time.time()) + 60}
    found = get(store.url, f"/api/v1/series?{urlencode(span)}")
    return {tuple(sorted((k, v) for k, v in labels.items() if k != "service_name")) for labels in found}


@pytest.mark.parametrize(("age", "copies"), [(30.0, 1), (30.0, 2), (LATE, 1)], ids=["fresh", "sent-twice", "50h-old"])
def test_recordings_are_counted_exactly_and_named_alike(stack: Beside, age: float, copies: int) -> None:
    sent = replay_all(stack.grpc, stack.http, age=age, copies=copies)
    checks = compare(sent, Prometheus(stack.victoria.store), Loki(stack.loki), PATIENCE)
    assert {check.table(): check.wrong() for check in checks if check.wrong()} == {}
    sessions = "|".join(session for each in sent for session in each.sessions)
    wait(
        "both have as many",
        lambda: len({len(named(store, sessions)) for store in stack.stores.values()}) == 1,
        PATIENCE,
    )
    assert named(stack.victoria.store, sessions) == named(stack.stores["prometheus"], sessions) != set()


def test_what_is_almost_too_late_counts(stack: Beside) -> None:
    mark = late.push(GrpcSender(stack.grpc), 71.9 * 3600)
    found = late.find(mark, Prometheus(stack.victoria.store), Loki(stack.loki), PATIENCE)
    assert found == {"prometheus": late.TOKENS, "loki": late.TOKENS}


def test_loki_records_there_and_the_collector_is_scraped(stack: Beside) -> None:
    late.push(GrpcSender(stack.grpc), 60)
    up = 'count by (job) (up{job=~"prometheus|claude-code|otel-collector|loki"} == 1)'
    wait("all is scraped", lambda: len(ask(stack.victoria.store, "/api/v1/query", query=up)) == 4, PATIENCE)
    wait("Loki has recorded", lambda: bool(ask(stack.victoria.store, "/api/v1/query", query=COUNT)), PATIENCE)


def test_vmalert_evaluates_the_rules(stack: Beside) -> None:
    def rules(url: str = stack.victoria.vmalert.url) -> list[dict[str, Any]]:
        return [rule for group in get(url, "/api/v1/rules")["groups"] for rule in group["rules"]]

    def names(found: list[dict[str, Any]]) -> list[str]:
        return sorted(rule["name"] for rule in found)

    groups = get(stack.stores["prometheus"].url, "/api/v1/rules")["groups"]
    ours = [rule["name"] for group in groups for rule in group["rules"] if group["name"] != "claude-code-stack"]
    assert set(ours) <= set(names(rules()))
    wait("each was evaluated", lambda: all(rule["lastEvaluation"] > "1970" for rule in rules()), PATIENCE)
    assert [rule["lastError"] for rule in rules() if rule["health"] != "ok"] == []
    # For whoever asks the store for them, such as Grafana.
    assert names(rules(stack.victoria.url)) == names(rules())


def same(left: dict[Any, float], right: dict[Any, float]) -> bool:
    return left.keys() == right.keys() and all(
        math.isclose(value, right[key], rel_tol=1e-9) or (math.isnan(value) and math.isnan(right[key]))
        for key, value in left.items()
    )


def answer(store: Store, target: Target, per: str, now: int) -> dict[Any, float]:
    """What a query of a panel finds, by labels and time."""
    length, step = RANGES[per]
    query = CALENDAR.expand(target.asked(per, length, step))
    if not target.bars:
        found = ask(store, "/api/v1/query", query=query, time=str(now))
        return {tuple(sorted(each["metric"].items())): float(each["value"][1]) for each in found}
    first, last = ((at // step * step) for at in (now - length, now))
    found = ask(store, "/api/v1/query_range", query=query, start=str(first), end=str(last), step=str(step))
    return {(at, *sorted(each["metric"].items())): float(value) for each in found for at, value in each["values"]}


def total(store: Store, query: str) -> float:
    found = ask(store, "/api/v1/query", query=f"sum({query})")
    return float(found[0]["value"][1]) if found else 0.0


def samples(store: Store) -> list[float]:
    """How many there are of each metric."""
    return [total(store, f"count_over_time({rollup.series}[10d])") for rollup in TABLE]


def recorded(store: Store) -> bool:
    """Whether the sums of the days hold all samples."""
    return all(
        math.isclose(
            total(store, f"sum_over_time(({CALENDAR.days(series, by='')})[10d:1d] {CALENDAR.midnight})"),
            total(store, f"sum_over_time({rollup.series}[10d])"),
        )
        for rollup in TABLE
        for series in (rollup.by_team, rollup.by_developer)
    )


@pytest.mark.parametrize("per", RANGES, ids=["samples", "days"])
def test_every_query_of_the_dashboards_answers_as_in_prometheus(stack: Beside, per: str) -> None:
    wait("both have all", lambda: samples(stack.stores["victoria"]) == samples(stack.stores["prometheus"]), PATIENCE)
    for store in stack.stores.values():
        wait("the days are recorded", lambda store=store: recorded(store), PATIENCE)  # type: ignore[misc]
    vocabulary, now = Vocabulary.load(), int(time.time())
    wrong, found = [], 0
    for target in (each for each in targets() if each.store == "prometheus"):
        ours = answer(stack.stores["victoria"], target, per, now)
        read = promql.check(CALENDAR.expand(target.asked(per, *RANGES[per])), vocabulary, {}, calendar=CALENDAR).read
        # Counters that are scraped are not the same in two stores: no scrape is at the same moment as another.
        if {series.kind for series in read} <= {EXACT, DAYS}:
            theirs = answer(stack.stores["prometheus"], target, per, now)
            found += bool(theirs)
            wrong += [] if same(ours, theirs) else [f"{target}: {ours} instead of {theirs}"]
    assert wrong == []
    assert found > 50


# From here on: where it deviates.


def test_what_prometheus_says_of_itself_is_missing(stack: Beside) -> None:
    """So panels and alerts about it show nothing."""
    itself = 'count({{__name__=~"{}_.*", job="prometheus"}})'
    wait(
        "it says something of itself",
        lambda: bool(ask(stack.victoria.store, "/api/v1/query", query=itself.format("vm"))),
        PATIENCE,
    )
    assert ask(stack.victoria.store, "/api/v1/query", query=itself.format("prometheus")) == []


QUERY = "sum(sum_over_time(claude_code_token_usage_tokens[1h]))"


def push(store: VictoriaMetrics, *values: float) -> None:
    """Points of one series as the collector pushes them, all of the same moment."""
    at = int(time.time()) - 60
    for value in values:
        attributes = [{"key": "session.id", "value": {"stringValue": "of the test"}}]
        gauge = {"dataPoints": [{"timeUnixNano": str(at * 10**9), "asDouble": value, "attributes": attributes}]}
        metric = {"name": "claude_code.token.usage", "unit": "tokens", "gauge": gauge}
        scope = {"scope": {"name": "com.anthropic.claude_code"}, "metrics": [metric]}
        attributes = [
            {"key": name, "value": {"stringValue": value}}
            for name, value in (("service.name", "claude-code"), ("service.version", "1"), ("os.type", "linux"))
        ]
        resource = {"attributes": attributes}
        HttpSender(store.otlp).send("metrics", {"resourceMetrics": [{"resource": resource, "scopeMetrics": [scope]}]})
    store.show()


@contextmanager
def alone(folder: Path, config: Path, **instead: str | None) -> Iterator[VictoriaMetrics]:
    """Without a stack, and with other flags. In their names __ stands for a dot."""
    other = {f"-{name.replace('__', '.')}": value for name, value in instead.items()}
    store = VictoriaMetrics(folder, config, {"-promscrape.config": None, **other})
    try:
        store.start()
        yield store
    finally:
        store.kill()


def value(store: VictoriaMetrics, query: str = QUERY) -> list[float]:
    return [float(each["value"][1]) for each in ask(store.store, "/api/v1/query", query=query)]


def test_of_two_values_at_one_moment_the_larger_is_kept_and_nobody_hears_of_it(tmp_path: Path, stack: Beside) -> None:
    """Prometheus refuses the second, and the collector counts that."""
    with alone(tmp_path, stack.config) as store:
        push(store, 3, 2)
        assert value(store) == [3]


def test_what_it_acknowledged_last_is_lost_in_a_crash(tmp_path: Path, stack: Beside) -> None:
    """What came since the last flush, which by default are five seconds."""
    with alone(tmp_path, stack.config, inmemoryDataFlushInterval="1h") as store:
        push(store, 3)
        assert value(store) == [3]
        store.kill()
        store.start()
        assert value(store) == []


def test_an_increase_is_not_extrapolated_and_begins_at_0_with_a_small_number(tmp_path: Path, stack: Beside) -> None:
    now = int(time.time())
    moments = [(now - age) * 1000 for age in (2400, 1800, 1200)]
    with alone(tmp_path, stack.config) as store:
        for name, begin in (("small", 7), ("large", 100_000)):
            store.take("".join(f"{name} {begin + 10 * turn} {at}\n" for turn, at in enumerate(moments)))
        assert value(store, "increase(small[1h])") == [27]
        assert value(store, "increase(large[1h])") == [20]


def labels(store: VictoriaMetrics) -> list[dict[str, str]]:
    return [each["metric"] for each in ask(store.store, "/api/v1/query", query='last_over_time({job!=""}[1h])')]


LABELS = {
    "__name__": "claude_code_token_usage_tokens",
    "job": "claude-code",
    "service_name": "claude-code",
    "service_version": "1",
    "session_id": "of the test",
}


def test_with_all_flags(tmp_path: Path, stack: Beside) -> None:
    with alone(tmp_path, stack.config) as store:
        push(store, 3, 3)
        assert value(store) == [3]
        assert labels(store) == [LABELS]
        assert moments(store) == ASKED
        assert value(store, BEFORE) == [0]


# As panels ask for the range before the chosen one.
BEFORE = "last_over_time((sum_over_time((vector(0))[10d:1d] offset 10d))[1ms:1ms] offset 1ms)"
# The days of Seoul.
ASKED = [86400 * day - 9 * 3600 for day in range(20000, 20061)]


def moments(store: VictoriaMetrics) -> list[int]:
    """For which a chart has points that has one for each of those days."""
    span = {"start": str(ASKED[0]), "end": str(ASKED[-1]), "step": "86400"}
    (found,) = ask(store.store, "/api/v1/query_range", query="vector(0)", **span)
    return [int(at) for at, _ in found["values"]]


def test_without_dedup_a_repeat_counts_twice(tmp_path: Path, stack: Beside) -> None:
    with alone(tmp_path, stack.config, dedup__minScrapeInterval=None) as store:
        push(store, 3, 3)
        assert value(store) == [6]


def test_without_names_of_prometheus_there_are_none_of_ours(tmp_path: Path, stack: Beside) -> None:
    with alone(tmp_path, stack.config, opentelemetry__usePrometheusNaming=None) as store:
        push(store, 3)
        wait(
            "it is there",
            lambda: value(store, 'last_over_time({__name__="claude_code.token.usage"}[1h])') == [3],
            PATIENCE,
        )
        assert value(store) == []


def test_without_the_cache_turned_off_days_begin_in_utc(tmp_path: Path, stack: Beside) -> None:
    with alone(tmp_path, stack.config, search__disableCache=None) as store:
        assert [at % 86400 for at in moments(store)] == [0] * len(moments(store))


def test_without_its_interval_of_staleness_the_range_before_is_refused(tmp_path: Path, stack: Beside) -> None:
    with (
        alone(tmp_path, stack.config, search__minStalenessInterval=None) as store,
        pytest.raises(StoreError, match="too many points"),
    ):
        value(store, BEFORE)
