# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.claude_code.observability.plugins.module_utils import _otlp
from google.protobuf import json_format
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2

TIME = 1_790_000_000_123_000_000
VALUES = {"probe_id": "run-1.host", "transport": "grpc"}
ATTRIBUTES = [
    {"key": "probe_id", "value": {"stringValue": "run-1.host"}},
    {"key": "transport", "value": {"stringValue": "grpc"}},
]
RESOURCE = {"attributes": [{"key": "service.name", "value": {"stringValue": "claude-code-observability-probe"}}]}


def read(kind, message):
    return json_format.MessageToDict(kind.FromString(message))


def test_metrics_request_is_one_delta_sum():
    point = {
        "attributes": ATTRIBUTES,
        "startTimeUnixNano": str(TIME - 1_000_000_000),
        "timeUnixNano": str(TIME),
        "asInt": "1",
    }
    delta_sum = {"dataPoints": [point], "aggregationTemporality": "AGGREGATION_TEMPORALITY_DELTA", "isMonotonic": True}
    scope = {"metrics": [{"name": "observability.probe", "sum": delta_sum}]}
    assert read(metrics_service_pb2.ExportMetricsServiceRequest, _otlp.metrics_request(VALUES, TIME)) == {
        "resourceMetrics": [{"resource": RESOURCE, "scopeMetrics": [scope]}]
    }


def test_logs_request_is_one_record():
    record = {
        "timeUnixNano": str(TIME),
        "observedTimeUnixNano": str(TIME),
        "severityNumber": "SEVERITY_NUMBER_INFO",
        "severityText": "INFO",
        "body": {"stringValue": "observability.probe"},
        "attributes": ATTRIBUTES,
    }
    assert read(logs_service_pb2.ExportLogsServiceRequest, _otlp.logs_request(VALUES, TIME)) == {
        "resourceLogs": [{"resource": RESOURCE, "scopeLogs": [{"logRecords": [record]}]}]
    }


@pytest.mark.parametrize("text", ["", "x" * 127, "x" * 128, "x" * 5000, "프로브 ☃"])
def test_strings_of_any_length_survive(text):
    request = _otlp.logs_request({"probe_id": text}, TIME)
    record = logs_service_pb2.ExportLogsServiceRequest.FromString(request).resource_logs[0].scope_logs[0].log_records[0]
    assert record.attributes[0].value.string_value == text


def test_names_stay_outside_the_queries_for_claude_code():
    assert not _otlp.METRIC.startswith("claude")
    assert _otlp.SERVICE != "claude-code"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (metrics_service_pb2.ExportMetricsServiceResponse(), (0, "")),
        (
            metrics_service_pb2.ExportMetricsServiceResponse(
                partial_success=metrics_service_pb2.ExportMetricsPartialSuccess()
            ),
            (0, ""),
        ),
        (
            metrics_service_pb2.ExportMetricsServiceResponse(
                partial_success={"rejected_data_points": 300, "error_message": "too old"}
            ),
            (300, "too old"),
        ),
        (
            logs_service_pb2.ExportLogsServiceResponse(
                partial_success={"rejected_log_records": 1, "error_message": "배움"}
            ),
            (1, "배움"),
        ),
    ],
)
def test_rejection(answer, expected):
    assert _otlp.rejection(answer.SerializeToString()) == expected


@pytest.mark.parametrize("answer", [b"\x08", b"<html>", b"\x0a\x05abc", b"\x0a\x02\x0a\x05", b"\x08\x01", b"\xff" * 12])
def test_anything_but_an_export_answer_is_no_success(answer):
    with pytest.raises(ValueError, match="not "):
        _otlp.rejection(answer)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [(b"\x08\x0d\x12\x08too busy", "too busy"), (b"404 page not found\n", ""), (b"", "")],
)
def test_status_message(answer, expected):
    assert _otlp.status_message(answer) == expected
