# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sends OTLP requests in their JSON form over gRPC, HTTP/protobuf or HTTP/JSON."""

from __future__ import annotations

import json
import ssl
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any, Protocol

import grpc
from google.protobuf import json_format
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2, logs_service_pb2_grpc
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2, metrics_service_pb2_grpc

REQUESTS: dict[str, Any] = {
    "metrics": metrics_service_pb2.ExportMetricsServiceRequest,
    "logs": logs_service_pb2.ExportLogsServiceRequest,
}
STUBS: dict[str, Any] = {
    "metrics": metrics_service_pb2_grpc.MetricsServiceStub,
    "logs": logs_service_pb2_grpc.LogsServiceStub,
}
TIMEOUT = 10
ATTEMPTS = 6


class Refused(Exception):
    """The receiver answered with an error that is not worth a retry, or the retries ran out."""


@dataclass(frozen=True)
class Access:
    """What a protected receiver asks for: the credential of a sender. `ca` is the file of its authority."""

    authorization: str
    ca: str


class Sender(Protocol):
    name: str

    def send(self, signal: str, request: dict[str, Any]) -> int:
        """Send one request, return the number of attempts, raise Refused."""


def message(signal: str, request: dict[str, Any]) -> Any:
    """The protobuf message of a request given in OTLP's JSON form."""
    return json_format.ParseDict(request, REQUESTS[signal](), ignore_unknown_fields=True)


class GrpcSender:
    """gRPC to host:port, over TLS with access; retries UNAVAILABLE and RESOURCE_EXHAUSTED as the client's SDK would."""

    name = "grpc"

    def __init__(self, target: str, access: Access | None = None) -> None:
        place = target.removeprefix("http://")
        self._metadata = [("authorization", access.authorization)] if access else []
        if access:
            with open(access.ca, "rb") as file:
                channel = grpc.secure_channel(place, grpc.ssl_channel_credentials(file.read()))
        else:
            channel = grpc.insecure_channel(place)
        self._stubs = {signal: stub(channel) for signal, stub in STUBS.items()}

    def send(self, signal: str, request: dict[str, Any]) -> int:
        payload = message(signal, request)
        for attempt in range(1, ATTEMPTS + 1):
            try:
                self._stubs[signal].Export(payload, timeout=TIMEOUT, metadata=self._metadata)
                return attempt
            except grpc.RpcError as error:
                code = error.code()
                if code not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED):
                    raise Refused(f"grpc {signal}: {code.name}: {error.details()}") from error
                reason = error.details()
            time.sleep(0.2 * 2**attempt)
        raise Refused(f"grpc {signal}: {ATTEMPTS} attempts: {reason}")


class HttpSender:
    """HTTP to the base URL of a receiver; retries 429 and 503 as the client's SDK would."""

    def __init__(self, base: str, encoding: str = "protobuf", access: Access | None = None) -> None:
        self.name = f"http/{encoding}"
        self._base = base.rstrip("/")
        self._json = encoding == "json"
        self._headers = {"Authorization": access.authorization} if access else {}
        tls = ssl.create_default_context(cafile=access.ca) if access else None
        # No proxy of the environment: the receiver is always a machine of the test.
        handlers = (urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=tls))
        self._open = urllib.request.build_opener(*handlers).open

    def send(self, signal: str, request: dict[str, Any]) -> int:
        if self._json:
            body, content_type = json.dumps(request).encode(), "application/json"
        else:
            body, content_type = message(signal, request).SerializeToString(), "application/x-protobuf"
        url = f"{self._base}/v1/{signal}"
        for attempt in range(1, ATTEMPTS + 1):
            headers = {"Content-Type": content_type, **self._headers}
            call = urllib.request.Request(url, data=body, headers=headers, method="POST")
            try:
                with self._open(call, timeout=TIMEOUT) as answer:
                    answer.read()
                return attempt
            except urllib.error.HTTPError as error:
                reason = f"{error.code} {error.read(500).decode(errors='replace')}"
                if error.code not in (429, 503):
                    raise Refused(f"POST {url}: {reason}") from error
            except OSError as error:
                reason = str(error)
            time.sleep(0.2 * 2**attempt)
        raise Refused(f"POST {url}: {ATTEMPTS} attempts: {reason}")
