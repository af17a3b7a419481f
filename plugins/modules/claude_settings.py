#!/usr/bin/python
# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: claude_settings
short_description: Sets environment variables in Claude Code's settings
description:
  - Puts variables into the C(env) object of C(settings.json) in the Claude Code configuration directory of one or
    several or all users of a host, all in one call, or into its managed settings. See O(scope).
  - Only the characters that have to change are changed. Order, indentation, line ends, byte order mark, final
    newline, unknown keys, symbolic link, mode and owner stay as they are, and a file that already holds the values is
    not written at all.
  - A file that is not strict JSON, whose top level or C(env) is not an object, or which holds a key of ours twice, is
    refused with file, line and column. It is left as it is.
  - What stood there before is remembered in C(.claude_code.observability.json) beside the file, which only its user
    can read. From it O(state=absent) brings the former bytes back if nobody else changed the file meanwhile.
    Otherwise it brings each value back that is still ours, and reports the others.
  - One call states everything this module keeps in a file. A variable set by an earlier call and no longer named goes
    back to what it was.
  - The user's own items in C(OTEL_RESOURCE_ATTRIBUTES) are kept. See O(resource_attributes).
  - Variables that Claude Code would misread, so that telemetry stops or goes elsewhere without a word, are refused
    before any file is touched, each with the reason and the way out. What is likely not meant is warned about.
  - The file is locked and replaced the way Claude Code does it, so that neither loses what the other wrote.
extends_documentation_fragment:
  - claude_code.observability.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details:
      - The difference is limited to the variables this module manages. Values of names with C(HEADERS), C(TOKEN),
        C(KEY), C(SECRET) or C(PASSWORD) in them are hidden, and so are credentials in a URL.
  idempotent:
    support: full
author:
  - claude_code.observability contributors (!UNKNOWN)
options:
  state:
    description:
      - With V(present) the files hold the variables.
      - With V(absent) everything this module did to the files is undone. A file or directory it created goes with it.
    type: str
    choices: [present, absent]
    default: present
  scope:
    description:
      - With V(user) the settings of single users are edited.
      - With V(managed) the variables stand in a file of their own among the managed settings of the host, which are
        the same for all its users and beat their own. This takes root. The file is
        C(managed-settings.d/50-claude_code.observability.json) in C(/etc/claude-code) on Linux and in
        C(/Library/Application Support/ClaudeCode) on macOS. It is ours as a whole, everybody may read it, and
        V(absent) removes it.
      - A managed file that is no JSON object keeps Claude Code from starting for everybody on the host. So nothing is
        written beside one that is broken already, and the task names it.
      - C(OTEL_RESOURCE_ATTRIBUTES) in managed settings replaces the user's own as a whole.
    type: str
    choices: [user, managed]
    default: user
  users:
    description:
      - Names of the users whose settings are meant. With other users than the one the module runs as, it must run as
        root. It becomes the user before it touches a home.
      - Without names it is the user the module runs as. For this user the environment variables E(HOME) and
        E(CLAUDE_CONFIG_DIR) say where the settings are. For others it is C(.claude) in their home directory.
      - If one user's file is refused, the other users still get theirs, and the task fails at its end, naming each.
    type: list
    elements: str
    default: []
  all_users:
    description:
      - All users of the host that people work with, instead of O(users). This takes root.
      - That is every account with a login shell and a number from C(UID_MIN) of C(/etc/login.defs) on (macOS, 500),
        whose home exists and is its own. Accounts that a directory service does not list are found by the homes they
        own beside others. Those left out for their shell or home are returned as RV(skipped_users).
    type: bool
    default: false
  config_dir:
    description:
      - The directory with C(settings.json), if the users set E(CLAUDE_CONFIG_DIR) to it. An absolute path, in which
        V({user}) and V({home}) stand for the user's name and home. The directory above it must exist.
      - Empty means the one described under O(users).
    type: str
    default: ""
  env:
    description:
      - The variables. Numbers become strings. Write truth values as strings, such as V("1").
      - Values given here may show in logs. Secrets belong into O(secret_env).
      - Items in a C(OTEL_RESOURCE_ATTRIBUTES) given here are treated like O(resource_attributes), and win over them.
    type: dict
    default: {}
  secret_env:
    description:
      - Further variables whose values appear nowhere in the output, for example C(OTEL_EXPORTER_OTLP_HEADERS).
    type: dict
    default: {}
  headers_helper:
    description:
      - HTTP headers, such as C(Authorization), that Claude Code gets from a script instead of from its settings.
      - The script C(claude_code.observability-headers) lies beside C(settings.json), where only its user can read it,
        and the key C(otelHeadersHelper) names it. Both go with V(absent), or when an earlier call asked for them and
        the present one does not.
      - Over HTTP only, and not with O(scope=managed).
    type: dict
    default: {}
  user_secret_env:
    description:
      - Variables like those in O(secret_env) for single users, a dictionary of dictionaries by user name. They win over
        it.
    type: dict
    default: {}
  user_headers_helper:
    description:
      - Headers like those in O(headers_helper) for single users, a dictionary of dictionaries by user name. They win
        over it.
    type: dict
    default: {}
  ca:
    description:
      - Certificates in PEM of the authority that signed the collector's, if it is a private one.
      - They go into a file C(claude_code.observability-ca.pem) beside the settings, and E(NODE_EXTRA_CA_CERTS) leads
        there, with gRPC E(OTEL_EXPORTER_OTLP_CERTIFICATE).
      - A file that this variable names already, in the settings, in the files of the user's shell or in
        C(/etc/environment), is not lost. Its certificates go into ours too, and again when they change and this module
        runs. If that can't be done, nothing is written.
      - With O(scope=managed) such files of all users count, and only ones that nobody but root can write are taken.
      - Managed settings beat those of a user. So if they name a file without this authority, O(scope=user) is refused.
    type: str
    default: ""
  resource_attributes:
    description:
      - Items for C(OTEL_RESOURCE_ATTRIBUTES), such as C(developer) and C(team). They are merged into the user's own.
        Items of the same name are replaced, others are kept in place and order.
      - V({user}) in a value stands for the name of the user whose file it is, percent-encoded where that is needed.
      - Values are refused if Claude Code would drop them. ASCII without blanks, comma, semicolon, equals sign, quotes
        and backslash is safe. Percent-encode the rest.
    type: dict
    default: {}
  user_resource_attributes:
    description:
      - Items for single users, a dictionary of dictionaries by user name. They win over O(resource_attributes).
    type: dict
    default: {}
  if_absent:
    description:
      - Names of variables that are set only where nothing else sets them. A value that somebody else gave one stays,
        is returned as RV(users[].keys_left), and later runs leave it as well. All other variables are enforced.
      - V(OTEL_RESOURCE_ATTRIBUTES) in it means its items, each for itself.
      - With O(scope=managed) it is other managed files that count.
    type: list
    elements: str
    default: []
  allow_readable_secrets:
    description:
      - Let O(scope=managed) hold O(secret_env) and other variables whose names tell a secret. All users of the host can
        then read them.
    type: bool
    default: false
  endpoint_conflict:
    description:
      - What to do about a telemetry endpoint in the file, or in another managed file, that neither this module nor
        this call set.
      - With V(refuse) that user's file is left alone and the task fails.
      - With V(overwrite) the general endpoint is replaced. One for metrics or logs alone stays and is warned about.
    type: str
    choices: [overwrite, refuse]
    default: overwrite
  backup:
    description:
      - Keep a copy of the file before a change, beside it, readable by its user only. The last three are kept.
      - A file that is just as this module wrote it is not copied, nor is that of O(scope=managed).
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Claude Code sends its telemetry to this host's collector
  claude_code.observability.claude_settings:
    env:
      CLAUDE_CODE_ENABLE_TELEMETRY: 1
      OTEL_METRICS_EXPORTER: otlp
      OTEL_LOGS_EXPORTER: otlp
      OTEL_EXPORTER_OTLP_PROTOCOL: grpc
      OTEL_EXPORTER_OTLP_ENDPOINT: http://localhost:4317

- name: Two users send theirs to the team's collector
  claude_code.observability.claude_settings:
    users: [alice, bob]
    env:
      CLAUDE_CODE_ENABLE_TELEMETRY: 1
      OTEL_METRICS_EXPORTER: otlp
      OTEL_LOGS_EXPORTER: otlp
      OTEL_EXPORTER_OTLP_PROTOCOL: http/protobuf
      OTEL_EXPORTER_OTLP_ENDPOINT: https://collector.example.com:4318
    secret_env:
      OTEL_EXPORTER_OTLP_HEADERS: "Authorization=Bearer {{ collector_token }}"
    resource_attributes:
      developer: "{user}"
      team: platform
    user_resource_attributes:
      bob:
        developer: robert
  become: true

- name: All users of a build server, who may choose how often they send
  claude_code.observability.claude_settings:
    all_users: true
    env:
      CLAUDE_CODE_ENABLE_TELEMETRY: 1
      OTEL_METRICS_EXPORTER: otlp
      OTEL_LOGS_EXPORTER: otlp
      OTEL_EXPORTER_OTLP_PROTOCOL: grpc
      OTEL_EXPORTER_OTLP_ENDPOINT: http://localhost:4317
      OTEL_METRIC_EXPORT_INTERVAL: 10000
    if_absent: [OTEL_METRIC_EXPORT_INTERVAL]
  become: true

- name: A laptop whose telemetry its user can't switch off
  claude_code.observability.claude_settings:
    scope: managed
    env:
      CLAUDE_CODE_ENABLE_TELEMETRY: 1
      OTEL_METRICS_EXPORTER: otlp
      OTEL_LOGS_EXPORTER: otlp
      OTEL_EXPORTER_OTLP_PROTOCOL: http/protobuf
      OTEL_EXPORTER_OTLP_ENDPOINT: https://collector.example.com:4318
    resource_attributes:
      developer: ada
  become: true

- name: The settings are as they were before
  claude_code.observability.claude_settings:
    state: absent
"""

RETURN = r"""
users:
  description: One entry per user, in the order asked for, for all users by number. Empty with O(scope=managed).
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: The user.
      type: str
      returned: always
      sample: alice
    path:
      description: The settings file.
      type: str
      returned: unless the user can't be acted for
      sample: /home/alice/.claude/settings.json
    changed:
      description: Whether anything was, or in check mode would be, changed.
      type: bool
      returned: always
    created:
      description: Whether the file did not exist before.
      type: bool
      returned: success
    keys_added:
      description: Variables that were not in the file.
      type: list
      elements: str
      returned: success
    keys_changed:
      description: Variables that had another value.
      type: list
      elements: str
      returned: success
    keys_removed:
      description: Variables taken out.
      type: list
      elements: str
      returned: success
    keys_kept:
      description: Variables of ours that were to be taken back, but were given another value by somebody else since.
      type: list
      elements: str
      returned: success
    keys_left:
      description: Variables in O(if_absent) that hold another value than the one asked for.
      type: list
      elements: str
      returned: success
    certificates:
      description: The SHA-256 of each certificate in our file.
      type: list
      elements: str
      returned: success
    backup_file:
      description: The copy of the former file, empty if none was made.
      type: str
      returned: success
    failed:
      description: Whether this user's file was refused.
      type: bool
      returned: always
    msg:
      description: Why it was refused, and what to do.
      type: str
      returned: failure
      sample: '/home/alice/.claude/settings.json:7:3: there is a comma before }, which JSON does not allow'
skipped_users:
  description: Accounts that were left out of all users.
  returned: with O(scope=user)
  type: list
  elements: dict
  contains:
    name:
      description: The account, or its number if it has no name.
      type: str
      returned: always
      sample: build
    reason:
      description: What it lacks.
      type: str
      returned: always
      sample: its shell is /usr/sbin/nologin
managed:
  description: What became of the managed settings, with the same entries as one user in RV(users), but without a name.
  returned: with O(scope=managed)
  type: dict
resource_attributes:
  description: O(resource_attributes) as they came.
  returned: success
  type: dict
  sample: {developer: "{user}", settings_revision: 3f98e0fd}
"""

import json
import os
from dataclasses import replace
from typing import Any, NoReturn

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.claude_code.observability.plugins.module_utils._accounts import (
    Skipped,
    chosen,
    home_problem,
    human_users,
    is_root,
)
from ansible_collections.claude_code.observability.plugins.module_utils._run_as import (
    RunAsError,
    User,
    named_user,
    run_as,
)
from ansible_collections.claude_code.observability.plugins.module_utils._safe_files import FileError
from ansible_collections.claude_code.observability.plugins.module_utils._settings_ca import Authority, Named
from ansible_collections.claude_code.observability.plugins.module_utils._settings_elsewhere import (
    beside_user_settings,
    of_user,
)
from ansible_collections.claude_code.observability.plugins.module_utils._settings_file import Outcome, update
from ansible_collections.claude_code.observability.plugins.module_utils._settings_managed import (
    drop_in,
    managed_directory,
    update_managed,
)
from ansible_collections.claude_code.observability.plugins.module_utils._settings_plan import (
    PlanError,
    Wanted,
    display,
)
from ansible_collections.claude_code.observability.plugins.module_utils._settings_wanted import (
    HOME,
    USER,
    OptionError,
    judged,
    wanted_for,
    wanted_for_everybody,
)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "scope": {"type": "str", "choices": ["user", "managed"], "default": "user"},
            "users": {"type": "list", "elements": "str", "default": []},
            "all_users": {"type": "bool", "default": False},
            "config_dir": {"type": "str", "default": ""},
            "env": {"type": "dict", "default": {}},
            "secret_env": {"type": "dict", "default": {}, "no_log": True},
            "headers_helper": {"type": "dict", "default": {}, "no_log": True},
            "user_secret_env": {"type": "dict", "default": {}, "no_log": True},
            "user_headers_helper": {"type": "dict", "default": {}, "no_log": True},
            "ca": {"type": "str", "default": ""},
            "resource_attributes": {"type": "dict", "default": {}},
            "user_resource_attributes": {"type": "dict", "default": {}},
            "if_absent": {"type": "list", "elements": "str", "default": []},
            "endpoint_conflict": {"type": "str", "choices": ["overwrite", "refuse"], "default": "overwrite"},
            "allow_readable_secrets": {"type": "bool", "default": False},
            "backup": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    if module.params["state"] == "present":
        _refuse_what_claude_code_would_misread(module)
    options, check = module.params, module.check_mode
    users: list[dict[str, Any]] = []
    answer: dict[str, Any] = {"users": users, "resource_attributes": options["resource_attributes"]}
    try:
        if options["scope"] == "managed":
            answer["managed"] = _managed(options, check)
        else:
            people, skipped = _people(options)
            users += [_one(person, options, check) for person in people]
            skipped += [Skipped(one["name"], one["skipped"]) for one in users if "skipped" in one]
            users[:] = [one for one in users if "skipped" not in one]
            answer["skipped_users"] = [vars(one) for one in skipped]
    except (OptionError, RunAsError) as error:
        module.fail_json(msg=str(error))
    _finish(module, answer)


def _finish(module: AnsibleModule, answer: dict[str, Any]) -> NoReturn:
    results = [*answer["users"], *([answer["managed"]] if "managed" in answer else [])]
    answer["changed"] = any(result["changed"] for result in results)
    answer["diff"] = [result.pop("diff") for result in results if "diff" in result]
    for result in results:
        for text in result.pop("warnings", []):
            module.warn(text)
    failed = [result for result in results if result["failed"]]
    if failed and "managed" in answer:
        module.fail_json(msg=failed[0]["msg"], **answer)
    if failed:
        text = "; ".join(f"{result['name']}: {result['msg']}" for result in failed)
        module.fail_json(msg=f"{len(failed)} of {len(results)} users: {text}", **answer)
    module.exit_json(**answer)


def _refuse_what_claude_code_would_misread(module: AnsibleModule) -> None:
    try:
        found = judged(module.params)
    except OptionError as error:
        module.fail_json(msg=str(error))
    if found.problems:
        module.fail_json(msg=" ".join(found.problems))
    for text in found.warnings:
        module.warn(text)


def _managed(options: dict[str, Any], check: bool) -> dict[str, Any]:
    """The result for the drop-in of the host. Raises OptionError and RunAsError."""
    wanted = wanted_for_everybody(options)
    if not is_root():
        raise RunAsError("only root can write managed settings: set become to true")
    try:
        wanted = replace(wanted, authority=_for_everybody(wanted.authority))
        return _result(update_managed(managed_directory(), wanted, check))
    except (FileError, PlanError) as error:
        return {"path": drop_in(managed_directory()), "changed": False, "failed": True, "msg": str(error)}


def _for_everybody(authority: Authority) -> Authority:
    """With the files of certificates that the users of the host are led to now. Raises RunAsError."""
    if not authority.pem:
        return authority
    named: list[Named] = []
    for user in human_users()[0]:
        if os.path.isdir(user.home):
            found = run_as(user, lambda user=user: {"named": of_user(authority, user)})
            named += [Named(**one) for one in found["named"]]
    return replace(authority, named=tuple(dict.fromkeys(named)), everybody=True)


def _people(options: dict[str, Any]) -> tuple[list[User | str], list[Skipped]]:
    """Whose settings are meant, and which accounts of all are not. Raises OptionError and RunAsError."""
    names = list(dict.fromkeys(options["users"]))
    several = options["all_users"] or len(names) > 1
    if several and options["config_dir"] and not any(word in options["config_dir"] for word in (USER, HOME)):
        raise OptionError(
            f"config_dir is {options['config_dir']} for several users: put {USER} or {HOME} into it, which stand for "
            "the user's name and home"
        )
    return chosen(names, options["all_users"])


def _one(person: User | str, options: dict[str, Any], check: bool) -> dict[str, Any]:
    """The result for one user, never an exception."""
    name = person if isinstance(person, str) else person.name
    try:
        user = named_user(person) if isinstance(person, str) else person
        wanted = wanted_for(user.name, options)
        directory = _directory(user, options["config_dir"])
        return {"name": name, **run_as(user, lambda: _update(user, directory, wanted, options, check))}
    except (OptionError, RunAsError) as error:
        return {"name": name, "changed": False, "failed": True, "msg": str(error)}


def _directory(user: User, config_dir: str) -> str:
    if config_dir:
        directory = config_dir.replace(USER, user.name).replace(HOME, user.home)
        if not os.path.isabs(directory) or ".." in directory.split("/"):
            raise OptionError(f"config_dir is {directory}: make it an absolute path without ..")
        directory = os.path.normpath(directory)
    else:
        directory = os.path.join(user.home, ".claude")
    if not user.invoking:
        return directory
    if not config_dir:
        directory = os.path.abspath(os.environ.get("CLAUDE_CONFIG_DIR") or directory)
    parent = os.path.dirname(directory)
    if user.uid == 0 and os.path.isdir(parent) and os.stat(parent).st_uid != 0:
        raise RunAsError(f"{parent} belongs to uid {os.stat(parent).st_uid}, not to root: name that user in users")
    return directory


def _update(user: User, directory: str, wanted: Wanted, options: dict[str, Any], check: bool) -> dict[str, Any]:
    """Runs as the user. Its result crosses a pipe as JSON."""
    path = os.path.join(directory, "settings.json")
    parent = os.path.dirname(directory)
    problem = home_problem(user.home) if options["all_users"] else None
    if problem:
        return {"skipped": problem}
    try:
        if not os.path.isdir(parent):
            raise FileError(f"{parent}: there is no such directory, so no place for the settings of {user.name}")
        if wanted.authority.pem:
            environment = os.environ if user.invoking else {}
            wanted = replace(wanted, authority=beside_user_settings(wanted.authority, user, environment))
        return _result(update(directory, wanted, backup=options["backup"], check=check))
    except (FileError, PlanError) as error:
        return {"path": path, "changed": False, "failed": True, "msg": str(error)}


def _result(outcome: Outcome) -> dict[str, Any]:
    plan = outcome.plan
    result: dict[str, Any] = {
        "path": outcome.path,
        "changed": outcome.changed,
        "failed": False,
        "created": plan.before is None and plan.after is not None,
        "keys_added": [one.key for one in plan.changes if one.before is None],
        "keys_changed": [one.key for one in plan.changes if None not in (one.before, one.after)],
        "keys_removed": [one.key for one in plan.changes if one.after is None],
        "keys_kept": list(plan.kept),
        "keys_left": list(plan.left),
        "certificates": outcome.trusted[1],
        "backup_file": outcome.backup_file,
        "warnings": list(plan.warnings),
    }
    if plan.changes or outcome.trusted[0] != outcome.trusted[1]:
        before = _lines({one.key: one.before for one in plan.changes}, "(hidden)")
        after = _lines({one.key: one.after for one in plan.changes}, "(hidden, new value)")
        result["diff"] = {
            "before_header": outcome.path,
            "after_header": outcome.path,
            "before": before + "".join(f"certificate {one}\n" for one in outcome.trusted[0]),
            "after": after + "".join(f"certificate {one}\n" for one in outcome.trusted[1]),
        }
    return result


def _lines(values: dict[str, Any], hidden: str) -> str:
    rows = [f"{json.dumps(key)}: {display(key, raw, hidden)}" for key, raw in values.items() if raw is not None]
    return "".join(row + "\n" for row in rows)


if __name__ == "__main__":
    main()
