#!/usr/bin/python
# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: claude_settings_info
short_description: Says why a Claude Code client sends no telemetry
description:
  - Walks everything that decides about the telemetry of one or several users of a host in Claude Code's order of
    precedence, which is managed settings, local and project settings, user settings, shell. It tells each variable's
    effective value, where it comes from and what it hides.
  - Then it sends an empty export request to the endpoint in use, for each signal, the way Claude Code would. A
    collector takes it and stores nothing.
  - The first cause that it meets is the verdict, in one sentence with what to do. The causes and their order are in
    C(docs/doctor.md).
  - Profile files of the shell are read, never run. The user's C(otelHeadersHelper) is run, and C(claude --version).
    A script named by a repository's settings is not run.
  - What only a running session knows can't be seen, such as C(--settings) on its command line, a C(.envrc), or
    settings of an editor. Settings from Anthropic's server are not judged, nor are a macOS configuration profile and
    the Windows registry.
extends_documentation_fragment:
  - claude_code.observability.attributes
attributes:
  check_mode:
    support: full
    details:
      - Changes nothing in either mode.
  diff_mode:
    support: none
  idempotent:
    support: full
author:
  - claude_code.observability contributors (!UNKNOWN)
options:
  users:
    description:
      - Names of the users that are looked at. With other users than the one the module runs as, it must run as root.
        It becomes the user before it touches a home.
      - Without names it is the user the module runs as. Only this user's environment is known. For others the files of
        their login shell have to do.
    type: list
    elements: str
    default: []
  all_users:
    description:
      - All users of the host that people work with, as in M(claude_code.observability.claude_settings), instead of
        O(users). This takes root.
    type: bool
    default: false
  project_dir:
    description:
      - A repository's directory, whose C(.claude/settings.json) and C(.claude/settings.local.json) count too.
      - Without it no project is looked at.
    type: path
"""

EXAMPLES = r"""
- name: Why does my client send nothing?
  claude_code.observability.claude_settings_info:
  register: doctor

- name: The answer
  ansible.builtin.debug:
    msg: "{{ doctor.users[0].verdict }}"

- name: Everybody on the host
  claude_code.observability.claude_settings_info:
    all_users: true
  become: true
"""

RETURN = r"""
users:
  description: One entry per user, in the order asked for.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: The user.
      type: str
      returned: always
      sample: alice
    failed:
      description: Whether nothing could be found out about this user.
      type: bool
      returned: always
    msg:
      description: Why not.
      type: str
      returned: failure
    verdict:
      description: The first cause with what to do about it, or that everything looks right.
      type: str
      returned: success
      sample: >-
        Metrics and events to http://localhost:4317 (OTEL_EXPORTER_OTLP_ENDPOINT, /home/alice/.claude/settings.json:7):
        connection refused by 127.0.0.1. Nothing listens there. Start the collector, or correct host and port of the
        endpoint.
    cause:
      description: The name of that cause. Empty if everything looks right.
      type: str
      returned: success
      sample: refused
    findings:
      description: Everything met, the first cause first.
      type: list
      elements: dict
      returned: success
      contains:
        cause: {description: The name of the cause., type: str}
        severity:
          description: V(error), telemetry is lost; V(warning), it is late, wrong or partial; V(note).
          type: str
        text: {description: What is there and what comes of it., type: str}
        fix: {description: What to do., type: str}
        where: {description: The file and line to change. Empty if it is not in a file., type: str}
    variables:
      description: Each variable that is set anywhere. Secrets are hidden.
      type: list
      elements: dict
      returned: success
      contains:
        key: {description: The variable., type: str}
        value: {description: The effective value. Empty if none counts., type: str}
        source: {description: "V(managed), V(local), V(project), V(user) or V(shell).", type: str}
        where: {description: File and line., type: str}
        shadows:
          description: >-
            Settings of the same variable that do not count, with value, source, where and reason. Without a reason a
            stronger one hides it.
          type: list
          elements: dict
    sources:
      description: The files that were read, the strongest first, and what is wrong with them.
      type: list
      elements: dict
      returned: success
      contains:
        layer: {description: "As RV(users[].variables[].source).", type: str}
        path: {description: "The file, or V(environment).", type: str}
        problem: {description: Why nothing in it counts. Empty if it does., type: str}
    endpoints:
      description: What became of the empty export requests. Empty if telemetry is off.
      type: list
      elements: dict
      returned: success
      contains:
        signal: {description: "V(metrics) or V(logs), which are the events.", type: str}
        protocol: {description: As in C(OTEL_EXPORTER_OTLP_PROTOCOL)., type: str}
        url: {description: The address., type: str}
        cause: {description: "As RV(users[].cause). Empty if the collector took it.", type: str}
        detail: {description: What was answered., type: str}
        milliseconds: {description: How long it took., type: int}
        clock_skew: {description: "The collector's clock minus this host's in seconds. Not known with grpc.", type: int}
    client:
      description: The program and its version. Empty if none was found.
      type: dict
      returned: success
      sample: {path: /home/alice/.local/bin/claude, version: 2.1.330}
skipped_users:
  description: With O(all_users), accounts that were left out and why.
  returned: always
  type: list
  elements: dict
"""

import os
from dataclasses import asdict
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.claude_code.observability.plugins.module_utils._accounts import (
    chosen,
    home_problem,
)
from ansible_collections.claude_code.observability.plugins.module_utils._doctor import examine
from ansible_collections.claude_code.observability.plugins.module_utils._run_as import (
    RunAsError,
    User,
    named_user,
    run_as,
)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "users": {"type": "list", "elements": "str", "default": []},
            "all_users": {"type": "bool", "default": False},
            "project_dir": {"type": "path"},
        },
        supports_check_mode=True,
    )
    try:
        people, skipped = chosen(module.params["users"], module.params["all_users"])
    except RunAsError as error:
        module.fail_json(msg=str(error))
    results = [_one(person, module.params["project_dir"] or "") for person in people]
    module.exit_json(changed=False, users=results, skipped_users=[asdict(one) for one in skipped])


def _one(person: User | str, project: str) -> dict[str, Any]:
    """The result for one user, never an exception."""
    name = person if isinstance(person, str) else person.name
    try:
        user = named_user(person) if isinstance(person, str) else person
        return {"name": name, **run_as(user, lambda: _examine(user, project))}
    except RunAsError as error:
        return {"name": name, "failed": True, "msg": str(error)}


def _examine(user: User, project: str) -> dict[str, Any]:
    problem = home_problem(user.home)
    if problem:
        return {"failed": True, "msg": problem}
    return {"failed": False, **examine(user, os.environ if user.invoking else {}, project)}


if __name__ == "__main__":
    main()
