# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Knocks at a collector the way the client would: name, connection, TLS, an empty export request, its answer.

An empty request is accepted like any other and stores nothing.
"""

from __future__ import annotations

import base64
import email.utils
import http.client
import ipaddress
import socket
import ssl
import time
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from ._doctor_targets import Target
from ._grpc import NOT_GRPC, CallError, call_over, request_of
from ._otlp import METHODS, rejection

# Of each step.
TIMEOUT = 5.0
# The client's whole budget at its end is 2 s; over HTTP it sends events first, metrics after their answer.
SLOW = 1.0
EXPIRED, NOT_YET_VALID = 10, 9
WRONG_NAMES = (62, 64)
# What does not depend on the signal.
PORT_WIDE = (
    *("proxy", "dns", "refused", "no-connection", "no-answer"),
    *("ca-unreadable", "ca-expired", "tls-expired", "tls-unknown-ca", "tls-name"),
)
_CONTENT_TYPES = {"http/json": "application/json"}


@dataclass(frozen=True)
class Reached:
    """`cause` is empty if the collector took the request. `skew`: its clock minus ours in seconds, None if not told."""

    cause: str = ""
    detail: str = ""
    seconds: float = 0.0
    skew: float | None = None


class _Stop(Exception):
    """The way ends here."""

    def __init__(self, cause: str, detail: str) -> None:
        super().__init__(detail)
        self.cause = cause


def reach(target: Target, env: Mapping[str, str]) -> Reached:
    """What becomes of an empty export request. `env` are the client's variables, for a proxy."""
    proxy = proxy_for(target, env)
    started = time.monotonic()
    try:
        with _connected(target, proxy) as opened:
            if target.grpc:
                _ask_grpc(target, opened)
                return Reached(seconds=time.monotonic() - started)
            skew = _ask_http(target, opened, proxy)
            return Reached(seconds=time.monotonic() - started, skew=skew)
    except _Stop as stop:
        return Reached(stop.cause, str(stop), time.monotonic() - started)


def proxy_for(target: Target, env: Mapping[str, str]) -> str:
    """The proxy the client sends through: with HTTP protocols, and never to this host itself."""
    if target.grpc or _is_loopback(target.host):
        return ""
    scheme = "HTTPS_PROXY" if target.tls else "HTTP_PROXY"
    proxy = env.get(scheme.lower()) or env.get(scheme, "")
    exempt = env.get("no_proxy") or env.get("NO_PROXY", "")
    if not proxy or urllib.request.proxy_bypass_environment(target.host, {"no": exempt}):  # type: ignore[attr-defined]
        return ""
    return proxy if "://" in proxy else f"http://{proxy}"


def _connected(target: Target, proxy: str) -> socket.socket:
    if not proxy:
        opened = _connect(target.host, target.port)
        return _secured(target, opened) if target.tls else opened
    parts = urlsplit(proxy)
    shown = f"the proxy {parts.hostname}:{parts.port or 80}"
    try:
        opened = _connect(parts.hostname or "", parts.port or 80)
    except _Stop as stop:
        raise _Stop("proxy", f"{shown}: {stop}") from stop
    if not target.tls:
        return opened
    where = f"{target.host}:{target.port}"
    try:
        lines = "".join(f"{name}: {value}\r\n" for name, value in {"Host": where, **_credential(proxy)}.items())
        opened.sendall(f"CONNECT {where} HTTP/1.1\r\n{lines}\r\n".encode())
        answer = http.client.HTTPResponse(opened, method="CONNECT")
        answer.begin()
    except (OSError, http.client.HTTPException) as error:
        raise _Stop("proxy", f"{shown} gives no answer to CONNECT") from error
    if answer.status != 200:
        raise _Stop("proxy", f"{shown} answers {answer.status} to CONNECT {where}")
    return _secured(target, opened)


def _credential(proxy: str) -> dict[str, str]:
    """The header for the user and password in a proxy's URL."""
    parts = urlsplit(proxy)
    if not parts.username:
        return {}
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return {"Proxy-Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}


def _connect(host: str, port: int) -> socket.socket:
    try:
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        raise _Stop("dns", f"{host} has no address") from error
    try:
        return socket.create_connection((host, port), TIMEOUT)
    except socket.timeout as error:
        raise _Stop("no-connection", f"no connection in {TIMEOUT:.0f} s") from error
    except ConnectionRefusedError as error:
        raise _Stop("refused", f"connection refused by {addresses[0][4][0]}") from error
    except OSError as error:
        raise _Stop("no-connection", error.strerror or str(error)) from error


def _secured(target: Target, opened: socket.socket) -> ssl.SSLSocket:
    context = ssl.create_default_context()
    try:
        if target.authority:
            context.load_verify_locations(target.authority)
        if target.certificate:
            context.load_cert_chain(target.certificate, target.key or None, target.password or None)
    except OSError as error:
        opened.close()
        files = " or ".join(filter(None, (target.authority, target.certificate, target.key)))
        raise _Stop("ca-unreadable", f"{files} can't be read: {error.strerror or error}") from error
    if target.grpc:
        context.set_alpn_protocols(["h2"])
    if target.grpc and _is_address(target.host):
        opened.close()
        raise _Stop("tls-name", f"{target.host} is an IP address")
    try:
        return context.wrap_socket(opened, server_hostname=target.host)
    except ssl.SSLCertVerificationError as error:
        opened.close()
        if error.verify_code in (EXPIRED, NOT_YET_VALID):
            expired = bool(target.authority) and all(map(_is_over, _authorities(target.authority)))
            raise _Stop("ca-expired" if expired else "tls-expired", error.verify_message) from error
        cause = "tls-name" if error.verify_code in WRONG_NAMES else "tls-unknown-ca"
        raise _Stop(cause, error.verify_message) from error
    except socket.timeout as error:
        opened.close()
        raise _Stop("no-answer", "no TLS answer") from error
    except OSError as error:
        opened.close()
        raise _Stop("tls-not-spoken", "the answer to the TLS greeting is not TLS") from error


def _authorities(path: str) -> list[dict[str, Any]]:
    """Those in a file that can be read."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(path)
    return context.get_ca_certs()


def _is_over(certificate: Mapping[str, Any]) -> bool:
    return ssl.cert_time_to_seconds(certificate["notAfter"]) < time.time()


def _ask_grpc(target: Target, opened: socket.socket) -> None:
    authority = urlsplit(target.url).netloc.rpartition("@")[2]
    scheme = "https" if target.tls else "http"
    try:
        request = request_of(authority, METHODS[target.signal], b"", target.headers, scheme)
        answer = call_over(opened, request, TIMEOUT)
    except CallError as error:
        raise _Stop(_cause_of_grpc(error, target), str(error)) from error
    except (socket.timeout, TimeoutError) as error:
        raise _Stop("no-answer", f"no answer in {TIMEOUT:.0f} s") from error
    except UnicodeError as error:
        raise _Stop("auth-refused", "a header holds characters beyond ASCII") from error
    except OSError as error:
        raise _Stop(_other_than(target, "wrong-protocol"), "the connection is closed without an answer") from error
    _must_be_otlp(answer)


def _cause_of_grpc(error: CallError, target: Target) -> str:
    if error.status in ("UNAUTHENTICATED", "PERMISSION_DENIED"):
        return "auth-refused"
    if error.status == "UNIMPLEMENTED":
        return "wrong-path"
    if error.status in ("", NOT_GRPC):
        return _other_than(target, "no-answer" if "in time" in str(error) else "wrong-protocol")
    return "server-error"


def _ask_http(target: Target, opened: socket.socket, proxy: str) -> float | None:
    """The collector's clock minus ours."""
    parts = urlsplit(target.url)
    path = parts.path or "/"
    through = _credential(proxy) if proxy and not target.tls else {}
    if proxy and not target.tls:
        path = f"http://{parts.netloc.rpartition('@')[2]}{path}"
    body = b"{}" if target.protocol == "http/json" else b""
    headers = {"Content-Type": _CONTENT_TYPES.get(target.protocol, "application/x-protobuf"), **through}
    headers.update(target.headers)
    connection = http.client.HTTPConnection(target.host, target.port)
    opened.settimeout(TIMEOUT)
    connection.sock = opened
    try:
        connection.request("POST", path, body=body, headers=headers)
        answer = connection.getresponse()
        content = answer.read(65536)
    except socket.timeout as error:
        raise _Stop("no-answer", f"no answer in {TIMEOUT:.0f} s") from error
    except (UnicodeError, ValueError) as error:
        raise _Stop("auth-refused", "a header holds characters that HTTP does not allow") from error
    except (OSError, http.client.HTTPException) as error:
        raise _Stop(_other_than(target, "wrong-protocol"), "the answer is not HTTP/1.1") from error
    if answer.status != 200:
        _explain(target, answer.status, answer.reason, content, proxy)
    if target.protocol != "http/json":
        _must_be_otlp(content)
    told = email.utils.parsedate_to_datetime(answer.headers["Date"]) if answer.headers.get("Date") else None
    return told.timestamp() - time.time() if told else None


def _explain(target: Target, status: int, reason: str, content: bytes, proxy: str) -> None:
    detail = f"the answer is {status} {reason}".rstrip()
    if proxy:
        raise _Stop("proxy", f"through the proxy {urlsplit(proxy).hostname}:{urlsplit(proxy).port or 80} {detail}")
    if status in (401, 403):
        raise _Stop("auth-refused", detail)
    if status in (404, 405):
        raise _Stop("wrong-path", detail)
    if status == 400 and b"HTTPS" in content:
        raise _Stop("tls-required", detail)
    if status < 400:
        raise _Stop("not-a-collector", detail)
    raise _Stop("server-error", detail)


def _must_be_otlp(answer: bytes) -> None:
    try:
        rejection(answer)
    except ValueError as error:
        raise _Stop("not-a-collector", "the answer is not OTLP") from error


def _other_than(target: Target, cause: str) -> str:
    """A port that stays silent or talks gibberish in the clear may speak TLS."""
    if target.tls:
        return cause
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with socket.create_connection((target.host, target.port), TIMEOUT) as opened, context.wrap_socket(opened):
            return "tls-required"
    except OSError:
        return cause


def _is_address(host: str) -> bool:
    try:
        return bool(ipaddress.ip_address(host))
    except ValueError:
        return False


def _is_loopback(host: str) -> bool:
    return host == "localhost" or (_is_address(host) and ipaddress.ip_address(host).is_loopback)
