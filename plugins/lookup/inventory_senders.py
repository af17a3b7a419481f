# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: inventory_senders
author:
  - claude_code.observability contributors (!UNKNOWN)
short_description: Who sends telemetry, as the inventory says
description:
  - Goes through the group C(clients), and gives the agents of laptops, the people, and C(verify), the probe of the
    playbook.
  - People behind an agent have no token of their own.
options:
  _terms:
    description: None are taken.
    type: list
    elements: str
"""

EXAMPLES = r"""
- name: The people of each team
  ansible.builtin.debug:
    msg: "{{ query('claude_code.observability.inventory_senders') | selectattr('team') | groupby('team') }}"
"""

RETURN = r"""
_raw:
  description:
    - One dictionary for each name, in the order of the inventory, with C(name), C(team), where it is known, and
      C(sends), whether it logs in to the collector.
    - The first host that names a team for somebody counts.
  type: list
  elements: dict
"""

from collections.abc import Iterator
from typing import Any

from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.lookup import LookupBase
from ansible_collections.claude_code.observability.plugins.filter.settings_senders import settings_senders

PROBE = "verify"
AGENT = "agent/"


class LookupModule(LookupBase):
    def run(self, terms: list[str], variables: Any = None, **kwargs: Any) -> list[dict[str, Any]]:
        self.set_options(var_options=variables, direct=kwargs)
        self._collectors = variables["groups"].get("otel_collector", [])
        rows: dict[str, dict[str, Any]] = {PROBE: {"name": PROBE, "team": "", "sends": True}}
        for host in variables["groups"].get("clients", []):
            for name, team, sends in self._of_host(host, variables["hostvars"][host]):
                row = rows.setdefault(name, {"name": name, "team": "", "sends": False})
                row["team"] = row["team"] or team
                row["sends"] = row["sends"] or sends
        return list(rows.values())

    def _of_host(self, host: str, facts: Any) -> Iterator[tuple[str, str, bool]]:
        """Name, team, and whether it sends, of everybody who works on a client."""

        def said(name: str, default: Any) -> Any:
            value = self._templar.template(facts[name]) if name in facts else None
            return default if value is None else value

        team = str(said("claude_settings_team", ""))
        present = said("claude_settings_state", "present") == "present"
        agent = boolean(said("client_agent", False)) and host not in self._collectors
        if agent and said("client_agent_state", "present") == "present":
            yield AGENT + str(said("client_agent_laptop", host)), "", not said("client_agent_endpoint", "")
            present = False
            owners = said("client_agent_owner", [])
            for owner in [owners] if isinstance(owners, str) else owners:
                if owner:
                    yield owner, team, False
        named = said("claude_settings_credential", "") or said("claude_settings_endpoint", "")
        sender, attributes = said("claude_settings_sender", ""), said("claude_settings_user_attributes", {})
        users = said("claude_settings_users", []) if said("claude_settings_scope", "user") == "user" else []
        developer = said("claude_settings_developer", "{user}")
        senders = settings_senders(users, sender=sender, developer=developer, attributes=attributes, host=host)
        for user, name in senders.items():
            yield name, str(attributes.get(user, {}).get("team", team)), present and bool(sender or not named)
