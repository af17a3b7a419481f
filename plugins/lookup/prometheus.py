# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: prometheus
author:
  - claude_code.observability contributors (!UNKNOWN)
short_description: Ask Prometheus for totals of Claude Code, or anything else
description:
  - The same as the module M(claude_code.observability.prometheus_query), asked from the controller.
  - Call it with C(query()), which gives a list even of one row.
  - A store of the inventory that is encrypted is shown the certificate that lies for its host in C(stack_secrets_dir),
    unless O(ca_path) or O(client_cert) is given.
extends_documentation_fragment:
  - claude_code.observability.query
  - claude_code.observability.query.prometheus
options:
  _terms:
    description: Expressions of your own, in PromQL. None with O(total).
    type: list
    elements: str
  url:
    description:
      - Where Prometheus is. Without it, the store of metrics of the inventory, as the controller reaches it.
      - With Mimir that is Mimir, which is asked for the tenant C(stack_tenant) unless O(headers) say otherwise.
    type: str
"""

EXAMPLES = r"""
- name: What each team spent in the last 30 days
  ansible.builtin.debug:
    msg: "{{ item.labels.team }}: {{ item.value }} USD"
  loop: "{{ query('claude_code.observability.prometheus', total='cost', by=['team'], range='30d') }}"

- name: Components that are down
  ansible.builtin.debug:
    msg: "{{ query('claude_code.observability.prometheus', 'up == 0') | map(attribute='labels.instance') }}"
"""

RETURN = r"""
_raw:
  description: The C(rows) of the module, those of all expressions in one list.
  type: list
  elements: dict
"""

from ansible_collections.claude_code.observability.plugins.module_utils._query import prometheus
from ansible_collections.claude_code.observability.plugins.plugin_utils._query_lookup import QueryLookup


class LookupModule(QueryLookup):
    store = "metrics"
    ask = staticmethod(prometheus)
