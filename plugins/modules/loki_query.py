#!/usr/bin/python
# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: loki_query
author:
  - claude_code.observability contributors (!UNKNOWN)
short_description: Ask Loki for events of Claude Code, or numbers made of them
description:
  - Answers an expression in LogQL.
  - One that gives numbers is asked for one time, O(end), or with O(step) for each step of a range.
  - One that gives log lines needs O(range) or O(start).
extends_documentation_fragment:
  - claude_code.observability.attributes
  - claude_code.observability.query
  - claude_code.observability.query.loki
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
    description: Where Loki is. The lookup P(claude_code.observability.endpoint#lookup) knows it.
    type: str
    default: http://127.0.0.1:3100
  query:
    description: The expression, in LogQL.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: The tool results of the last hour that were failures
  claude_code.observability.loki_query:
    url: "{{ lookup('claude_code.observability.endpoint', 'loki', viewpoint='host') }}"
    query: '{service_name="claude-code"} | event_name="tool_result" | success="false"'
    range: 1h
  register: failures

- name: Answered API requests of the last day, by model
  claude_code.observability.loki_query:
    query: sum by (model) (count_over_time({service_name="claude-code"} | event_name="api_request" [1d]))
    format: table
  register: requests
"""

RETURN = r"""
query:
  description: The expression that was asked.
  returned: success
  type: str
rows:
  description: One entry for each value or log line.
  returned: success
  type: list
  elements: dict
  contains:
    labels:
      description: The labels of the series.
      type: dict
    time:
      description: The time of the value or line.
      type: str
    value:
      description: The number. NaN and the infinities, which JSON does not have, are texts.
      type: float
    line:
      description: The log line, in place of a number.
      type: str
  sample:
    - {labels: {team: compilers}, time: "2026-11-24T09:00:00Z", value: 12.5}
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
    LOKI_SPEC,
    loki,
)
from ansible_collections.claude_code.observability.plugins.module_utils._query_http import QueryError


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "url": {"type": "str", "default": "http://127.0.0.1:3100"},
            **LOKI_SPEC,
            **FORMAT_SPEC,
        },
        mutually_exclusive=[("range", "start")],
        supports_check_mode=True,
    )
    module.no_log_values |= password_of(module.params["url"])
    try:
        answer = loki(module.params, time.time())
    except QueryError as error:
        module.fail_json(msg=str(error))
    for warning in answer.pop("warnings"):
        module.warn(warning)
    module.exit_json(changed=False, **answer)


if __name__ == "__main__":
    main()
