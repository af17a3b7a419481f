#!/usr/bin/python
# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: data_restore
short_description: Put the data of a backup in the place of what a component has
description:
  - The steps of a restore, each of them whole or not done. What the component had is kept until V(finished).
  - Files belong to the owner of the data directory, whoever they belonged to where the backup was made.
author:
  - claude_code.observability contributors (!UNKNOWN)
extends_documentation_fragment:
  - claude_code.observability.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: none
options:
  path:
    description: The data directory of the component.
    type: path
    required: true
  state:
    description:
      - V(staged) verifies O(archive) and unpacks it beside the data. The component may run.
      - V(switched) puts what is staged in the place of the data, which it sets aside. The component must be stopped, as
        for V(undone). It first takes back a switch that was interrupted before it was finished.
      - V(undone) puts the data back that was set aside, and drops what is staged.
      - V(finished) deletes the data that was set aside.
    type: str
    choices: [staged, switched, undone, finished]
    required: true
  archive:
    description: The archive of M(claude_code.observability.data_backup), a file on this host. Needed for V(staged).
    type: path
  sha256:
    description: Its SHA-256. Needed for V(staged).
    type: str
  data_bytes:
    description: How much room it takes. Needed for V(staged).
    type: int
"""

EXAMPLES = r"""
- name: The data of Prometheus is staged
  claude_code.observability.data_restore:
    path: /var/lib/prometheus
    state: staged
    archive: /var/tmp/restore/prometheus.tar.gz
    sha256: 2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae
    data_bytes: 123456789
"""

RETURN = r""" # """

import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.claude_code.observability.plugins.module_utils._data_dir import DataError
from ansible_collections.claude_code.observability.plugins.module_utils._restore import finish, stage, switch, undo


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "state": {"type": "str", "choices": ["staged", "switched", "undone", "finished"], "required": True},
            "archive": {"type": "path"},
            "sha256": {"type": "str"},
            "data_bytes": {"type": "int"},
        },
        required_if=[("state", "staged", ["archive", "sha256", "data_bytes"])],
        supports_check_mode=True,
    )
    params = module.params
    path = params["path"]
    try:
        if not module.check_mode:
            if params["state"] == "staged":
                stage(path, params["archive"], params["sha256"], params["data_bytes"])
            else:
                {"switched": switch, "undone": undo, "finished": finish}[params["state"]](path)
    except DataError as exc:
        module.fail_json(msg=f"{os.path.basename(path)}: {exc}")
    except OSError as exc:
        module.fail_json(msg=f"{os.path.basename(path)}: {exc.strerror or exc}: {exc.filename or ''}")
    module.exit_json(changed=True)


if __name__ == "__main__":
    main()
