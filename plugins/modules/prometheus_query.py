#!/usr/bin/python
# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: prometheus_query
author:
  - claude_code.observability contributors (!UNKNOWN)
short_description: Ask Prometheus for totals of Claude Code, or anything else
description:
  - Answers O(query), an expression of your own, or O(total), for which it writes the expression.
  - Claude Code's series are sums of deltas. C(rate) and C(increase) are wrong on them; O(total) is exact, and says over
    what it has summed.
  - An expression is asked for one time, O(end), or with O(step) for each step of a range.
extends_documentation_fragment:
  - claude_code.observability.attributes
  - claude_code.observability.query
  - claude_code.observability.query.prometheus
  - claude_code.observability.query.module
attributes:
  check_mode:
    support: full
    details: It only reads, so check mode asks too.
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  url:
    description: Where Prometheus is. The lookup P(claude_code.observability.endpoint#lookup) knows it.
    type: str
    default: http://127.0.0.1:9090
  query:
    description: An expression of your own, in PromQL.
    type: str
"""

EXAMPLES = r"""
- name: What each team spent in the last 30 days
  claude_code.observability.prometheus_query:
    url: "{{ lookup('claude_code.observability.endpoint', 'prometheus', viewpoint='host') }}"
    total: cost
    by: [team]
    range: 30d
    format: table
  register: spent

- name: The table, and what it is summed over
  ansible.builtin.debug:
    msg: "{{ spent.table + [spent.summed.from ~ ' to ' ~ spent.summed.to ~ ', ' ~ spent.summed.over] }}"

- name: Tokens of two models on each day of October
  claude_code.observability.prometheus_query:
    total: tokens
    by: [model, type]
    where:
      model: [claude-opus-4-8, claude-sonnet-4-6]
    start: "2026-10-01"
    end: "2026-11-01"
    step: 1d

- name: An expression of one's own, through a proxy that wants a token
  claude_code.observability.prometheus_query:
    url: https://metrics.example.com/prometheus
    token: "{{ vault_metrics_token }}"
    query: up == 0
"""

RETURN = r"""
query:
  description: The expression that was asked.
  returned: success
  type: str
rows:
  description: One entry for each value, largest first for a total without O(step).
  returned: success
  type: list
  elements: dict
  contains:
    labels:
      description: The labels of the series.
      type: dict
    time:
      description: The time of the value. With O(total) and O(step), when the step begins.
      type: str
    value:
      description: The number. NaN and the infinities, which JSON does not have, are texts.
      type: float
  sample:
    - {labels: {team: compilers}, time: "2026-11-24T09:00:00Z", value: 12.5}
summed:
  description: What a total is summed over.
  returned: with O(total)
  type: dict
  contains:
    from:
      description: When it begins.
      type: str
    to:
      description: When it ends.
      type: str
    over:
      description: V(samples), or whole days and the zone in which they begin.
      type: str
  sample:
    from: "2026-10-26T00:00:00+09:00"
    to: "2026-11-24T18:15:00+09:00"
    over: whole days, UTC+09:00
raw:
  description: The C(resultType) and C(result) of the store's answer, as they came.
  returned: success
  type: dict
table:
  description: The rows as lines with a heading, for people.
  returned: with O(format=table)
  type: list
  elements: str
"""

import time

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.claude_code.observability.plugins.module_utils._download import password_of
from ansible_collections.claude_code.observability.plugins.module_utils._query import (
    FORMAT_SPEC,
    PROMETHEUS_SPEC,
    prometheus,
)
from ansible_collections.claude_code.observability.plugins.module_utils._query_http import QueryError


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "url": {"type": "str", "default": "http://127.0.0.1:9090"},
            **PROMETHEUS_SPEC,
            **FORMAT_SPEC,
        },
        mutually_exclusive=[("query", "total"), ("range", "start")],
        required_one_of=[("query", "total")],
        supports_check_mode=True,
    )
    module.no_log_values |= password_of(module.params["url"])
    try:
        answer = prometheus(module.params, time.time())
    except QueryError as error:
        module.fail_json(msg=str(error))
    for warning in answer.pop("warnings"):
        module.warn(warning)
    module.exit_json(changed=False, **answer)


if __name__ == "__main__":
    main()
