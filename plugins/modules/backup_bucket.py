#!/usr/bin/python
# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_bucket
short_description: Keep backups of the stack in a bucket of S3
description:
  - Puts a backup, as C(playbooks/backup.yml) makes it, into a bucket of Amazon S3 or of a store that speaks like it,
    and deletes older ones there; or brings one back.
  - The manifest is written last and deleted first, so that what has one is whole. Checksums are in the manifest, and
    C(playbooks/restore.yml) compares them.
  - Credentials are those that boto3 finds, the environment (E(AWS_ACCESS_KEY_ID), E(AWS_SECRET_ACCESS_KEY),
    E(AWS_PROFILE)) or the role of the machine. They are no options, so that they get into no log.
author:
  - claude_code.observability contributors (!UNKNOWN)
requirements:
  - boto3
extends_documentation_fragment:
  - claude_code.observability.attributes
attributes:
  check_mode:
    support: full
    details:
      - Lists the bucket, and neither writes nor reads a backup.
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  bucket:
    description: The bucket, which must be there.
    type: str
    required: true
  prefix:
    description: What the names of all objects begin with, without the slash at its end.
    type: str
    default: ""
  endpoint:
    description: The URL of the store. Empty, Amazon's.
    type: str
    default: ""
  region:
    description: Its region. Empty, the one that boto3 finds.
    type: str
    default: ""
  ca_path:
    description: A file with the authorities to trust. Empty, those of boto3.
    type: str
    default: ""
  directory:
    description: The directory with the backups on this host.
    type: path
    required: true
  name:
    description:
      - The backup, such as C(20261129T101500Z). With O(state=pulled) V(latest) is the newest whole one of the bucket.
    type: str
    required: true
  state:
    description:
      - V(pushed) puts the backup into the bucket.
      - V(pulled) brings it from there, unless it is in O(directory) already.
    type: str
    choices: [pushed, pulled]
    default: pushed
  keep:
    description: How many whole backups stay in the bucket when one was pushed.
    type: int
    default: 7
"""

EXAMPLES = r"""
- name: The backup is in the bucket as well
  claude_code.observability.backup_bucket:
    bucket: example-backups
    prefix: claude-code
    directory: /srv/backups
    name: 20261129T101500Z
  delegate_to: localhost

- name: The newest backup is here
  claude_code.observability.backup_bucket:
    bucket: example-backups
    prefix: claude-code
    directory: /srv/backups
    name: latest
    state: pulled
  delegate_to: localhost
"""

RETURN = r"""
name:
  description: The backup.
  type: str
  returned: success
  sample: 20261129T101500Z
place:
  description: Where it is in the bucket.
  type: str
  returned: success
  sample: s3://example-backups/claude-code/20261129T101500Z
deleted:
  description: Backups that were deleted in the bucket, and what failed runs had left there.
  type: list
  elements: str
  returned: success
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.claude_code.observability.plugins.module_utils._bucket import (
    BOTO3_ERROR,
    MANIFEST,
    NAME,
    Bucket,
    BucketError,
)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "bucket": {"type": "str", "required": True},
            "prefix": {"type": "str", "default": ""},
            "endpoint": {"type": "str", "default": ""},
            "region": {"type": "str", "default": ""},
            "ca_path": {"type": "str", "default": ""},
            "directory": {"type": "path", "required": True},
            "name": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["pushed", "pulled"], "default": "pushed"},
            "keep": {"type": "int", "default": 7},
        },
        supports_check_mode=True,
    )
    if BOTO3_ERROR:
        module.fail_json(msg=missing_required_lib("boto3"), exception=BOTO3_ERROR)
    options = module.params
    if options["keep"] < 1:
        module.fail_json(msg=f"backup_keep is {options['keep']}: at least one backup stays")
    try:
        bucket = Bucket(*(options[name] for name in ("bucket", "prefix", "endpoint", "region", "ca_path")))
        module.exit_json(**(_pushed if options["state"] == "pushed" else _pulled)(module, bucket))
    except BucketError as error:
        module.fail_json(msg=str(error))


def _pushed(module: AnsibleModule, bucket: Bucket) -> dict[str, object]:
    name, directory = module.params["name"], Path(module.params["directory"])
    if not NAME.fullmatch(name) or not (directory / name / MANIFEST).exists():
        raise BucketError(f"there is no whole backup {name} in {directory}")
    answer = {"name": name, "place": f"{bucket.shown}{name}", "deleted": []}
    if module.check_mode:
        return {**answer, "changed": name not in bucket.whole()}
    changed = bucket.push(directory / name)
    deleted = bucket.keep(module.params["keep"], newest=name)
    return {**answer, "deleted": deleted, "changed": changed or bool(deleted)}


def _pulled(module: AnsibleModule, bucket: Bucket) -> dict[str, object]:
    name, directory = module.params["name"], Path(module.params["directory"])
    if NAME.fullmatch(name) and (directory / name / MANIFEST).exists():
        return {"name": name, "place": f"{bucket.shown}{name}", "deleted": [], "changed": False}
    if name == "latest":
        whole = bucket.whole()
        if not whole:
            raise BucketError(f"{bucket.shown} has no whole backup")
        name = whole[-1]
    answer = {"name": name, "place": f"{bucket.shown}{name}", "deleted": []}
    if module.check_mode:
        return {**answer, "changed": not (directory / name / MANIFEST).exists()}
    return {**answer, "changed": bucket.pull(name, directory)}


if __name__ == "__main__":
    main()
