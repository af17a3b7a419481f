# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls Grafana's HTTP API. Every failure is a GrafanaError that says what to do."""

from __future__ import annotations

import http.client
import json
import urllib.error
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from ansible.module_utils.urls import open_url  # type: ignore[import-untyped]
from ansible_collections.claude_code.observability.plugins.module_utils._download import shown
from ansible_collections.claude_code.observability.plugins.module_utils._tls import (
    PLAINTEXT_REFUSED,
    SPEAKS_TLS,
    Access,
    AccessError,
)

LOOPBACK = ("localhost", "127.0.0.1", "::1")
LOGIN = (
    "the login is not accepted. In the role it is grafana_token, else grafana_admin_user and grafana_admin_password: "
    "the password must be the one that works now, also if it was changed in Grafana"
)
IN_THE_ROLE = "In the role ca_path is grafana_ca_path, the URL grafana_external_url."
HINTS = {
    401: LOGIN,
    403: "this login may not do that; it must be an administrator's, or the token of a service account that is Admin",
    404: "the URL is the address before /api, with the path prefix if there is one",
}


class GrafanaError(Exception):
    """Grafana cannot be asked, or refuses; the text says why and what to do."""


@dataclass(frozen=True)
class Api:
    """Where a Grafana is and how to log in; the options of the module."""

    url: str
    username: str | None = None
    password: str | None = None
    token: str | None = None
    ca_path: str | None = None
    validate_certs: bool = True
    timeout: int = 30

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise GrafanaError(
                f"url is {shown(self.url)!r}; write http://host:port or https://host/path "
                "(in the role: grafana_external_url)."
            )

    def get(self, path: str) -> Any:
        """What Grafana has there; None where there is nothing."""
        return self._call("GET", path)

    def send(self, method: str, path: str, body: Any = None) -> Any:
        """What Grafana answers to a change."""
        return self._call(method, path, body)

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        try:
            if self.url.startswith("https:"):
                self._access.context()  # open_url makes the same one, but does not say which file is wrong.
            with open_url(
                self.url.rstrip("/") + path,
                data=None if body is None else json.dumps(body),
                headers=headers,
                method=method,
                timeout=self.timeout,
                use_proxy=urlsplit(self.url).hostname not in LOOPBACK,
                validate_certs=self.validate_certs,
                ca_path=self.ca_path,
                url_username=None if self.token else self.username,
                url_password=None if self.token else self.password,
                force_basic_auth=not self.token,
                # The login is for this address only.
                follow_redirects="none",
                use_netrc=False,
            ) as answer:
                return json.loads(answer.read())
        except urllib.error.HTTPError as error:
            if error.code == 404 and method == "GET":
                return None
            raise GrafanaError(f"{self._name}: {method} {path}: {_refusal(error)}") from error
        except AccessError as error:
            raise GrafanaError(f"{self._name}: {error}. {IN_THE_ROLE}") from error
        except ValueError as error:
            raise GrafanaError(f"{self._name} answers, but not as Grafana does. Is the URL right?") from error
        except (OSError, http.client.HTTPException) as error:
            raise GrafanaError(f"{self._name}: {self._failure(error)}") from error

    @property
    def _name(self) -> str:
        return f"Grafana at {shown(self.url)}"

    @property
    def _access(self) -> Access:
        return Access(ca_path=self.ca_path, validate_certs=self.validate_certs)

    def _failure(self, error: Exception) -> str:
        about_tls = self._access.failure(error)
        if about_tls:
            return f"{about_tls}. {IN_THE_ROLE}"
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        return f"not reachable: {getattr(reason, 'strerror', None) or reason}"


def _refusal(error: urllib.error.HTTPError) -> str:
    """What Grafana says of it, and what helps."""
    if 300 <= error.code < 400:
        target = shown(str(error.headers.get("Location", "")))
        return f"HTTP {error.code}, redirected to {target}; write into the URL where it really is."
    try:
        text = error.read()
    except (OSError, http.client.HTTPException):
        text = b""
    if PLAINTEXT_REFUSED.encode() in text:
        return f"{SPEAKS_TLS}."
    try:
        said = json.loads(text).get("message", "")
    except (ValueError, AttributeError):
        said = ""
    return f"HTTP {error.code}: {HINTS.get(error.code) or said or error.reason}."
