# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the options of claude_settings to what one user's file shall hold."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from . import _resource_attributes as attributes
from ._settings_lint import Findings, lint
from ._settings_plan import ATTRIBUTES, Wanted

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class OptionError(ValueError):
    """An option that can't be meant. The text names it and says what to do."""


def wanted_for(user: str, options: Mapping[str, Any]) -> Wanted:
    """What the file of that user shall hold. Raises OptionError."""
    if options["state"] == "absent":
        return Wanted()
    env = {**_strings("env", options["env"]), **_strings("secret_env", options["secret_env"])}
    items = {
        **_strings("resource_attributes", options["resource_attributes"]),
        **_strings(f"user_resource_attributes.{user}", options["user_resource_attributes"].get(user) or {}),
    }
    try:
        items.update(attributes.parse(env.pop(ATTRIBUTES, "")))
    except ValueError as error:
        raise OptionError(f"env.{ATTRIBUTES}: {error}") from error
    items = {key: value.replace("{user}", user) for key, value in items.items()}
    problems = [problem for problem in (attributes.problem_with(*item) for item in items.items()) if problem]
    if problems:
        raise OptionError("resource_attributes: " + "; ".join(problems))
    for name in env:
        if not _NAME.fullmatch(name):
            raise OptionError(f"env: {name!r} is no name for an environment variable")
    return Wanted(env, items, options["endpoint_conflict"] == "refuse")


def judged(options: Mapping[str, Any]) -> Findings:
    """What Claude Code would make of the variables. Raises OptionError."""
    return lint({**_strings("env", options["env"]), **_strings("secret_env", options["secret_env"])})


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
