# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: settings_problems
author:
  - claude_code.observability contributors (!UNKNOWN)
short_description: What is wrong with Claude Code's telemetry variables
description:
  - Judges the variables as M(claude_code.observability.claude_settings) does, without a host.
options:
  _input:
    description: The variables by name.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: The variables are ones that Claude Code understands
  ansible.builtin.assert:
    that: claude_settings_env | claude_code.observability.settings_problems == []
"""

RETURN = r"""
_value:
  description: One sentence for each fault, with the reason and the way out. Empty when there is none.
  type: list
  elements: str
"""

from collections.abc import Callable, Mapping

from ansible.errors import AnsibleFilterError
from ansible_collections.claude_code.observability.plugins.module_utils._settings_wanted import OptionError, judged


def settings_problems(env: Mapping[str, object]) -> list[str]:
    try:
        return judged({"env": env, "secret_env": {}}).problems
    except OptionError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    def filters(self) -> dict[str, Callable[..., list[str]]]:
        return {"settings_problems": settings_problems}
