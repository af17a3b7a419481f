# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import argparse
import json
import uuid

import grpc
import pytest
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2

from tests.tools import check_totals, otlp, replay

NOW = 1_800_000_000.0
NAMES = [path.name for path in replay.files()]


def moments(requests):
    return [int(point["timeUnixNano"]) for request in requests for point in replay.points(request.signal, request.body)]


def prepared(name, age=30.0, run=None):
    before = replay.load(replay.RECORDINGS / name)
    return before, *replay.prepare(before, NOW, age, run or uuid.uuid4())


def test_all_recordings_have_known_totals():
    assert len(NAMES) == 11
    assert set(NAMES) == set(json.loads((replay.RECORDINGS / "expected.json").read_text()))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("age", [30.0, 180000.0])
def test_a_recording_moves_as_a_whole(name, age):
    before, after, _ = prepared(name, age)
    shifts = {new - old for old, new in zip(moments(before), moments(after))}
    assert len(shifts) == 1
    assert abs(max(moments(after)) / 1e9 - (NOW - age)) < 0.001


@pytest.mark.parametrize("name", NAMES)
def test_times_stay_whole_milliseconds_and_equal_the_written_ones(name):
    _, after, _ = prepared(name)
    for request in after:
        for point in replay.points(request.signal, request.body):
            assert int(point["timeUnixNano"]) % 1_000_000 == 0
            if request.signal == "logs":
                assert replay.attribute(point, "event.timestamp") == replay.iso(int(point["timeUnixNano"]))
                assert point["observedTimeUnixNano"] == point["timeUnixNano"]


def test_start_times_move_with_their_points():
    before, after, _ = prepared("tools.otlp.jsonl")
    for old, new in zip(before, after):
        for was, now in zip(replay.points(old.signal, old.body), replay.points(new.signal, new.body)):
            if old.signal == "metrics":
                gap = int(was["timeUnixNano"]) - int(was["startTimeUnixNano"])
                assert int(now["timeUnixNano"]) - int(now["startTimeUnixNano"]) == gap


def test_each_run_has_a_session_id_of_its_own():
    before, after, sessions = prepared("tools.otlp.jsonl")
    _, _, others = prepared("tools.otlp.jsonl")
    assert len(sessions) == 1
    assert sessions != others
    for request in after:
        for point in replay.points(request.signal, request.body):
            assert replay.attribute(point, "session.id") == sessions[0]
    old = {replay.attribute(p, "session.id") for request in before for p in replay.points(request.signal, request.body)}
    assert old.isdisjoint(sessions)


def test_refused_requests_are_sent_only_if_they_were_sent_again():
    requests = replay.load(replay.RECORDINGS / "outage-delta-503.otlp.jsonl")
    refused = [request for request in requests if not request.accepted]
    assert len(refused) == 6
    assert replay.sendable(requests) == requests
    lost = replay.Request("http", "metrics", False, {"resourceMetrics": []})
    assert lost not in replay.sendable([*requests, lost])


@pytest.mark.parametrize("name", NAMES)
def test_known_totals_equal_the_accepted_points_counted_once(name):
    truth = json.loads((replay.RECORDINGS / "expected.json").read_text())[name]
    sums, events = {}, {}
    for request in replay.load(replay.RECORDINGS / name):
        if not request.accepted:
            continue
        if request.signal == "logs":
            for record in replay.points("logs", request.body):
                event = replay.attribute(record, "event.name")
                events[event] = events.get(event, 0) + 1
            continue
        for resource in request.body["resourceMetrics"]:
            for scope in resource["scopeMetrics"]:
                for metric in scope["metrics"]:
                    for point in metric["sum"]["dataPoints"]:
                        kind = replay.attribute(point, "type")
                        key = metric["name"] + (f"{{type={kind}}}" if kind else "")
                        kept = 0 if name.startswith("cumulative") else sums.get(key, 0)
                        sums[key] = kept + point["asDouble"]
    assert events == truth["events"]
    # Known totals are rounded to six decimals.
    assert sums == pytest.approx(truth["datapoint_sums"], rel=0, abs=5.01e-7)


def test_everything_arrives_over_grpc_and_http(sink):
    sent = replay.replay_all(sink.grpc, sink.http, age=30)
    assert len(sent) == 2 * len(NAMES)
    assert len(sink.requests) == sum(row.requests for row in sent)
    assert len({session for row in sent for session in row.sessions}) == len(sent)
    kinds = {kind for _, kind, _ in sink.requests}
    assert kinds == {"grpc", "application/x-protobuf", "application/json"}


def test_protobuf_over_http_carries_the_values(sink):
    replay.replay(replay.RECORDINGS / "grpc-basic.otlp.jsonl", otlp.HttpSender(sink.http))
    body = next(body for path, _, body in sink.requests if path == "/v1/metrics")
    request = metrics_service_pb2.ExportMetricsServiceRequest.FromString(body)
    metrics = {m.name: m.sum for m in request.resource_metrics[0].scope_metrics[0].metrics}
    assert sorted(p.as_double for p in metrics["claude_code.token.usage"].data_points) == [23, 101, 300, 2000]
    assert {m.aggregation_temporality for m in metrics.values()} == {1}


@pytest.fixture
def patient(monkeypatch):
    monkeypatch.setattr(otlp.time, "sleep", lambda seconds: None)


def test_http_503_and_429_are_sent_again(sink, patient):
    sink.answers = [503, 429]
    assert otlp.HttpSender(sink.http).send("logs", {"resourceLogs": []}) == 3
    assert len(sink.requests) == 1


def test_http_400_is_final(sink, patient):
    sink.answers = [400]
    with pytest.raises(otlp.Refused, match="/v1/logs: 400"):
        otlp.HttpSender(sink.http).send("logs", {"resourceLogs": []})
    assert sink.requests == []


def test_grpc_unavailable_is_sent_again(sink, patient):
    sink.answers = [grpc.StatusCode.UNAVAILABLE]
    assert otlp.GrpcSender(sink.grpc).send("metrics", {"resourceMetrics": []}) == 2
    assert len(sink.requests) == 1


def test_grpc_invalid_argument_is_final(sink, patient):
    sink.answers = [grpc.StatusCode.INVALID_ARGUMENT]
    with pytest.raises(otlp.Refused, match="INVALID_ARGUMENT"):
        otlp.GrpcSender(sink.grpc).send("metrics", {"resourceMetrics": []})


@pytest.mark.parametrize(("text", "seconds"), [("30s", 30), ("90m", 5400), ("50h", 180000), ("1.5d", 129600)])
def test_ages(text, seconds):
    assert replay.parse_age(text) == seconds


def test_an_age_without_unit_is_refused():
    with pytest.raises(argparse.ArgumentTypeError, match="'50' is no age"):
        replay.parse_age("50")


def test_known_totals_as_a_ledger():
    assert check_totals.expected("grpc-basic.otlp.jsonl") == {
        "sessions": 1,
        "starts": 1,
        "tokens input": 101,
        "tokens output": 23,
        "tokens cacheRead": 2000,
        "tokens cacheCreation": 300,
        "cost": 2_373_000,
        "metric claude_code.active_time.total cli": 158,
        "event managed_settings_resolved": 1,
        "event plugin_loaded": 3,
        "event user_prompt": 1,
        "event api_request": 1,
        "event assistant_response": 1,
    }


def test_cumulative_totals_belong_to_the_counters():
    ledger = check_totals.expected("cumulative.otlp.jsonl")
    assert ledger["counter claude_code.token.usage cacheRead"] == 300
    assert all(row.startswith(("counter ", "event ")) for row in ledger)
