# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """The options that queries of both stores have, and those of totals."""

    DOCUMENTATION = r"""
options:
  start:
    description:
      - When the time asked for begins, as a time such as V(2026-11-24T09:00:00+09:00), a day such as V(2026-11-24), or
        unix seconds.
      - Without an offset from UTC in it, it is UTC, but for the total of a long range the zone in which the days are
        recorded.
      - Mutually exclusive with O(range).
    type: str
  end:
    description: When it ends, written like O(start). An instant query is asked for this time.
    type: str
    default: now
  range:
    description: How long before O(end) it begins, such as V(30d), V(12h) or V(1h30m).
    type: str
  step:
    description: Gives one value for each step of this length, such as V(1h) or V(1d).
    type: str
  username:
    description: Name for HTTP basic authentication.
    type: str
  password:
    description: Password for it.
    type: str
  token:
    description: Bearer token, instead of a name and a password.
    type: str
  headers:
    description: More headers of the request, such as C(X-Scope-OrgID) for a store with tenants.
    type: dict
  ca_path:
    description: File with the certificates of the CAs to trust. Without it, those of the system.
    type: path
  client_cert:
    description: File with the client's certificate in PEM format. It may hold the key as well.
    type: path
  client_key:
    description: File with the key of O(client_cert).
    type: path
  validate_certs:
    description: Whether the store's certificate must be a trusted one.
    type: bool
    default: true
  use_proxy:
    description: Whether the proxy of the environment is used. It never is for a store on loopback.
    type: bool
    default: true
  timeout:
    description: Seconds the answer may take.
    type: int
    default: 30
"""

    PROMETHEUS = r"""
options:
  total:
    description:
      - What to sum. The right expression is written for you.
      - V(cost) is in US dollars, V(active_time) in seconds. V(decisions) are those on edits of files.
      - Needs O(range), or O(start).
    type: str
    choices: [cost, tokens, sessions, active_time, lines, commits, pull_requests, decisions]
  by:
    description: The labels to sum by, such as V(team), V(developer), V(model), V(type). One sum over all without any.
    type: list
    elements: str
    default: []
  where:
    description: Sums only what has these values, a text or a list of texts for each label.
    type: dict
    default: {}
  source:
    description:
      - What O(total) is summed from.
      - V(samples) are what the clients sent. It is exact to the second, and slow over months.
      - V(days) are the sums of whole days that Prometheus records. They cover the days that begin in the range, today
        up to five minutes ago.
      - V(auto) takes samples up to seven days and whenever one of the labels is not kept in the days, else days.
    type: str
    choices: [auto, samples, days]
    default: auto
  utc_offset:
    description:
      - Where the recorded days begin, as an offset from UTC such as V(+09:00).
      - When empty, the rules of this Prometheus are asked, so this is only for one whose rules are elsewhere.
    type: str
    default: ""
  late_max:
    description: With O(utc_offset), how late data may arrive, in whole hours. It is the stack's C(stack_late_max).
    type: str
    default: 72h
  limit:
    description: More series than this are an error. None is ever left out silently.
    type: int
    default: 10000
"""

    LOKI = r"""
options:
  limit:
    description: The most log lines to answer with. Numbers are not limited by it.
    type: int
    default: 100
  direction:
    description: Which lines come first, the newest (V(backward)) or the oldest (V(forward)).
    type: str
    choices: [backward, forward]
    default: backward
"""

    MODULE = r"""
options:
  format:
    description: V(table) also gives the rows as lines of text for people.
    type: str
    choices: [rows, table]
    default: rows
"""
