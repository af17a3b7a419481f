# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: managed_settings
author:
  - claude_code.observability contributors (!UNKNOWN)
short_description: Telemetry variables as settings for all users of a machine
description:
  - Judges the variables as M(claude_code.observability.claude_settings) does with O(ignore:scope=managed), and puts
    them into the form of a settings file, without a host.
positional: attributes
options:
  _input:
    description: The variables by name. Their C(OTEL_RESOURCE_ATTRIBUTES), if any, wins over O(attributes).
    type: dict
    required: true
  attributes:
    description: Resource attributes by name.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: A settings file for all users of an image
  ansible.builtin.copy:
    content: "{{ telemetry | claude_code.observability.managed_settings({'team': 'ci'}) | to_nice_json }}"
    dest: image/etc/claude-code/managed-settings.d/telemetry.json
    mode: "0644"
"""

RETURN = r"""
_value:
  description: What stands in the file.
  type: dict
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.claude_code.observability.plugins.module_utils._settings_plan import ATTRIBUTES
from ansible_collections.claude_code.observability.plugins.module_utils._settings_wanted import (
    OptionError,
    judged,
    wanted_for_everybody,
)

# Not to be had in a registry file, a file of variables or XML.
CONTROL = re.compile(r"[\x00-\x1f\x7f]")
# The other options of the module. Whether a credential may be readable is for the caller to say.
REST: dict[str, Any] = {
    "state": "present",
    "users": [],
    "all_users": False,
    "config_dir": None,
    "user_resource_attributes": {},
    "secret_env": {},
    "if_absent": [],
    "endpoint_conflict": "overwrite",
    "allow_readable_secrets": True,
}


def managed_settings(env: Mapping[str, object], attributes: Mapping[str, object] | None = None) -> dict[str, Any]:
    """Raises AnsibleFilterError with every fault."""
    options = {**REST, "env": env, "resource_attributes": attributes or {}}
    try:
        wanted = wanted_for_everybody(options)
        problems = judged(options).problems
    except OptionError as error:
        raise AnsibleFilterError(str(error)) from error
    # Secrets may be among the values: none is shown.
    problems += [
        f"{name} holds a line break or another control character: take it out."
        for name, value in wanted.env.items()
        if CONTROL.search(value)
    ]
    if problems:
        raise AnsibleFilterError(" ".join(problems))
    items = ",".join(f"{name}={value}" for name, value in wanted.attributes.items())
    return {"env": {**wanted.env, **({ATTRIBUTES: items} if items else {})}}


class FilterModule:
    def filters(self) -> dict[str, Callable[..., dict[str, Any]]]:
        return {"managed_settings": managed_settings}
