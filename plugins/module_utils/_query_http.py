# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks a store over HTTP. Every failure is a QueryError that says what to do."""

from __future__ import annotations

import http.client
import json
import re
import socket
import urllib.error
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

from ansible.module_utils.urls import open_url  # type: ignore[import-untyped]
from ansible_collections.claude_code.observability.plugins.module_utils._download import shown
from ansible_collections.claude_code.observability.plugins.module_utils._tls import (
    PLAINTEXT_REFUSED,
    SPEAKS_TLS,
    Access,
    AccessError,
)

# What a store says of an error is a line or two; more is the page of something else.
MAX_REASON = 2000
LOOPBACK = ("localhost", "127.0.0.1", "::1")
HINTS = {
    401: "username and password, token or headers are missing or wrong",
    403: "these credentials may not read here",
    404: "url is the address before /api or /loki, with the path prefix if there is one",
    407: "the proxy wants credentials, or use_proxy: false",
}
# Where in the query the store stopped reading it.
POSITION = {"prometheus": r"\b(\d+):(\d+): ", "loki": r"line (\d+), col (\d+)"}


class QueryError(Exception):
    """The store cannot be asked, or does not like the question."""


@dataclass(frozen=True)
class Store:
    """Where a store is and how it is reached; the options of modules and lookups."""

    kind: str
    url: str
    username: str | None = None
    password: str | None = None
    token: str | None = None
    headers: Mapping[str, str] | None = None
    ca_path: str | None = None
    client_cert: str | None = None
    client_key: str | None = None
    validate_certs: bool = True
    use_proxy: bool = True
    timeout: int = 30

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise QueryError(f"url is {shown(self.url)!r}; write http://host:port or https://host/path.")
        if self.token and self.username:
            raise QueryError("token and username are both set; a request carries one of them.")

    @property
    def access(self) -> Access:
        return Access(self.ca_path, self.client_cert, self.client_key, self.validate_certs)

    @property
    def name(self) -> str:
        """The store and its address, for messages."""
        return f"{self.kind.capitalize()} at {shown(self.url)}"

    def post(self, path: str, parameters: Mapping[str, str]) -> dict[str, Any]:
        """What a query answers. In the body, a query may be as long as it likes."""
        return self._ask(path, urlencode(parameters), parameters.get("query", ""))

    def get(self, path: str, parameters: Mapping[str, str]) -> dict[str, Any]:
        """What another request answers."""
        return self._ask(f"{path}?{urlencode(parameters)}", None, "")

    def _ask(self, path: str, body: str | None, query: str) -> dict[str, Any]:
        headers = dict(self.headers or {})
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        try:
            if self.url.startswith("https:"):
                self.access.context()  # open_url makes the same one, but does not say which file is wrong.
            with open_url(
                self.url.rstrip("/") + path,
                data=body,
                headers=headers,
                method="GET" if body is None else "POST",
                timeout=self.timeout,
                use_proxy=self.use_proxy and urlsplit(self.url).hostname not in LOOPBACK,
                validate_certs=self.validate_certs,
                ca_path=self.ca_path,
                client_cert=self.client_cert,
                client_key=self.client_key,
                url_username=self.username,
                url_password=self.password,
                force_basic_auth=bool(self.username),
                # A login page is no answer, and the credentials are for this address only.
                follow_redirects="none",
                use_netrc=False,
            ) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            raise QueryError(self._refusal(error, query)) from error
        except AccessError as error:
            raise QueryError(f"{self.name}: {error}") from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise QueryError(f"{self.name}: {self._failure(error)}") from error
        try:
            found = json.loads(text)
        except ValueError:
            found = None
        if not isinstance(found, dict) or found.get("status") != "success":
            raise QueryError(f"{self.name} answers, but not as {self.kind.capitalize()} does. Is url right?")
        return found

    def _refusal(self, error: urllib.error.HTTPError, query: str) -> str:
        """What the store itself says, and where in the query."""
        try:
            text = error.read(MAX_REASON).decode(errors="replace").strip()
        except (OSError, http.client.HTTPException):
            text = ""
        if 300 <= error.code < 400:
            target = shown(str(error.headers.get("Location", "")))
            return f"{self.name}: HTTP {error.code}, redirected to {target}; write into url where it really is."
        if PLAINTEXT_REFUSED in text:
            return f"{self.name}: {SPEAKS_TLS}."
        if error.code in HINTS:
            return f"{self.name}: HTTP {error.code} {error.reason}; {HINTS[error.code]}."
        try:
            said = json.loads(text)
            text = str(said.get("error") or said.get("message") or text)
        except (ValueError, AttributeError):
            if "<html" in text.lower():
                text = str(error.reason)
        if error.code in (503, 504) and "timed out" in text:
            text += f"\n(timeout is {self.timeout} s; a shorter range or fewer series take less)"
        elif "maximum number of series" in text or "too many samples" in text:
            text += "\n(a shorter range, or a sum by fewer labels, reads less)"
        return f"{self.name}: HTTP {error.code}: {text}{place(self.kind, text, query)}"

    def _failure(self, error: Exception) -> str:
        """Why no answer came, and which option helps."""
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        about_tls = self.access.failure(error)
        if about_tls:
            return about_tls
        if isinstance(reason, (socket.timeout, TimeoutError)):
            return f"no answer within {self.timeout} s (timeout)"
        if isinstance(reason, (http.client.HTTPException, ConnectionError)) and not isinstance(
            reason, ConnectionRefusedError
        ):
            # A server that misses the client's certificate may say so only after the handshake, or just hang up.
            hint = "does it want a client_cert and client_key?"
            if self.url.startswith("http:"):
                hint = "https:// in the URL?"
            elif self.access.client_cert:
                hint = f"does it accept the certificate in client_cert, {self.access.client_cert!r}?"
            return f"the connection broke off ({reason}); {hint}"
        if isinstance(reason, OSError) and reason.strerror:
            return f"not reachable: {reason.strerror}"
        return f"not reachable: {reason}"


def place(kind: str, reason: str, query: str) -> str:
    """The line of the query that the store names, and a mark below the column."""
    found = re.search(POSITION[kind], reason)
    lines = query.split("\n")
    if not found or not 1 <= int(found[1]) <= len(lines):
        return ""
    return f"\n  {lines[int(found[1]) - 1]}\n  {' ' * (int(found[2]) - 1)}^"
