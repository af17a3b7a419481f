# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: loki
author:
  - claude_code.observability contributors (!UNKNOWN)
short_description: Ask Loki for events of Claude Code, or numbers made of them
description:
  - The same as the module M(claude_code.observability.loki_query), asked from the controller.
  - Call it with C(query()), which gives a list even of one row.
  - A store of the inventory that is encrypted is shown the certificate that lies for its host in C(stack_secrets_dir),
    unless O(ca_path) or O(client_cert) is given.
extends_documentation_fragment:
  - claude_code.observability.query
  - claude_code.observability.query.loki
options:
  _terms:
    description: Expressions in LogQL.
    type: list
    elements: str
  url:
    description: Where Loki is. Without it, that of the inventory, as the controller reaches it.
    type: str
"""

EXAMPLES = r"""
- name: API errors of the last day, by status
  ansible.builtin.debug:
    msg: "{{ item.labels.status_code }}: {{ item.value }}"
  loop: "{{ query('claude_code.observability.loki', errors) }}"
  vars:
    errors: sum by (status_code) (count_over_time({service_name="claude-code"} | event_name="api_error" [1d]))
"""

RETURN = r"""
_raw:
  description: The C(rows) of the module, those of all expressions in one list.
  type: list
  elements: dict
"""

from ansible_collections.claude_code.observability.plugins.module_utils._query import loki
from ansible_collections.claude_code.observability.plugins.plugin_utils._query_lookup import QueryLookup


class LookupModule(QueryLookup):
    store = "loki"
    ask = staticmethod(loki)
