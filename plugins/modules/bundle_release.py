#!/usr/bin/python
# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: bundle_release
short_description: Fetch a release archive into a bundle
description:
  - Makes sure that a file below O(dest) is the release archive at O(url), as its publisher's checksum has it.
  - Beside it goes a checksum file, so that the directory may serve as a mirror, C(stack_mirror).
author:
  - claude_code.observability contributors (!UNKNOWN)
extends_documentation_fragment:
  - claude_code.observability.attributes
attributes:
  check_mode:
    support: full
    details:
      - Asks for the checksum, and not for the archive.
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  url:
    description: Where the archive is, an http, https or file URL.
    type: str
    required: true
  checksum:
    description: The SHA-256 of the archive, 64 hex digits.
    type: str
  checksum_url:
    description:
      - Where to read the SHA-256 if O(checksum) is not set.
      - Its last part is also the name of the checksum file beside the archive.
    type: str
    required: true
  dest:
    description: The archive. Directories above it are made.
    type: path
    required: true
  proxy:
    description: Proxy for http and https. Without it, the environment's proxy variables count.
    type: str
  ca_path:
    description: File or directory with CA certificates to trust besides the system's.
    type: path
  timeout:
    description: Seconds to wait for the server, each time it is waited for.
    type: int
    default: 30
"""

EXAMPLES = r"""
- name: Prometheus is in the bundle
  claude_code.observability.bundle_release:
    url: "{{ releases }}/v3.13.5/prometheus-3.13.5.linux-amd64.tar.gz"
    checksum_url: "{{ releases }}/v3.13.5/sha256sums.txt"
    dest: /srv/bundle/releases/prometheus/prometheus/releases/download/v3.13.5/prometheus-3.13.5.linux-amd64.tar.gz
  vars:
    releases: https://github.com/prometheus/prometheus/releases/download
"""

RETURN = r"""
checksum_file:
  description: The checksum file beside the archive.
  type: str
  returned: success
downloaded:
  description: Bytes of the archive read from O(url).
  type: int
  returned: success
"""

import os
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.claude_code.observability.plugins.module_utils._bundle import replace_file, sha256_of
from ansible_collections.claude_code.observability.plugins.module_utils._download import (
    SHA256,
    DownloadError,
    Transport,
    artifact_name,
    check_url,
    fetch_checksum,
    password_of,
    save,
    shown,
    stream,
)


def fetch(url: str, wanted: str, dest: str, transport: Transport) -> int:
    """Downloads the archive beside its place and renames it there if it is the promised one; returns its size."""
    os.makedirs(os.path.dirname(dest), exist_ok=True)
    part = f"{dest}.part"
    if os.path.lexists(part):
        os.unlink(part)
    try:
        sha256, size = save(stream(url, transport), part)
        if sha256 != wanted:
            raise DownloadError(f"the SHA-256 of {shown(url)} is {sha256}, but {wanted} was promised: it is not kept")
        os.replace(part, dest)
    finally:
        if os.path.lexists(part):
            os.unlink(part)
    return size


def list_checksum(path: str, artifact: str, checksum: str, dry: bool) -> bool:
    """Gives the artifact its line in a checksum file; whether that changes it."""
    lines = {}
    if os.path.exists(path):
        with open(path, encoding="utf-8") as handle:
            lines = {line.split("  ", 1)[1]: line for line in handle.read().splitlines() if "  " in line}
    lines[artifact] = f"{checksum}  {artifact}"
    return replace_file(path, "".join(f"{lines[name]}\n" for name in sorted(lines)).encode(), dry)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "url": {"type": "str", "required": True},
            "checksum": {"type": "str"},
            "checksum_url": {"type": "str", "required": True},
            "dest": {"type": "path", "required": True},
            "proxy": {"type": "str"},
            "ca_path": {"type": "path"},
            "timeout": {"type": "int", "default": 30},
        },
        supports_check_mode=True,
    )
    params = module.params
    url, checksum_url, dest = params["url"], params["checksum_url"], params["dest"]
    for option in ("url", "checksum_url", "proxy"):
        module.no_log_values.update(password_of(params[option] or ""))
    transport = Transport(proxy=params["proxy"] or "", ca_path=params["ca_path"] or "", timeout=params["timeout"])
    result: dict[str, Any] = {"changed": False, "downloaded": 0}
    try:
        check_url(url, "url")
        check_url(checksum_url, "checksum_url")
        if params["checksum"] and not SHA256.fullmatch(params["checksum"]):
            raise DownloadError(f"checksum must be the 64 hex digits of a SHA-256, not {params['checksum']!r}")
        wanted = (params["checksum"] or fetch_checksum(checksum_url, artifact_name(url), transport)).lower()
        result["checksum_file"] = os.path.join(os.path.dirname(dest), artifact_name(checksum_url))
        if not os.path.isfile(dest) or sha256_of(dest) != wanted:
            result["changed"] = True
            if not module.check_mode:
                result["downloaded"] = fetch(url, wanted, dest, transport)
        result["changed"] |= list_checksum(result["checksum_file"], artifact_name(url), wanted, module.check_mode)
    except DownloadError as exc:
        module.fail_json(msg=f"{os.path.basename(dest)}: {exc}")
    except OSError as exc:
        module.fail_json(msg=f"{os.path.basename(dest)}: {exc.strerror or exc}: {exc.filename or dest}")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
