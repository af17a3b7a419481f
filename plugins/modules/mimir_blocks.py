#!/usr/bin/python
# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: mimir_blocks
author:
  - claude_code.observability contributors (!UNKNOWN)
short_description: Take blocks of Prometheus to Mimir
description:
  - Uploads the blocks in a directory, such as a snapshot of Prometheus, through Mimir's block upload API, which checks
    all of what it gets.
  - Mimir takes blocks that lie within a day of UTC. Longer ones are cut there, in O(directory), which needs room for
    the largest.
  - A block that Mimir has is skipped. What Mimir has from elsewhere too, the same samples, counts once.
  - A block that is damaged or that Mimir refuses is named in the end, when the others are there. Nothing is deleted.
extends_documentation_fragment:
  - claude_code.observability.attributes
attributes:
  check_mode:
    support: full
    details: Looks at the blocks, asks Mimir what it has, and says what would go, and about how many bytes.
  diff_mode:
    support: none
  idempotent:
    support: full
    details:
      - As long as Mimir has the blocks under their names. When it has merged them with others they are uploaded
        and merged again.
options:
  directory:
    description:
      - The directory with the blocks. It must not change meanwhile, as that of a running Prometheus does.
      - A block that is there has no deleted series in it, or they would be back. C(clean_tombstones) sees to that.
    type: path
    required: true
  url:
    description: Where Mimir is, such as V(http://127.0.0.1:9009), before C(/api) and C(/prometheus).
    type: str
    required: true
  headers:
    description: Sent with every request, such as C(X-Scope-OrgID), the tenant.
    type: dict
    default: {}
  ca_path:
    description:
      - File with the certificates of the CAs to trust, on the host the task runs on. Without it, those of the system.
    type: path
  client_cert:
    description: File with the client's certificate in PEM format. It may hold the key as well.
    type: path
  client_key:
    description: File with the key of O(client_cert).
    type: path
  timeout:
    description: Seconds each wait for Mimir may take.
    type: int
    default: 300
"""

EXAMPLES = r"""
- name: What Prometheus has is in Mimir
  claude_code.observability.mimir_blocks:
    directory: /var/lib/claude-code/prometheus/snapshots/20261129T101500Z-1d2c3b4a5f6e7d8c
    url: "{{ lookup('claude_code.observability.endpoint', 'mimir', viewpoint='host') }}"
    headers:
      X-Scope-OrgID: claude-code
"""

RETURN = r"""
uploaded:
  description: What was uploaded, or in check mode would be.
  returned: always
  type: list
  elements: dict
  contains:
    block:
      description: The name of the block in Mimir.
      type: str
    of:
      description: The block of Prometheus that it is, or is a day of.
      type: str
    bytes:
      description: Its size. In check mode an estimate, for one that has to be cut.
      type: int
present:
  description: Blocks that Mimir had.
  returned: always
  type: list
  elements: str
too_old:
  description: Blocks that are older than what Mimir keeps.
  returned: always
  type: list
  elements: str
too_old_until:
  description: Until when they reach, in seconds since 1970. V(0) if there are none.
  returned: always
  type: float
refused:
  description: Blocks that did not get there, with the reason.
  returned: always
  type: list
  elements: str
bytes:
  description: The size of all that was uploaded.
  returned: always
  type: int
seconds:
  description: How long it took, the cuts included.
  returned: always
  type: float
"""

import time
from pathlib import Path
from urllib.parse import urlsplit

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.claude_code.observability.plugins.module_utils._download import shown
from ansible_collections.claude_code.observability.plugins.module_utils._mimir_blocks import Mimir, UploadError, bring
from ansible_collections.claude_code.observability.plugins.module_utils._tls import Access


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "directory": {"type": "path", "required": True},
            "url": {"type": "str", "required": True},
            "headers": {"type": "dict", "default": {}, "no_log": True},
            "ca_path": {"type": "path"},
            "client_cert": {"type": "path"},
            "client_key": {"type": "path"},
            "timeout": {"type": "int", "default": 300},
        },
        supports_check_mode=True,
    )
    options = module.params
    parts = urlsplit(options["url"])
    if parts.scheme not in ("http", "https") or not parts.hostname:
        module.fail_json(msg=f"url is {shown(options['url'])!r}; write http://host:port or https://host:port")
    directory = Path(options["directory"])
    if not directory.is_dir():
        module.fail_json(msg=f"directory {options['directory']!r} is not there, or is no directory")
    headers = {name: str(value) for name, value in options["headers"].items()}
    access = Access(options["ca_path"], options["client_cert"], options["client_key"])
    begun = time.monotonic()
    try:
        outcome = bring(Mimir(options["url"], headers, access, options["timeout"]), directory, module.check_mode)
    except UploadError as error:
        module.fail_json(msg=str(error))
    answer = {
        "changed": bool(outcome.uploaded),
        "uploaded": outcome.uploaded,
        "present": outcome.present,
        "too_old": outcome.too_old,
        "too_old_until": outcome.too_old_until,
        "refused": outcome.refused,
        "bytes": outcome.size,
        "seconds": round(time.monotonic() - begun, 3),
    }
    if outcome.refused:
        module.fail_json(msg=f"Not in Mimir: {'; '.join(outcome.refused)}", **answer)
    module.exit_json(**answer)


if __name__ == "__main__":
    main()
