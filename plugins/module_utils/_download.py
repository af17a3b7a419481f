# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads http, https and file URLs as streams, and the checksum files that stand beside release archives."""

from __future__ import annotations

import hashlib
import http.client
import os
import posixpath
import re
import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import IO, Any
from urllib.parse import unquote, urlsplit, urlunsplit

CHUNK = 1 << 20
MAX_BYTES = 8 << 30
MAX_CHECKSUM_BYTES = 1 << 20
USER_AGENT = "claude_code.observability"
SHA256 = re.compile(r"[0-9a-fA-F]{64}")
CHECKSUM_LINE = re.compile(r"([0-9a-fA-F]+) [ *](?:\./)?(.+)")


class DownloadError(Exception):
    """A source that cannot be read or trusted; the text names it and says what to do."""


@dataclass(frozen=True)
class Transport:
    """How a URL is reached. The timeout, in seconds, holds for each wait on the network, not for the whole transfer."""

    headers: Mapping[str, str] = field(default_factory=dict)
    proxy: str = ""
    ca_path: str = ""
    timeout: int = 30


def check_url(url: str, option: str) -> None:
    """Refuses a URL we cannot read, or one that would show a password in logs."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https", "file"):
        raise DownloadError(f"{option} must be an http, https or file URL, not {shown(url)!r}")
    if "@" in parts.netloc:
        raise DownloadError(f"{option} must not hold a user name or password, logs would show them: use headers")
    if parts.scheme == "file" and parts.netloc not in ("", "localhost"):
        raise DownloadError(f"{option}: a file URL has three slashes, as in file:///srv/mirror, not {shown(url)!r}")
    if parts.scheme != "file" and not parts.hostname:
        raise DownloadError(f"{option} names no host: {shown(url)!r}")


def shown(url: str) -> str:
    """The URL as messages may show it: without user, password, query (signed URLs) and fragment."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def password_of(url: str) -> set[str]:
    """What a log must not show of a URL."""
    password = urlsplit(url).password
    return {password, unquote(password)} if password else set()


def artifact_name(url: str) -> str:
    """The file name at the end of a URL: the name checksum lists know the archive by."""
    name = unquote(posixpath.basename(urlsplit(url).path))
    if not name or name in (".", "..") or "/" in name:
        raise DownloadError(f"url names no file: {shown(url)!r}")
    return name


def origin(url: str) -> tuple[str, str, int]:
    """Scheme, host and port: who gets to see the headers."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)


def find_checksum(text: str, artifact: str) -> str:
    """The SHA-256 of the artifact in a checksum file: sha256sum's list, or nothing but the 64 digits."""
    if SHA256.fullmatch(text.strip()):
        return text.strip().lower()
    lines = (CHECKSUM_LINE.fullmatch(line.rstrip("\r")) for line in text.split("\n"))
    found = {line.group(1).lower() for line in lines if line and line.group(2) == artifact}
    if not found:
        raise DownloadError(f"it neither lists {artifact!r} nor is a bare SHA-256")
    if len(found) > 1:
        raise DownloadError(f"it lists {artifact!r} with different checksums")
    checksum = found.pop()
    if not SHA256.fullmatch(checksum):
        raise DownloadError(f"its checksum of {artifact!r} is not a SHA-256: {checksum!r}")
    return checksum


def fetch_checksum(url: str, artifact: str, transport: Transport) -> str:
    """Reads a checksum file and returns what it says of the artifact."""
    content = b""
    for chunk in stream(url, transport):
        content += chunk
        if len(content) > MAX_CHECKSUM_BYTES:
            raise DownloadError(f"{shown(url)} is too large for a checksum file")
    try:
        return find_checksum(content.decode(), artifact)
    except (UnicodeDecodeError, DownloadError) as exc:
        raise DownloadError(f"checksum_url {shown(url)}: {exc}") from exc


def save(chunks: Iterable[bytes], path: str) -> tuple[str, int]:
    """Writes a stream to a new file; returns its SHA-256 and its size in bytes."""
    digest = hashlib.sha256()
    size = 0
    with open(path, "xb") as out:
        for chunk in chunks:
            size += len(chunk)
            if size > MAX_BYTES:
                raise DownloadError(f"the archive is larger than {MAX_BYTES} bytes")
            digest.update(chunk)
            out.write(chunk)
    return digest.hexdigest(), size


def read_file(path: str) -> Iterator[bytes]:
    """A local file in chunks."""
    try:
        with open(path, "rb") as source:
            yield from iter(lambda: source.read(CHUNK), b"")
    except OSError as exc:
        raise DownloadError(f"{path} cannot be read: {exc.strerror}") from exc


def stream(url: str, transport: Transport) -> Iterator[bytes]:
    """What a URL holds, in chunks. A transfer that ends early is an error, whatever the checksum would say."""
    if urlsplit(url).scheme == "file":
        yield from read_file(unquote(urlsplit(url).path))
        return
    opener = _opener(url, transport)
    try:
        with opener.open(_request(url, transport.headers), timeout=transport.timeout) as response:
            promised = response.headers.get("Content-Length")
            size = 0
            while True:
                chunk = response.read(CHUNK)
                if not chunk:
                    break
                size += len(chunk)
                yield chunk
        # A sized read of http.client ends without an error when the connection does.
        if promised is not None and size != int(promised):
            raise DownloadError(f"{shown(url)}: the transfer broke off after {size} of {promised} bytes")
    except (OSError, http.client.HTTPException) as exc:
        raise DownloadError(f"{shown(url)}: {_reason(exc, transport)}") from exc


def _request(url: str, headers: Mapping[str, str]) -> urllib.request.Request:
    return urllib.request.Request(url, headers={"User-Agent": USER_AGENT, **headers})


def _opener(url: str, transport: Transport) -> urllib.request.OpenerDirector:
    context = ssl.create_default_context()
    if transport.ca_path:
        directory = os.path.isdir(transport.ca_path)
        try:
            context.load_verify_locations(**{"capath" if directory else "cafile": transport.ca_path})
        except OSError as exc:
            raise DownloadError(f"ca_path {transport.ca_path!r} cannot be used: {exc.strerror or exc}") from exc
    # Without a proxy of ours, urllib takes the environment's; no_proxy holds in both cases.
    proxies = {"http": transport.proxy, "https": transport.proxy} if transport.proxy else None
    return urllib.request.build_opener(
        urllib.request.ProxyHandler(proxies),
        urllib.request.HTTPSHandler(context=context),
        _Redirects(url, transport.headers),
    )


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but shows the headers to nobody except the origin they were meant for."""

    # Python has it since 3.11 only.
    http_error_308 = urllib.request.HTTPRedirectHandler.http_error_302

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        self._origin = origin(url)
        self._headers = headers

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request:
        scheme = urlsplit(newurl).scheme
        if scheme != "https" and (scheme != "http" or req.type == "https"):
            raise DownloadError(f"{shown(req.full_url)}: redirected to {shown(newurl)}, which is less safe: refused")
        return _request(newurl, self._headers if origin(newurl) == self._origin else {})


def _reason(exc: Exception, transport: Transport) -> str:
    """What went wrong, and which option helps."""
    if isinstance(exc, urllib.error.HTTPError):
        hints = {
            401: "credentials go in headers",
            403: "credentials go in headers",
            404: "check the version, and that the mirror holds this file",
            407: "the proxy's credentials go in proxy, as in http://user:password@proxy:3128",
        }
        hint = hints.get(exc.code)
        return f"HTTP {exc.code} {exc.reason}" + (f" ({hint})" if hint else "")
    if isinstance(exc, http.client.IncompleteRead):
        return "the transfer broke off"
    reason = exc.reason if isinstance(exc, urllib.error.URLError) else exc
    if isinstance(reason, ssl.SSLCertVerificationError):
        now = f"ca_path is {transport.ca_path!r}" if transport.ca_path else "ca_path is not set"
        return f"its TLS certificate is not trusted: {reason.verify_message} ({now}; the CA's certificate goes there)"
    if isinstance(reason, socket.timeout):
        return f"no answer within {transport.timeout} s (timeout)"
    if isinstance(reason, OSError) and reason.strerror:
        return reason.strerror
    return str(reason) or type(reason).__name__
