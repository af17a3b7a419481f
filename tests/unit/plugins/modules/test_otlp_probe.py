# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import json
import threading
from concurrent import futures
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import grpc
import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.claude_code.observability.plugins.modules import otlp_probe
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2, logs_service_pb2_grpc
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2, metrics_service_pb2_grpc

REQUESTS = {
    "metrics": metrics_service_pb2.ExportMetricsServiceRequest,
    "logs": logs_service_pb2.ExportLogsServiceRequest,
}
ALL = [("grpc", "metrics"), ("grpc", "logs"), ("http", "metrics"), ("http", "logs")]


class Collector:
    """An OTLP receiver on both transports that keeps what it got and answers what the test wants."""

    def __init__(self):
        self.got = []
        self.headers = []
        self.metrics_answer = metrics_service_pb2.ExportMetricsServiceResponse()
        self.http_answer = (200, b"")
        self.grpc_failure = None

    def take(self, transport, signal, request):
        if signal == "metrics":
            attributes = request.resource_metrics[0].scope_metrics[0].metrics[0].sum.data_points[0].attributes
        else:
            attributes = request.resource_logs[0].scope_logs[0].log_records[0].attributes
        self.got.append((transport, signal, {item.key: item.value.string_value for item in attributes}))

    def export(self, signal, request, context):
        metadata = dict(context.invocation_metadata())
        self.headers.append((metadata.get("authorization"), metadata.get("x-number")))
        self.take("grpc", signal, request)
        if self.grpc_failure:
            context.abort(*self.grpc_failure)
        return self.metrics_answer if signal == "metrics" else logs_service_pb2.ExportLogsServiceResponse()


class Service:
    def __init__(self, collector, signal):
        self.collector = collector
        self.signal = signal

    def Export(self, request, context):
        return self.collector.export(self.signal, request, context)


def http_handler(collector):
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            collector.headers.append((self.headers["Authorization"], self.headers["X-Number"]))
            assert self.headers["Content-Type"] == "application/x-protobuf"
            signal = self.path.rpartition("/v1/")[2]
            body = self.rfile.read(int(self.headers["Content-Length"]))
            collector.take("http", signal, REQUESTS[signal].FromString(body))
            status, answer = collector.http_answer
            self.send_response(status)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *args):
            pass

    return Handler


@contextlib.contextmanager
def serving(collector):
    grpc_server = grpc.server(futures.ThreadPoolExecutor(max_workers=1))
    metrics_service_pb2_grpc.add_MetricsServiceServicer_to_server(Service(collector, "metrics"), grpc_server)
    logs_service_pb2_grpc.add_LogsServiceServicer_to_server(Service(collector, "logs"), grpc_server)
    grpc_port = grpc_server.add_insecure_port("127.0.0.1:0")
    grpc_server.start()
    http_server = ThreadingHTTPServer(("127.0.0.1", 0), http_handler(collector))
    thread = threading.Thread(target=http_server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{grpc_port}", f"http://127.0.0.1:{http_server.server_port}"
    finally:
        http_server.shutdown()
        thread.join()
        http_server.server_close()
        grpc_server.stop(None).wait()


@pytest.fixture
def collector():
    return Collector()


@pytest.fixture
def urls(collector):
    with serving(collector) as urls:
        yield urls


@pytest.fixture
def run(capsys):
    def run_module(grpc_url, http_url, **more):
        arguments = {"grpc_url": grpc_url, "http_url": http_url, "probe_id": "run-1", **more}
        with patch_module_args(arguments), pytest.raises(SystemExit):
            otlp_probe.main()
        return json.loads(capsys.readouterr().out)

    return run_module


def outcomes(result):
    return {(r["transport"], r["signal"]): (r["accepted"], r["detail"]) for r in result["requests"]}


def test_four_requests_arrive_and_are_told_apart(collector, urls, run):
    result = run(*urls)
    assert not result.get("failed")
    assert result["changed"] is False
    assert result["probe_id"] == "run-1"
    assert outcomes(result) == dict.fromkeys(ALL, (True, "accepted"))
    assert collector.got == [(*pair, {"probe_id": "run-1", "transport": pair[0]}) for pair in ALL]


def test_headers_go_with_every_request(collector, urls, run):
    result = run(*urls, headers={"Authorization": "Basic c2VjcmV0", "X-Number": 7})
    assert not result.get("failed")
    assert collector.headers == [("Basic c2VjcmV0", "7")] * 4
    assert "c2VjcmV0" not in json.dumps(result["requests"])


def test_a_sender_that_is_not_accepted(collector, urls, run):
    collector.grpc_failure = (grpc.StatusCode.UNAUTHENTICATED, "invalid credentials")
    collector.http_answer = (401, b"\x08\x10\x12\x13invalid credentials")
    advice = "what proves who sends goes into headers, as Authorization"
    assert outcomes(run(*urls)) == {
        **dict.fromkeys(
            ALL[:2],
            (False, f"the sender is not accepted (UNAUTHENTICATED: invalid credentials); {advice}"),
        ),
        **dict.fromkeys(
            ALL[2:],
            (False, f"the sender is not accepted (HTTP status 401: invalid credentials); {advice}"),
        ),
    }


def test_a_ca_that_is_not_there_is_named(urls, run):
    result = run(*(url.replace("http:", "https:") for url in urls), ca_path="/nowhere/ca.pem")
    said = "ca_path '/nowhere/ca.pem' cannot be read: No such file or directory"
    assert outcomes(result) == dict.fromkeys(ALL, (False, said))


def test_tls_where_there_is_none(urls, run):
    result = run(*(url.replace("http:", "https:") for url in urls))
    assert outcomes(result) == dict.fromkeys(ALL, (False, "it does not speak TLS; write http:// into the URL"))


def test_check_mode_sends_nothing(collector, urls, run):
    result = run(*urls, _ansible_check_mode=True)
    assert not result.get("failed")
    assert result["requests"] == []
    assert collector.got == []


def test_proxies_of_the_environment_are_ignored(collector, urls, run, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "")
    assert not run(*urls).get("failed")


def test_a_failed_call_does_not_stop_the_others(collector, urls, run):
    collector.grpc_failure = (grpc.StatusCode.RESOURCE_EXHAUSTED, "sending queue is full")
    result = run(*urls)
    assert result["failed"]
    assert outcomes(result) == {
        ("grpc", "metrics"): (False, "RESOURCE_EXHAUSTED: sending queue is full"),
        ("grpc", "logs"): (False, "RESOURCE_EXHAUSTED: sending queue is full"),
        ("http", "metrics"): (True, "accepted"),
        ("http", "logs"): (True, "accepted"),
    }
    assert "grpc metrics to 127.0.0.1:" in result["msg"]
    assert "http" not in result["msg"]


def test_partial_success_is_no_success(collector, urls, run):
    collector.metrics_answer.partial_success.rejected_data_points = 1
    collector.metrics_answer.partial_success.error_message = "too old"
    result = run(*urls)
    assert result["failed"]
    assert [pair for pair, outcome in outcomes(result).items() if not outcome[0]] == [("grpc", "metrics")]
    assert outcomes(result)[("grpc", "metrics")] == (False, "rejected: too old")


@pytest.mark.parametrize(
    ("status", "body", "detail"),
    [
        (503, b"\x08\x0e\x12\x08too busy", "HTTP status 503: too busy"),
        (404, b"404 page not found", "HTTP status 404: Not Found"),
        (200, b"<html>It works!</html>", "the answer is not an OTLP answer; is this the receiver's port?"),
    ],
)
def test_http_answers(collector, urls, run, status, body, detail):
    collector.http_answer = (status, body)
    result = run(*urls)
    assert result["failed"]
    assert outcomes(result)[("http", "logs")] == (False, detail)
    assert outcomes(result)[("grpc", "logs")] == (True, "accepted")


def test_swapped_ports_are_recognised(urls, run):
    result = run(*reversed(urls))
    assert result["failed"]
    assert outcomes(result)[("grpc", "metrics")] == (False, "the answer is not HTTP/2; is this the gRPC port?")
    assert not outcomes(result)[("http", "metrics")][0]


def test_nobody_listens(collector, run):
    with serving(collector) as urls:
        pass
    result = run(*urls)
    assert result["failed"]
    assert outcomes(result) == dict.fromkeys(ALL, (False, "Connection refused"))


@pytest.mark.parametrize("url", ["127.0.0.1:4317", "ftp://127.0.0.1:4317", "http://127.0.0.1", "http://h:99999", ""])
def test_a_wrong_url_names_its_option(run, url):
    result = run("http://127.0.0.1:4317", url)
    assert result["failed"]
    assert result["msg"] == f"http_url is {url!r}; write http://host:port or https://host:port"
    assert result["requests"] == []
