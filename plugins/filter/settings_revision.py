# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: settings_revision
author:
  - claude_code.observability contributors (!UNKNOWN)
short_description: A short name for a block of Claude Code's telemetry variables
description:
  - Eight hexadecimal digits that tell one block from another. It travels with the telemetry, so that it shows who has
    which.
  - The same for every user, and in whatever order the variables stand. Values of variables with C(HEADERS), C(TOKEN),
    C(KEY), C(SECRET) or C(PASSWORD) in their names do not count, nor do values of resource attributes, which say who
    somebody is. That they are there does.
options:
  _input:
    description: The variables by name.
    type: dict
    required: true
  attributes:
    description: Names of the resource attributes, beside those in C(OTEL_RESOURCE_ATTRIBUTES).
    type: list
    elements: str
    default: []
  scope:
    description: The scope of the settings they stand in.
    type: str
    default: user
"""

EXAMPLES = r"""
- name: Say which block is rolled out
  ansible.builtin.debug:
    msg: "{{ claude_settings_env | claude_code.observability.settings_revision(attributes=['team']) }}"
"""

RETURN = r"""
_value:
  description: The revision.
  type: str
  sample: 1f0c7ab2
"""

from collections.abc import Callable, Iterable, Mapping

from ansible.errors import AnsibleFilterError
from ansible_collections.claude_code.observability.plugins.module_utils._settings_wanted import OptionError, revision


def settings_revision(env: Mapping[str, object], attributes: Iterable[str] = (), scope: str = "user") -> str:
    try:
        return revision(env, attributes, scope)
    except OptionError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    def filters(self) -> dict[str, Callable[..., str]]:
        return {"settings_revision": settings_revision}
