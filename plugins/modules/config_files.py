#!/usr/bin/python
# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: config_files
short_description: Puts the whole configuration of a program in force, checked, in one step
description:
  - Writes all configuration files of a program as one set below O(path), lets the program's own checker judge it there,
    and then makes it current by renaming one symbolic link. A run that is stopped at any point, by a checker or by
    C(kill -9), leaves one whole set in force.
  - The layout is C(<path>/sets/<hash>/...), C(<path>/current) leading to the set in force and C(<path>/applied) leading
    to the set with which the service was last known to work. That one is kept, so that there is a way back.
  - References inside a set should be relative, since a set is checked under a temporary name.
  - A directory that is not empty and does not carry this collection's marker is never touched.
extends_documentation_fragment:
  - claude_code.observability.attributes
attributes:
  check_mode:
    support: full
    details:
      - The checkers run on a copy in a temporary folder, if they are on the host already.
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  path:
    description: The configuration directory of the program.
    type: path
    required: true
  state:
    description:
      - V(present) makes the given set the current one.
      - V(applied) notes that the service works with the current set. Only O(path) counts then.
      - V(reverted) makes the applied set the current one again, for a service that does not work with the one that is.
        Only O(path) and O(read) count then.
    type: str
    choices: [present, applied, reverted]
    default: present
  files:
    description: The files of the set, relative path to text.
    type: dict
    default: {}
  secrets:
    description: Like O(files), for texts that hold a secret. Neither result nor diff shows more than that they changed.
    type: dict
    default: {}
  owner:
    description: Owner of everything below O(path), a name or a number. Without it the user the module runs as.
    type: str
  group:
    description:
      - Group of everything below O(path), a name or a number. Without it the group the module runs as.
      - Files have mode V(0640), directories V(0750).
    type: str
  directories:
    description: Further directories to have, for example for data. Parents stand before their children.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: The directory.
        type: path
        required: true
      owner:
        description: Its owner, a name or a number. Without it the user the module runs as.
        type: str
      group:
        description: Its group, a name or a number. Without it the group the module runs as.
        type: str
      mode:
        description: Its mode, octal.
        type: str
        default: "0750"
      marker:
        description: Whether it carries this collection's marker, and is refused if it holds files without one.
        type: bool
        default: false
  links:
    description:
      - Symbolic links to have, absolute path of the link to its text, which may be relative.
      - An empty text removes a link of ours.
      - A file, or a link that leads elsewhere than into O(path) or to another of these links, is refused.
    type: dict
    default: {}
  validate:
    description:
      - Command lines that check the set, run in this order. C({set}) stands for the absolute path of the set to check.
      - They run only when the current set changes. They are part of what names a set, so a new version of a checker
        sees the set again.
    type: list
    elements: list
    default: []
  validate_user:
    description: The user to run the checkers as, with all groups of that user. Without it the user the module runs as.
    type: str
  validate_image:
    description:
      - The container image the checkers run in.
      - In check mode the checkers are left out while this image is not on the host.
    type: str
  validate_timeout:
    description: Seconds that one checker may take.
    type: int
    default: 120
  marker:
    description: Facts to keep in the marker file of O(path). A key that is there already keeps its value.
    type: dict
    default: {}
  read:
    description:
      - Names of files whose texts to return with O(state=reverted). No secrets.
      - There is no way back to a set without one of them.
    type: list
    elements: str
    default: []
  keep:
    description: How many sets to keep. The current and the applied one are always kept.
    type: int
    default: 3
author:
  - claude_code.observability contributors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Prometheus has a checked configuration
  claude_code.observability.config_files:
    path: /etc/prometheus
    group: prometheus
    files:
      prometheus.yml: "{{ lookup('ansible.builtin.template', 'prometheus.yml.j2') }}"
      rules/cost.yml: "{{ lookup('ansible.builtin.template', 'cost.yml.j2') }}"
      prometheus.service: "{{ lookup('ansible.builtin.template', 'prometheus.service.j2') }}"
    directories:
      - path: /var/lib/prometheus
        owner: prometheus
        group: prometheus
        marker: true
    links:
      /etc/systemd/system/prometheus.service: /etc/prometheus/current/prometheus.service
      /etc/systemd/system/multi-user.target.wants/prometheus.service: ../prometheus.service
    validate:
      - [/opt/prometheus/3.13.5/promtool, check, config, "{set}/prometheus.yml"]
    validate_user: prometheus
  register: config

- name: The service runs with the current configuration
  claude_code.observability.config_files:
    path: /etc/prometheus
    state: applied
  when: config.pending

- name: The service gets back what it worked with
  claude_code.observability.config_files:
    path: /etc/prometheus
    state: reverted
  when: not answers
"""

RETURN = r"""
set:
  description: Name of the set that is current after the call.
  type: str
  returned: always
  sample: 5f2b6a0c9d1e4f37
previous:
  description: Name of the set that was current before the call.
  type: str
  returned: always
applied:
  description:
    - Name of the set with which the service was last known to work, before the call. None if it never was.
    - If it is another one than RV(set), the service can go back to it.
  type: str
  returned: always
pending:
  description: Whether the service has still to be started or reloaded with the current set.
  type: bool
  returned: always
changed_files:
  description:
    - Names of the files that differ between the applied set and the current one, sorted. All if none was ever applied.
    - After an interrupted run also those that differ from the set that was current before the call.
    - With O(state=reverted) those that differ from the set that was current before the call.
  type: list
  elements: str
  returned: always
texts:
  description: The texts of the files in O(read), by name.
  type: dict
  returned: with O(state=reverted)
validated:
  description: Whether the set is known to have passed its checkers.
  type: bool
  returned: always
marker:
  description: The facts in the marker file.
  type: dict
  returned: always
"""

import os
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.claude_code.observability.plugins.module_utils._config_checkers import (
    missing_checker,
    run_checkers,
    trial,
)
from ansible_collections.claude_code.observability.plugins.module_utils._config_sets import (
    Directory,
    Request,
    apply,
    check_names,
    note_applied,
    plan,
    pointed,
    read_set,
    restart_due,
    revert,
)
from ansible_collections.claude_code.observability.plugins.module_utils._util import (
    HostError,
    group_id,
    read_marker,
    user_id,
)

DIRECTORY_OPTIONS = {
    "path": {"type": "path", "required": True},
    "owner": {"type": "str"},
    "group": {"type": "str"},
    "mode": {"type": "str", "default": "0750"},
    "marker": {"type": "bool", "default": False},
}


def ids(module: AnsibleModule, options: dict[str, Any]) -> tuple[int, int]:
    """The uid and gid of an owner and group. Only check mode may ask for some that do not exist yet."""
    uid, gid = user_id(options["owner"]), group_id(options["group"])
    for what, number in (("owner", uid), ("group", gid)):
        if number < 0:
            if not module.check_mode:
                raise HostError(f"{what}: {options[what]!r} of {options['path']} does not exist on this host")
            module.warn(f"{what}: {options[what]!r} does not exist on this host yet")
    return uid, gid


def octal(directory: dict[str, Any]) -> int:
    """The mode of a directory option as a number."""
    try:
        return int(directory["mode"], 8)
    except ValueError as exc:
        raise HostError(f"directories: mode {directory['mode']!r} of {directory['path']} is not octal") from exc


def parse(module: AnsibleModule) -> Request:
    """The module's arguments as a request."""
    params = module.params
    if not params["path"].startswith("/"):
        raise HostError(f"path: {params['path']!r} is not absolute")
    check_names(params["files"], params["secrets"])
    directories = []
    for item in params["directories"]:
        uid, gid = ids(module, item)
        directories.append(Directory(item["path"], uid, gid, octal(item), item["marker"]))
        if not item["path"].startswith("/"):
            raise HostError(f"directories: {item['path']!r} is not absolute")
    if any(not argv for argv in params["validate"]):
        raise HostError("validate: a command line is empty")
    for link in params["links"]:
        if not link.startswith("/"):
            raise HostError(f"links: {link!r} is not absolute")
    uid, gid = ids(module, params)
    return Request(
        path=params["path"].rstrip("/"),
        files={name: text.encode() for name, text in params["files"].items()},
        secrets={name: text.encode() for name, text in params["secrets"].items()},
        uid=uid,
        gid=gid,
        directories=tuple(directories),
        links={link: text or None for link, text in params["links"].items()},
        checkers=tuple(tuple(str(part) for part in argv) for argv in params["validate"]),
        marker=params["marker"],
        keep=params["keep"],
    )


def no_checker_yet(module: AnsibleModule, request: Request) -> str | None:
    """Why the checkers cannot run before the steps that check mode left out."""
    if request.uid < 0 or request.gid < 0:
        return "its owner or group does not exist yet"
    for argv in request.checkers:
        if missing_checker(argv):
            return f"{argv[0]} is not on this host yet"
    user = module.params["validate_user"]
    if user is not None and user_id(user) < 0:
        return f"the user {user} does not exist yet"
    image = module.params["validate_image"]
    if image and module.run_command(["docker", "image", "inspect", "--format", "{{.Id}}", image])[0] != 0:
        return f"the image {image} is not on this host yet"
    return None


def present(module: AnsibleModule) -> dict[str, Any]:
    """Makes a set current."""
    request = parse(module)
    wanted = plan(request)
    user, timeout = module.params["validate_user"], module.params["validate_timeout"]
    validated = bool(request.checkers)
    if not module.check_mode:
        if wanted.changed or wanted.leftovers:
            apply(request, lambda staged: run_checkers(request, staged, user, timeout))
    elif request.checkers and not wanted.whole:
        reason = no_checker_yet(module, request)
        if reason:
            validated = False
            module.warn(f"{request.path}: the configuration was not checked, {reason}")
        else:
            drops = user is not None and user_id(user) != os.geteuid()
            trial(request, None if drops else module.tmpdir, user, timeout)
    return {
        "changed": wanted.changed,
        "set": wanted.name,
        "previous": wanted.previous,
        "applied": wanted.applied,
        "pending": wanted.pending,
        "changed_files": wanted.changed_files,
        "validated": validated,
        "marker": wanted.marker,
        **({"diff": wanted.diff} if module._diff else {}),
    }


def applied(module: AnsibleModule) -> dict[str, Any]:
    """Notes that the service works with the current set."""
    path = module.params["path"].rstrip("/")
    before, current = pointed(path, "applied"), pointed(path, "current")
    if current is None and not module.check_mode:
        raise HostError(f"path: {path} has no current set that could be applied")
    changed = before != current or current is None or restart_due(path)
    if changed and not module.check_mode:
        note_applied(path)
    return {
        "changed": changed,
        "set": current,
        "previous": current,
        "applied": before,
        "pending": False,
        "changed_files": [],
        "validated": True,
        "marker": read_marker(path) or {},
        **_link_diff(module, f"{path}/applied", before, current),
    }


def reverted(module: AnsibleModule) -> dict[str, Any]:
    """Makes the applied set current again."""
    path = module.params["path"].rstrip("/")
    before, good = pointed(path, "current"), pointed(path, "applied")
    if good is None:
        raise HostError(f"path: {path} has no applied set to go back to")
    files, secrets = read_set(f"{path}/sets/{good}")
    for name in module.params["read"]:
        if name not in files.keys() - secrets:
            raise HostError(f"path: there is no way back for {path}, the set it worked with last has no {name}")
    other = read_set(f"{path}/sets/{before}")[0] if before else {}
    if before != good and not module.check_mode:
        revert(path)
    return {
        "changed": before != good,
        "set": good,
        "previous": before,
        "applied": good,
        "pending": True,
        "changed_files": sorted(name for name in {*files, *other} if files.get(name) != other.get(name)),
        "validated": True,
        "marker": read_marker(path) or {},
        "texts": {name: files[name].decode() for name in module.params["read"]},
        **_link_diff(module, f"{path}/current", before, good),
    }


def _link_diff(module: AnsibleModule, link: str, before: str | None, after: str | None) -> dict[str, Any]:
    if not module._diff:
        return {}
    texts = {"before": f"sets/{before}\n" if before else "", "after": f"sets/{after}\n" if after else ""}
    return {"diff": [{"before_header": link, "after_header": link, **texts}] if before != after else []}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "state": {"type": "str", "choices": ["present", "applied", "reverted"], "default": "present"},
            "files": {"type": "dict", "default": {}},
            "secrets": {"type": "dict", "default": {}, "no_log": True},
            "owner": {"type": "str"},
            "group": {"type": "str"},
            "directories": {"type": "list", "elements": "dict", "default": [], "options": DIRECTORY_OPTIONS},
            "links": {"type": "dict", "default": {}},
            "validate": {"type": "list", "elements": "list", "default": []},
            "validate_user": {"type": "str"},
            "validate_image": {"type": "str"},
            "validate_timeout": {"type": "int", "default": 120},
            "marker": {"type": "dict", "default": {}},
            "read": {"type": "list", "elements": "str", "default": []},
            "keep": {"type": "int", "default": 3},
        },
        supports_check_mode=True,
    )
    try:
        result = {"present": present, "applied": applied, "reverted": reverted}[module.params["state"]](module)
    except (HostError, OSError) as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
