#!/usr/bin/python
# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: senders
author:
  - claude_code.observability contributors (!UNKNOWN)
short_description: Changes and lists who may send telemetry
description:
  - Works on C(senders.json) in O(directory) on the controller. Without any change to make it lists.
  - The collectors know of it when the role C(otel_collector) has run.
  - Names that no sender has are refused, and nothing is changed then.
extends_documentation_fragment:
  - claude_code.observability.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: partial
    details: O(rotate) makes a new token each time.
options:
  directory:
    description: The directory of the secrets, C(stack_secrets_dir).
    type: path
    required: true
  present:
    description: Senders to make if they are not there. Revoked ones stay revoked.
    type: list
    elements: str
    default: []
  issue:
    description: Senders to make, or to let send again with a new token.
    type: list
    elements: str
    default: []
  rotate:
    description: Senders that get a new token. The ones they have stay valid.
    type: list
    elements: str
    default: []
  retire:
    description: Senders of whose tokens only the newest stays valid.
    type: list
    elements: str
    default: []
  revoke:
    description: Senders that may not send any more.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Ada gets a new token
  claude_code.observability.senders:
    directory: "{{ stack_secrets_dir }}"
    rotate: [ada]
"""

RETURN = r"""
senders:
  description: All senders, without their tokens.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: The name, which is the developer in the stores.
      type: str
    generations:
      description: The numbers of the tokens that are valid, oldest first.
      type: list
      elements: int
    created:
      description: When the newest token was made, in UTC. Empty without a token.
      type: str
    revoked:
      description: Since when it may not send any more, in UTC. Else empty.
      type: str
  sample: [{name: ada, generations: [1, 2], created: "2026-11-24T09:30:00Z", revoked: ""}]
"""
