#!/usr/bin/python
# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: bundle_collection
short_description: Pack an installed collection into a bundle
description:
  - Makes the archive that C(ansible-galaxy collection install) takes, out of a collection as it is installed here.
    Nothing is asked of Galaxy.
  - A file that was changed since is refused. What a distributor has left out, such as tests, is left out.
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
    support: full
options:
  path:
    description: The installed collection, a directory with a C(MANIFEST.json).
    type: path
    required: true
  dest:
    description: The directory for the archive, which is named by namespace, name and version.
    type: path
    required: true
"""

EXAMPLES = r"""
- name: The collection is in the bundle
  claude_code.observability.bundle_collection:
    path: ~/.ansible/collections/ansible_collections/community/docker
    dest: /srv/bundle/collections
"""

RETURN = r"""
archive:
  description: The archive.
  type: str
  returned: success
  sample: /srv/bundle/collections/community-docker-4.8.5.tar.gz
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.claude_code.observability.plugins.module_utils._bundle import (
    BundleError,
    pack_collection,
    replace_file,
)


def main() -> None:
    module = AnsibleModule(
        argument_spec={"path": {"type": "path", "required": True}, "dest": {"type": "path", "required": True}},
        supports_check_mode=True,
    )
    try:
        archive, content = pack_collection(module.params["path"], module.params["dest"])
        changed = replace_file(archive, content, dry=module.check_mode)
    except BundleError as exc:
        module.fail_json(msg=str(exc))
    except OSError as exc:
        module.fail_json(msg=f"{exc.strerror or exc}: {exc.filename or module.params['path']}")
    module.exit_json(changed=changed, archive=archive)


if __name__ == "__main__":
    main()
