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
    description: Where the receiver takes OTLP over gRPC, such as V(http://127.0.0.1:4317).
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


class Receiver(NamedTuple):
    host: str
    port: int
    url: str

    @property
    def address(self) -> str:
        return urlsplit(self.url).netloc


def receiver(option: str, url: str) -> Receiver:
    """A receiver's URL taken apart; ValueError names the option."""
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        port = None
    if parts.scheme != "http" or not parts.hostname or not port:
        raise ValueError(f"{option} is {url!r}; write http://host:port")
    return Receiver(parts.hostname, port, url.rstrip("/"))


def send_grpc(where: Receiver, signal: str, message: bytes, timeout: int) -> bytes:
    return call(where.host, where.port, METHODS[signal], message, timeout)


def send_http(where: Receiver, signal: str, message: bytes, timeout: int) -> bytes:
    request = urllib.request.Request(
        f"{where.url}/v1/{signal}", data=message, headers={"Content-Type": "application/x-protobuf"}, method="POST"
    )
    directly = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with directly.open(request, timeout=timeout) as answer:
            body: bytes = answer.read(65536)
            return body
    except urllib.error.HTTPError as error:
        reason = status_message(error.read(65536)) or error.reason
        raise CallError(f"HTTP status {error.code}: {reason}") from error
    except urllib.error.URLError as error:
        reason = getattr(error.reason, "strerror", None) or error.reason
        raise CallError(str(reason)) from error
    except http.client.HTTPException as error:
        raise CallError("the answer is not HTTP/1.1; is this the HTTP port?") from error
    except OSError as error:
        raise CallError(error.strerror or str(error)) from error


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
            "timeout": {"type": "int", "default": 10},
        },
        supports_check_mode=True,
    )
    probe_id = module.params["probe_id"]
    requests: list[dict[str, Any]] = []
    try:
        receivers = {name: receiver(f"{name}_url", module.params[f"{name}_url"]) for name in SENDERS}
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
