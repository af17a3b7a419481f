#!/usr/bin/python
# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: otlp_probe
author:
  - claude_code.observability contributors (!UNKNOWN)
short_description: Send a recognisable, uncounted metric and log record to an OTLP receiver
description:
  - Sends one metric and one log record over OTLP/gRPC and the same over OTLP/HTTP, from the host it runs on.
  - The metric is the delta sum C(observability.probe) of value 1. Metric and record carry the service name
    C(claude-code-observability-probe), so that no query on Claude Code's own names counts them, and the attributes
    C(probe_id) and C(transport).
  - Succeeds when the receiver accepted all four requests in full.
  - Proxies of the environment are not used.
extends_documentation_fragment:
  - claude_code.observability.attributes
attributes:
  check_mode:
    support: full
    details: Nothing is sent.
  diff_mode:
    support: none
  idempotent:
    support: none
    details: Every run sends another probe. The host itself is never changed.
options:
  grpc_url:
    description:
      - Where the receiver takes OTLP over gRPC, such as V(http://127.0.0.1:4317), or over TLS V(https://collector:4317).
    type: str
    required: true
  http_url:
    description:
      - Where the receiver takes OTLP over HTTP, such as V(http://127.0.0.1:4318).
      - C(/v1/metrics) and C(/v1/logs) are appended.
    type: str
    required: true
  probe_id:
    description: What to find the probe by afterwards. Choose another one for every run and host.
    type: str
    required: true
  headers:
    description: Sent with every request, such as C(Authorization); over gRPC as metadata.
    type: dict
    default: {}
  ca_path:
    description:
      - File with the certificates of the CAs to trust, on the host the task runs on. Without it, those of the system.
    type: path
  client_cert:
    description: File with the client's certificate in PEM format. It may hold the key as well.
    type: path
  client_key:
    description: File with the key of O(client_cert).
    type: path
  timeout:
    description: Seconds each of the four requests may take.
    type: int
    default: 10
"""

EXAMPLES = r"""
- name: The collector accepts telemetry
  claude_code.observability.otlp_probe:
    grpc_url: http://127.0.0.1:4317
    http_url: http://127.0.0.1:4318
    probe_id: run-42

- name: One with TLS and a login accepts it too
  claude_code.observability.otlp_probe:
    grpc_url: https://collector.example.com:4317
    http_url: https://collector.example.com:4318
    ca_path: /etc/ssl/certs/claude-code-ca.pem
    headers:
      Authorization: "{{ lookup('claude_code.observability.sender', 'verify', directory=stack_secrets_dir).header }}"
    probe_id: run-43
"""

RETURN = r"""
probe_id:
  description: The O(probe_id).
  returned: always
  type: str
requests:
  description: One entry per request, in the order they were sent. Empty in check mode.
  returned: always
  type: list
  elements: dict
  contains:
    transport:
      description: V(grpc) or V(http).
      type: str
    signal:
      description: V(metrics) or V(logs).
      type: str
    address:
      description: Host and port the request went to.
      type: str
    accepted:
      description: Whether the receiver took all of it.
      type: bool
    detail:
      description: What the receiver, or the network, answered.
      type: str
  sample:
    - {transport: grpc, signal: metrics, address: "127.0.0.1:4317", accepted: true, detail: accepted}
"""

import http.client
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.claude_code.observability.plugins.module_utils._grpc import CallError, call
from ansible_collections.claude_code.observability.plugins.module_utils._otlp import (
    METHODS,
    REQUESTS,
    rejection,
    status_message,
)
from ansible_collections.claude_code.observability.plugins.module_utils._tls import (
    PLAINTEXT_REFUSED,
    SPEAKS_TLS,
    Access,
    AccessError,
)

REFUSED = "the sender is not accepted (%s); what proves who sends goes into headers, as Authorization"


class Receiver(NamedTuple):
    """`access` is None in plain text."""

    host: str
    port: int
    url: str
    headers: Mapping[str, str]
    access: Access | None

    @property
    def address(self) -> str:
        return urlsplit(self.url).netloc


def receiver(option: str, params: Mapping[str, Any]) -> Receiver:
    """A receiver's URL taken apart; ValueError names the option."""
    url = params[option]
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        port = None
    if parts.scheme not in ("http", "https") or not parts.hostname or not port:
        raise ValueError(f"{option} is {url!r}; write http://host:port or https://host:port")
    headers = {name: str(value) for name, value in params["headers"].items()}
    access = Access(params["ca_path"], params["client_cert"], params["client_key"]) if parts.scheme == "https" else None
    return Receiver(parts.hostname, port, url.rstrip("/"), headers, access)


def send_grpc(where: Receiver, signal: str, message: bytes, timeout: int) -> bytes:
    metadata = list(where.headers.items())
    try:
        return call(where.host, where.port, METHODS[signal], message, timeout, metadata, where.access)
    except CallError as error:
        if error.status == "UNAUTHENTICATED":
            raise CallError(REFUSED % error) from error
        raise


def send_http(where: Receiver, signal: str, message: bytes, timeout: int) -> bytes:
    headers = {**where.headers, "Content-Type": "application/x-protobuf"}
    request = urllib.request.Request(f"{where.url}/v1/{signal}", data=message, headers=headers, method="POST")
    handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]
    try:
        if where.access:
            handlers.append(urllib.request.HTTPSHandler(context=where.access.context()))
        with urllib.request.build_opener(*handlers).open(request, timeout=timeout) as answer:
            body: bytes = answer.read(65536)
            return body
    except AccessError as error:
        raise CallError(str(error)) from error
    except urllib.error.HTTPError as error:
        raise CallError(refusal(error)) from error
    except http.client.HTTPException as error:
        raise CallError("the answer is not HTTP/1.1; is this the HTTP port?") from error
    except OSError as error:
        about_tls = where.access.failure(error) if where.access else ""
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        raise CallError(about_tls or getattr(reason, "strerror", None) or str(reason)) from error


def refusal(error: urllib.error.HTTPError) -> str:
    """What the receiver says of a request it does not take."""
    said = error.read(65536)
    if PLAINTEXT_REFUSED.encode() in said:
        return SPEAKS_TLS
    status = f"HTTP status {error.code}: {status_message(said) or error.reason}"
    return REFUSED % status if error.code == 401 else status


SENDERS = {"grpc": send_grpc, "http": send_http}


def probe(transport: str, where: Receiver, signal: str, probe_id: str, timeout: int) -> dict[str, Any]:
    """Sends one request and says what became of it."""
    message = REQUESTS[signal]({"probe_id": probe_id, "transport": transport}, time.time_ns())
    detail = "accepted"
    try:
        refused = rejection(SENDERS[transport](where, signal, message, timeout))
        if refused.items:
            detail = f"rejected: {refused.reason or 'no reason given'}"
    except CallError as error:
        detail = str(error)
    except ValueError:
        detail = "the answer is not an OTLP answer; is this the receiver's port?"
    return {
        "transport": transport,
        "signal": signal,
        "address": where.address,
        "accepted": detail == "accepted",
        "detail": detail,
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "grpc_url": {"type": "str", "required": True},
            "http_url": {"type": "str", "required": True},
            "probe_id": {"type": "str", "required": True},
            "headers": {"type": "dict", "default": {}, "no_log": True},
            "ca_path": {"type": "path"},
            "client_cert": {"type": "path"},
            "client_key": {"type": "path"},
            "timeout": {"type": "int", "default": 10},
        },
        supports_check_mode=True,
    )
    probe_id = module.params["probe_id"]
    requests: list[dict[str, Any]] = []
    try:
        receivers = {name: receiver(f"{name}_url", module.params) for name in SENDERS}
    except ValueError as error:
        module.fail_json(msg=str(error), probe_id=probe_id, requests=requests)
    if not module.check_mode:
        for transport, where in receivers.items():
            requests += [probe(transport, where, signal, probe_id, module.params["timeout"]) for signal in REQUESTS]
    refused = [
        f"{r['transport']} {r['signal']} to {r['address']} ({r['detail']})" for r in requests if not r["accepted"]
    ]
    if refused:
        module.fail_json(msg=f"Not accepted: {', '.join(refused)}", probe_id=probe_id, requests=requests)
    module.exit_json(changed=False, probe_id=probe_id, requests=requests)


if __name__ == "__main__":
    main()
