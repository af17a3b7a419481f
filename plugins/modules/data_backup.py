#!/usr/bin/python
# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: data_backup
short_description: Archive the data of a component at one moment, while it runs
description:
  - Pauses the component, takes its data directory as it is (hard links where a file is never changed in place, copies
    otherwise), lets it go on, and archives what it took. The component stands still for the time this takes, usually a
    fraction of a second, and is not restarted.
  - It goes on however the module ends, also when it is killed.
  - The archive is a gzipped tar of the data alone, without names that begin with a dot.
author:
  - claude_code.observability contributors (!UNKNOWN)
extends_documentation_fragment:
  - claude_code.observability.attributes
attributes:
  check_mode:
    support: full
    details:
      - Tells how much data there is, and pauses nothing.
  diff_mode:
    support: none
  idempotent:
    support: none
    details:
      - Each call is a new backup.
options:
  path:
    description: The data directory of the component.
    type: path
    required: true
  dest:
    description:
      - The archive to write, which must not be there yet.
      - It belongs to the owner of the directory it is in, and nobody else may read it.
    type: path
    required: true
  linked:
    description:
      - Patterns of paths below O(path) of files that are never changed in place, only appended to or replaced as a
        whole. V(*) takes slashes too.
    type: list
    elements: str
    default: []
  pause:
    description: The command that makes the component stand still, empty if it does not run.
    type: list
    elements: str
    default: []
  resume:
    description: The command that lets it go on.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: The data of Prometheus is archived
  claude_code.observability.data_backup:
    path: /var/lib/prometheus
    dest: /var/tmp/backup/prometheus.tar.gz
    linked: ["*/chunks/*", "*/index", "wal/*", "wbl/*"]
    pause: [systemctl, freeze, prometheus.service]
    resume: [systemctl, thaw, prometheus.service]
"""

RETURN = r"""
sha256:
  description: The SHA-256 of the archive. Empty in check mode.
  type: str
  returned: success
archive_bytes:
  description: Size of the archive, 0 in check mode.
  type: int
  returned: success
data_bytes:
  description: Size of the data, the sum of its files.
  type: int
  returned: success
files:
  description: How many files there are, 0 in check mode.
  type: int
  returned: success
paused_seconds:
  description: How long the component stood still.
  type: float
  returned: success
"""

import os
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.claude_code.observability.plugins.module_utils._backup import back_up, data_bytes
from ansible_collections.claude_code.observability.plugins.module_utils._data_dir import DataError


def main() -> None:
    commands = {"type": "list", "elements": "str", "default": []}
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "dest": {"type": "path", "required": True},
            "linked": commands,
            "pause": commands,
            "resume": commands,
        },
        supports_check_mode=True,
    )
    params = module.params
    result: dict[str, Any] = {"sha256": "", "archive_bytes": 0, "files": 0, "paused_seconds": 0.0}
    try:
        if module.check_mode:
            result["data_bytes"] = data_bytes(params["path"])
        else:
            result.update(back_up(**params))
    except DataError as exc:
        module.fail_json(msg=f"{os.path.basename(params['path'])}: {exc}")
    except OSError as exc:
        module.fail_json(msg=f"{os.path.basename(params['path'])}: {exc.strerror or exc}: {exc.filename or ''}")
    module.exit_json(changed=True, **result)


if __name__ == "__main__":
    main()
