# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: settings_credentials
author:
  - claude_code.observability contributors (!UNKNOWN)
short_description: Credentials of users in the form that the module claude_settings takes
description:
  - For O(ignore:user_secret_env) of M(claude_code.observability.claude_settings), or for O(ignore:user_headers_helper).
options:
  _input:
    description: Values of the header C(Authorization) by user.
    type: dict
    required: true
  helper:
    description: Whether a script says the header, rather than a variable.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Each user sends with a credential of their own
  claude_code.observability.claude_settings:
    users: [ada, bob]
    env: "{{ telemetry }}"
    user_secret_env: "{{ credentials | claude_code.observability.settings_credentials }}"
  become: true
"""

RETURN = r"""
_value:
  description: Variables, or headers, by user.
  type: dict
"""

from collections.abc import Callable, Mapping

from ansible_collections.claude_code.observability.plugins.module_utils._settings_lint import HEADERS


def settings_credentials(headers: Mapping[str, str], helper: bool = False) -> dict[str, dict[str, str]]:
    return {
        user: {"Authorization": header} if helper else {HEADERS: f"Authorization={header}"}
        for user, header in headers.items()
    }


class FilterModule:
    def filters(self) -> dict[str, Callable[..., dict[str, dict[str, str]]]]:
        return {"settings_credentials": settings_credentials}
