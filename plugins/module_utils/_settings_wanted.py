# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the options of claude_settings to what one user's file shall hold."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from . import _resource_attributes as attributes
from ._settings_ca import Authority, is_sound, variables_for
from ._settings_lint import SIGNALS, Findings, lint, protocol_of
from ._settings_plan import ATTRIBUTES, HELPER, Wanted, is_secret

# These stand for the name and the home of the user whose file it is.
USER = "{user}"
HOME = "{home}"
_HEADER = re.compile(r"[A-Za-z0-9-]+")
_HEADER_VALUE = re.compile(r"[ -~]+")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# Options by user name.
_PERSONAL = ("user_resource_attributes", "user_secret_env", "user_headers_helper")


class OptionError(ValueError):
    """An option that can't be meant. The text names it and says what to do."""


def wanted_for(user: str, options: Mapping[str, Any]) -> Wanted:
    """What the file of that user shall hold. Raises OptionError."""
    if options["state"] == "absent":
        return Wanted()
    own = _strings(f"user_resource_attributes.{user}", options["user_resource_attributes"].get(user) or {})
    wanted = _wanted(options, own, user)
    name = attributes.encode(user)
    return replace(wanted, attributes={key: value.replace(USER, name) for key, value in wanted.attributes.items()})


def wanted_for_everybody(options: Mapping[str, Any]) -> Wanted:
    """What the managed settings of a host shall hold. Raises OptionError."""
    for name in (*_PERSONAL, "users", "all_users", "config_dir", "headers_helper"):
        if options.get(name):
            raise OptionError(f"{name} is for single users; with scope managed settings are everybody's: leave it out")
    if options["state"] == "absent":
        return Wanted()
    wanted = _wanted(options, {})
    for key, value in wanted.attributes.items():
        if USER in value:
            raise OptionError(
                f"resource_attributes.{key} is {value}, but with scope managed it is the same for every user: give it "
                "a value, or leave it out, or use scope user"
            )
    secrets = [name for name, value in wanted.env.items() if value and _is_credential(name, options)]
    if secrets and not options["allow_readable_secrets"]:
        raise OptionError(
            f"{', '.join(secrets)}: every user of the host can read managed settings. Use scope user, or say "
            "allow_readable_secrets: true if all of them may know it"
        )
    return wanted


def _wanted(options: Mapping[str, Any], own: Mapping[str, str], user: str = "") -> Wanted:
    env, headers = _env(options, user), _headers(options, user)
    items = {**_strings("resource_attributes", options["resource_attributes"]), **own}
    items.update(_items_in(env))
    problems = [problem for problem in (attributes.problem_with(*item) for item in items.items()) if problem]
    if problems:
        raise OptionError("resource_attributes: " + "; ".join(problems))
    if HELPER in env:
        raise OptionError(f"env.{HELPER} is a key beside env, not a variable: use headers_helper")
    for name in env:
        if not _NAME.fullmatch(name):
            raise OptionError(f"env: {name!r} is no name for an environment variable")
    if_absent = frozenset(options["if_absent"])
    unknown = sorted(if_absent - {*env, *([ATTRIBUTES] if items else [])})
    if unknown:
        raise OptionError(f"if_absent names {', '.join(unknown)}, which this call does not set: correct or remove it")
    return Wanted(
        env, items, options["endpoint_conflict"] == "refuse", if_absent, headers, authority=_authority(options)
    )


def _authority(options: Mapping[str, Any]) -> Authority:
    pem = options.get("ca") or ""
    if not pem:
        return Authority()
    if not is_sound(pem):
        raise OptionError("ca holds something else than certificates in PEM: give it those that clients are to trust")
    env = _env(options)
    sent = [signal for signal in SIGNALS if signal != "TRACES" or "OTEL_TRACES_EXPORTER" in env]
    return Authority(pem, variables_for(protocol_of(env, signal) for signal in sent))


def _env(options: Mapping[str, Any], user: str = "") -> dict[str, str]:
    """The variables, for a user with their own."""
    own = (options.get("user_secret_env") or {}).get(user) or {}
    return {
        **_strings("env", options["env"]),
        **_strings("secret_env", options["secret_env"]),
        **_strings(f"user_secret_env.{user}", own),
    }


def _headers(options: Mapping[str, Any], user: str = "") -> dict[str, str]:
    """What the script for headers says, for a user with their own."""
    own = (options.get("user_headers_helper") or {}).get(user) or {}
    return {
        **_strings("headers_helper", options.get("headers_helper") or {}),
        **_strings(f"user_headers_helper.{user}", own),
    }


def revision(env: Mapping[str, Any], names: Iterable[str], scope: str) -> str:
    """Eight hexadecimal digits for a block of variables and resource attributes. Raises OptionError.

    Values of secrets do not count, nor do those of resource attributes: they say who somebody is.
    """
    values = _strings("env", env)
    items = sorted({*_items_in(values), *names})
    shown = {name: None if is_secret(name) else value for name, value in values.items()}
    body = json.dumps({"scope": scope, "env": shown, "resource_attributes": items}, sort_keys=True)
    return hashlib.sha256(body.encode()).hexdigest()[:8]


def _items_in(env: dict[str, str]) -> dict[str, str]:
    """Takes the resource attributes out of the variables. Raises OptionError."""
    try:
        return attributes.parse(env.pop(ATTRIBUTES, ""))
    except ValueError as error:
        raise OptionError(f"env.{ATTRIBUTES}: {error}") from error


def _is_credential(name: str, options: Mapping[str, Any]) -> bool:
    # A client key is named by its path.
    return not name.endswith("CLIENT_KEY") and (name in options["secret_env"] or is_secret(name))


def judged(options: Mapping[str, Any]) -> Findings:
    """What Claude Code would make of the variables, those of single users included. Raises OptionError."""
    users = ["", *(user for name in ("user_secret_env", "user_headers_helper") for user in options.get(name) or {})]
    each = [_judged(_env(options, user), _headers(options, user)) for user in dict.fromkeys(users)]
    return Findings(
        list(dict.fromkeys(text for one in each for text in one.problems)),
        list(dict.fromkeys(text for one in each for text in one.warnings)),
    )


def _judged(env: Mapping[str, str], headers: Mapping[str, str]) -> Findings:
    found = lint(env)
    if headers and "grpc" in (protocol_of(env, signal) for signal in SIGNALS):
        found.problems.append("headers_helper with grpc: Claude Code asks it over HTTP only. Use secret_env or HTTP.")
    for name, value in headers.items():
        if not _HEADER.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
            found.problems.append(
                f"headers_helper.{name}: a header has a name of letters, digits and - and a value of printable ASCII."
            )
    return found


def _strings(option: str, values: Any) -> dict[str, str]:
    if not isinstance(values, Mapping):
        raise OptionError(f"{option} is {values!r}: make it a dictionary")
    return {str(key): _string(f"{option}.{key}", value) for key, value in values.items()}


def _string(option: str, value: Any) -> str:
    if isinstance(value, str):
        if "\0" in value:
            raise OptionError(f"{option} holds a NUL character, which no environment variable can")
        return value
    if isinstance(value, bool):
        raise OptionError(f'{option} is a truth value: write the string Claude Code is to read, "1" or "0"')
    if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return str(value)
    raise OptionError(f"{option} is {value!r}: make it a string or a number")
