#!/usr/bin/python
# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: bundle_index
short_description: Write manifest, bill of materials and checksums of a bundle
description:
  - Writes C(manifest.json), which says what each file is, C(sbom.cdx.json), a bill of materials in CycloneDX 1.6, and
    C(SHA256SUMS), which vouches for all of them and for every artifact.
  - What an earlier run has brought stays in, as far as its files are there.
    Collections, wheels and documents are found by themselves.
  - The same files give the same index.
author:
  - claude_code.observability contributors (!UNKNOWN)
extends_documentation_fragment:
  - claude_code.observability.attributes
attributes:
  check_mode:
    support: partial
    details:
      - As the artifacts are not there yet, it writes nothing and says nothing of changes.
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  path:
    description: The directory of the bundle.
    type: path
    required: true
  version:
    description: Version of the collection, for the bill of materials.
    type: str
    required: true
  artifacts:
    description: The archives and images of this run.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: The file, relative to O(path).
        type: str
        required: true
      kind:
        description: What it is. V(checksums) are the checksum file of archives.
        type: str
        choices: [archive, image, checksums]
        required: true
      name:
        description: Name of the component, or the whole name of the image.
        type: str
        required: true
      version:
        description: Its version.
        type: str
        default: ""
      platform:
        description: Its platform, such as V(linux_amd64).
        type: str
        default: ""
      source:
        description: Where it came from.
        type: str
        default: ""
      license:
        description: Its licence, an SPDX expression.
        type: str
        default: ""
"""

EXAMPLES = r"""
- name: The bundle has its index
  claude_code.observability.bundle_index:
    path: /srv/bundle
    version: 1.0.0
    artifacts:
      - path: images/prom-prometheus-v3.13.5-linux_amd64.tar
        kind: image
        name: prom/prometheus:v3.13.5
        version: v3.13.5
        platform: linux_amd64
"""

RETURN = r"""
artifacts:
  description: Everything in the bundle, with C(path), C(kind), C(name), C(version), C(platform), C(source), C(license).
  type: list
  elements: dict
  returned: success
sha256:
  description:
    - The SHA-256 of C(SHA256SUMS). Carried by another way than the bundle, it vouches for the whole.
    - Empty in check mode.
  type: str
  returned: success
"""

from dataclasses import asdict

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.claude_code.observability.plugins.module_utils._bundle import (
    Artifact,
    BundleError,
    write_index,
)


def main() -> None:
    text = {"type": "str", "default": ""}
    needed = {"type": "str", "required": True}
    artifact = {
        "path": needed,
        "kind": {**needed, "choices": ["archive", "image", "checksums"]},
        "name": needed,
        "version": text,
        "platform": text,
        "source": text,
        "license": text,
    }
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "version": needed,
            "artifacts": {"type": "list", "elements": "dict", "default": [], "options": artifact},
        },
        supports_check_mode=True,
    )
    if module.check_mode:
        module.exit_json(changed=False, artifacts=[], sha256="")
    told = [Artifact(**entry) for entry in module.params["artifacts"]]
    try:
        changed, artifacts, sha256 = write_index(module.params["path"], told, module.params["version"])
    except BundleError as exc:
        module.fail_json(msg=str(exc))
    except OSError as exc:
        module.fail_json(msg=f"{exc.strerror or exc}: {exc.filename or module.params['path']}")
    module.exit_json(changed=changed, artifacts=[asdict(one) for one in artifacts], sha256=sha256)


if __name__ == "__main__":
    main()
