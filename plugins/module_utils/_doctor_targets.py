# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the client would send each signal, and how: the effective variables taken as it takes them. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import unquote, urlsplit

from ._settings_lint import ON, protocol_of
from ._settings_plan import ENDPOINT

# What the doctor follows. Traces are a beta of their own.
SIGNALS = ("metrics", "logs")
EXPORTER = {"metrics": "OTEL_METRICS_EXPORTER", "logs": "OTEL_LOGS_EXPORTER"}
WORDS = {"metrics": "metrics", "logs": "events"}
# With no usable endpoint.
DEFAULTS = {"grpc": "http://localhost:4317", "http": "http://localhost:4318"}


@dataclass(frozen=True)
class Target:
    """`url` always has a scheme. `variable` set the endpoint, empty for the default; `malformed` could not be used."""

    signal: str
    protocol: str
    url: str
    variable: str
    malformed: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    authority: str = ""
    certificate: str = ""
    key: str = ""
    password: str = ""

    @property
    def grpc(self) -> bool:
        return self.protocol == "grpc"

    @property
    def tls(self) -> bool:
        return urlsplit(self.url).scheme == "https"

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        return urlsplit(self.url).port or (443 if self.tls else 80)

    @property
    def shown(self) -> str:
        """The URL for people, without credentials."""
        parts = urlsplit(self.url)
        path = "" if self.grpc else parts.path
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{path}"

    def with_headers(self, more: Mapping[str, str]) -> Target:
        """With those of a headers helper, which win."""
        merged = {**dict(self.headers), **more}
        return replace(self, headers=tuple(merged.items()))


def exporters(env: Mapping[str, str], signal: str) -> list[str]:
    return [one.strip() for one in env.get(EXPORTER[signal], "").split(",") if one.strip()]


def target_of(env: Mapping[str, str], signal: str) -> Target:
    """Where one signal goes."""
    protocol = protocol_of(env, signal.upper())
    own = f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT"
    given = {name: _trimmed(env[name], protocol, name == own) for name in (own, ENDPOINT) if env.get(name)}
    usable = [name for name, value in given.items() if _is_usable(value, protocol)]
    # One that looks like no URL at all leaves the place to the general one; one with a blank inside stops everything.
    malformed = [name for name, value in given.items() if name not in usable and (not usable or " " in value)]
    variable = usable[0] if usable else ""
    url = given[variable] if variable else DEFAULTS[protocol.partition("/")[0]]
    if protocol == "grpc":
        insecure = env.get("OTEL_EXPORTER_OTLP_INSECURE", "").lower() in ON
        url = url if "://" in url else f"{'http' if insecure else 'https'}://{url}"
    elif variable != own:
        url = f"{url.rstrip('/')}/v1/{signal}"
    return Target(
        signal,
        protocol,
        url,
        variable,
        malformed[0] if malformed else "",
        _headers(env, signal, protocol),
        **_files(env, signal, protocol),
    )


def _trimmed(value: str, protocol: str, is_whole: bool) -> str:
    """Blanks around it do no harm, except behind a URL that the client adds a path to."""
    return value.strip() if protocol == "grpc" or is_whole else value.lstrip()


def _is_usable(value: str, protocol: str) -> bool:
    if re.search(r"\s", value):
        return False
    try:
        parts = urlsplit(value if "://" in value or protocol != "grpc" else f"https://{value}")
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _headers(env: Mapping[str, str], signal: str, protocol: str) -> tuple[tuple[str, str], ...]:
    found = {}
    for name in ("OTEL_EXPORTER_OTLP_HEADERS", f"OTEL_EXPORTER_OTLP_{signal.upper()}_HEADERS"):
        for item in env.get(name, "").split(","):
            key, equals, value = item.strip().partition("=")
            if equals and key.strip():
                found[key.strip()] = unquote(value.strip()) if protocol == "grpc" else value.strip()
    return tuple(found.items())


def _files(env: Mapping[str, str], signal: str, protocol: str) -> dict[str, str]:
    if protocol != "grpc":
        return {
            "authority": env.get("NODE_EXTRA_CA_CERTS", ""),
            "certificate": env.get("CLAUDE_CODE_CLIENT_CERT", ""),
            "key": env.get("CLAUDE_CODE_CLIENT_KEY", ""),
            "password": env.get("CLAUDE_CODE_CLIENT_KEY_PASSPHRASE", ""),
        }

    def scoped(name: str) -> str:
        general = env.get(f"OTEL_EXPORTER_OTLP_{name}", "")
        return env.get(f"OTEL_EXPORTER_OTLP_{signal.upper()}_{name}", general)

    return {
        "authority": scoped("CERTIFICATE") or env.get("NODE_EXTRA_CA_CERTS", ""),
        "certificate": scoped("CLIENT_CERTIFICATE"),
        "key": scoped("CLIENT_KEY"),
    }
