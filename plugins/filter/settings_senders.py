# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: settings_senders
author:
  - claude_code.observability contributors (!UNKNOWN)
short_description: As whom the users of a client send their telemetry
description:
  - Each user by the name of the sender whose credential they get, which the collector takes for the developer.
  - It is O(sender), else the attribute C(developer) of that user, else O(developer). V({user}) in it stands for the
    user. Where that leaves no name, it is O(host).
options:
  _input:
    description: Names of users. Without any there is one, with an empty name, who logs in to the host.
    type: list
    elements: str
    required: true
  sender:
    description: The variable C(claude_settings_sender).
    type: str
    default: ""
  developer:
    description: The variable C(claude_settings_developer).
    type: str
    default: ""
  attributes:
    description: The variable C(claude_settings_user_attributes).
    type: dict
    default: {}
  host:
    description: The name of the host in the inventory.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Say who sends
  ansible.builtin.debug:
    msg: "{{ claude_settings_users | claude_code.observability.settings_senders(host=inventory_hostname) }}"
"""

RETURN = r"""
_value:
  description: Names of senders by user.
  type: dict
  sample: {ada: ada, bob: bob}
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible_collections.claude_code.observability.plugins.module_utils._settings_wanted import USER


def settings_senders(
    users: Iterable[str],
    sender: str = "",
    developer: str = "",
    attributes: Mapping[str, Mapping[str, Any]] | None = None,
    host: str = "",
) -> dict[str, str]:
    def name_of(user: str) -> str:
        said = sender or str((attributes or {}).get(user, {}).get("developer", developer))
        said = said.replace(USER, user) if user else said
        return host if not said or USER in said else said

    return {user: name_of(user) for user in list(users) or [""]}


class FilterModule:
    def filters(self) -> dict[str, Callable[..., dict[str, str]]]:
        return {"settings_senders": settings_senders}
