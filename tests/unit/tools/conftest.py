# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The test tools live at the repository root, and a small OTLP receiver stands in for a collector."""

from __future__ import annotations

import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[3]))

import grpc
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2, logs_service_pb2_grpc
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2, metrics_service_pb2_grpc


class Sink:
    """Keeps what it accepts; answers with the codes in `answers` first (HTTP 503 or gRPC UNAVAILABLE)."""

    def __init__(self):
        self.requests = []
        self.answers = []
        sink = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                code = sink.answers.pop(0) if sink.answers else 200
                if code == 200:
                    sink.requests.append((self.path, self.headers["Content-Type"], body))
                self.send_response(code)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args):
                pass

        class Metrics(metrics_service_pb2_grpc.MetricsServiceServicer):
            def Export(self, request, context):
                return sink.export("metrics", request, context, metrics_service_pb2.ExportMetricsServiceResponse())

        class Logs(logs_service_pb2_grpc.LogsServiceServicer):
            def Export(self, request, context):
                return sink.export("logs", request, context, logs_service_pb2.ExportLogsServiceResponse())

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._http.serve_forever, daemon=True).start()
        self.http = f"http://127.0.0.1:{self._http.server_port}"
        self._grpc = grpc.server(ThreadPoolExecutor(2))
        metrics_service_pb2_grpc.add_MetricsServiceServicer_to_server(Metrics(), self._grpc)
        logs_service_pb2_grpc.add_LogsServiceServicer_to_server(Logs(), self._grpc)
        self.grpc = f"127.0.0.1:{self._grpc.add_insecure_port('127.0.0.1:0')}"
        self._grpc.start()

    def export(self, signal, request, context, response):
        if self.answers:
            context.abort(self.answers.pop(0), "as told")
        self.requests.append((signal, "grpc", request.SerializeToString()))
        return response

    def close(self):
        self._http.shutdown()
        self._http.server_close()
        self._grpc.stop(None).wait()


@pytest.fixture
def sink():
    receiver = Sink()
    yield receiver
    receiver.close()
