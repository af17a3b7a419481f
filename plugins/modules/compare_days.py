#!/usr/bin/python
# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: compare_days
author:
  - claude_code.observability contributors (!UNKNOWN)
short_description: Compare the totals of two stores of metrics day by day
description:
  - Sums every metric that the stack keeps by day (cost, tokens, sessions and so on) over the samples of each day, in
    both stores, and fails where they differ, naming the days.
  - Only days of which the first store has something count. On its last days and as long before as data may be late,
    the second may have more, which came after the first got nothing any more.
extends_documentation_fragment:
  - claude_code.observability.attributes
  - claude_code.observability.calendar
attributes:
  check_mode:
    support: full
    details: It only reads, so check mode asks too.
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  first:
    description: The store with the totals that are right.
    type: dict
    required: true
    suboptions: &store
      url:
        description: Where it is, before C(/api/v1).
        type: str
        required: true
      headers:
        description: Sent with every request, such as C(X-Scope-OrgID).
        type: dict
        default: {}
      ca_path:
        description: File with the certificates of the CAs to trust. Without it, those of the system.
        type: path
      client_cert:
        description: File with the client's certificate in PEM format.
        type: path
      client_key:
        description: File with its key.
        type: path
      timeout:
        description: Seconds that an answer may take.
        type: int
        default: 300
  second:
    description: The store that should have the same.
    type: dict
    required: true
    suboptions: *store
  start:
    description: A time of the first day to compare, in seconds since 1970.
    type: float
    required: true
"""

EXAMPLES = r"""
- name: Mimir has what Prometheus has
  claude_code.observability.compare_days:
    first:
      url: http://127.0.0.1:9090
    second:
      url: http://127.0.0.1:9009/prometheus
      headers:
        X-Scope-OrgID: claude-code
    late_max: 72h
    utc_offset: "+09:00"
    start: "{{ '%s' | strftime | int - 90 * 86400 }}"
"""

RETURN = r"""
rows:
  description: Each total of each day of which the first store has something.
  returned: always
  type: list
  elements: dict
  contains:
    day:
      description: The day in the calendar of the stack.
      type: str
    total:
      description: What was summed, such as V(tokens).
      type: str
    first:
      description: The sum in the first store.
      type: float
    second:
      description: The sum in the second.
      type: float
    verdict:
      description: V(equal), V(more) where the second may have more and has, or V(wrong).
      type: str
  sample:
    - {day: "2026-10-26", total: tokens, first: 81250, second: 81250, verdict: equal}
days:
  description: How many days were compared.
  returned: always
  type: int
"""

import time

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.claude_code.observability.plugins.module_utils._compare_days import compare
from ansible_collections.claude_code.observability.plugins.module_utils._query_http import QueryError
from ansible_collections.claude_code.observability.plugins.module_utils._rollups import Calendar

SHOWN = 10


def main() -> None:
    store = {
        "type": "dict",
        "required": True,
        "options": {
            "url": {"type": "str", "required": True},
            "headers": {"type": "dict", "default": {}, "no_log": True},
            "ca_path": {"type": "path"},
            "client_cert": {"type": "path"},
            "client_key": {"type": "path"},
            "timeout": {"type": "int", "default": 300},
        },
    }
    module = AnsibleModule(
        argument_spec={
            "first": store,
            "second": store,
            "late_max": {"type": "str", "required": True},
            "utc_offset": {"type": "str", "required": True},
            "start": {"type": "float", "required": True},
        },
        supports_check_mode=True,
    )
    options = module.params
    try:
        calendar = Calendar.of(options["late_max"], options["utc_offset"])
        found = compare(options["first"], options["second"], calendar, options["start"], time.time())
    except (QueryError, ValueError) as error:
        module.fail_json(msg=str(error), rows=[], days=0)
    answer = {"rows": found.rows, "days": len(found.days)}
    wrong = found.wrong
    if wrong:
        further = f"; and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
        module.fail_json(msg=f"The stores differ in {'; '.join(wrong[:SHOWN])}{further}", **answer)
    module.exit_json(changed=False, **answer)


if __name__ == "__main__":
    main()
