#!/usr/bin/python
# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: release_archive
short_description: Stage one pinned version of a program from its release archive
description:
  - Makes sure that O(dest)/O(version) holds the pinned version, whole. If it does, nothing is downloaded.
  - Otherwise fetches the archive, verifies its SHA-256, unpacks it beside the target and renames it into place.
  - It only stages. Which version runs is said elsewhere, and other versions stay where they are
    unless O(used_in) is set.
  - A version directory holds a manifest, V(.claude_code.observability.json). Whole means that every file in it
    still has the size, time, mode and owner recorded there; contents are not read again.
  - A directory that this module did not make is refused, never replaced.
author:
  - claude_code.observability contributors (!UNKNOWN)
extends_documentation_fragment:
  - claude_code.observability.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  name:
    description: Name of the program, for messages and the manifest.
    type: str
    required: true
  version:
    description: The pinned version, which is also the directory's name.
    type: str
    required: true
  url:
    description:
      - Where the archive is, as an http, https or file URL (a file on the target). Needed unless O(archive) is set.
      - The last part of its path is the artifact's name.
      - A Linux program that is not in an archive counts as one that holds nothing else, under the artifact's name.
        Another name installs anew, the same name on another server does not.
    type: str
  archive:
    description:
      - Path of the archive on the controller, instead of O(url). Looked for like a file to copy.
      - It is transferred only if the version is not there yet.
      - If O(url) is set too, it only gives the artifact's name.
    type: path
  checksum:
    description:
      - The SHA-256 of the archive, 64 hex digits.
      - An installed version that came from an archive with another checksum is replaced.
    type: str
  checksum_url:
    description:
      - Where to read the SHA-256 if O(checksum) is not set. One of both is needed.
      - Understands the list of C(sha256sum), where the artifact is looked up by name,
        and a file of nothing but the 64 digits.
    type: str
  dest:
    description:
      - The program's directory. Versions are its subdirectories.
      - Created if missing.
    type: path
    required: true
  used_in:
    description:
      - Directory of what may still run, such as units of now and before.
      - When a version has been installed, others are removed from O(dest) if no file below this directory names them.
    type: path
  members:
    description:
      - The programs to take from the archive, as file name in the version directory to path in the archive.
      - They get the mode V(0755). Without this option the whole archive is unpacked.
    type: dict
    default: {}
  strip_components:
    description: How many leading directories to drop when the whole archive is unpacked.
    type: int
    default: 0
  headers:
    description:
      - Headers to send with the request, for example for a mirror that wants a token.
      - Not sent to another scheme, host or port, neither on a redirect nor for O(checksum_url).
    type: dict
    default: {}
  proxy:
    description:
      - Proxy for http and https. Without it, the environment's proxy variables count.
      - C(no_proxy) in the environment counts in both cases.
    type: str
  ca_path:
    description: File or directory on the target with CA certificates to trust besides the system's.
    type: path
  timeout:
    description: Seconds to wait for the server, each time it is waited for.
    type: int
    default: 30
"""

EXAMPLES = r"""
- name: Prometheus is staged
  claude_code.observability.release_archive:
    name: prometheus
    version: 3.13.5
    url: "https://github.com/prometheus/prometheus/releases/download/v3.13.5/prometheus-3.13.5.linux-amd64.tar.gz"
    checksum_url: "https://github.com/prometheus/prometheus/releases/download/v3.13.5/sha256sums.txt"
    dest: /opt/prometheus
    members:
      prometheus: prometheus-3.13.5.linux-amd64/prometheus
      promtool: prometheus-3.13.5.linux-amd64/promtool

- name: Grafana is staged from a file on the controller
  claude_code.observability.release_archive:
    name: grafana
    version: 13.2.2
    archive: grafana_13.2.2_34846740809_linux_amd64.tar.gz
    checksum: 9662c838a09824fdb072e5f6fbdd45b62cf541b20f3d609ea5011e6e5f544c8f
    dest: /opt/grafana
    strip_components: 1
"""

RETURN = r"""
path:
  description: The version directory.
  returned: success
  type: str
  sample: /opt/prometheus/3.13.5
would_install:
  description: True in check mode if the version is not there yet, so that what needs it cannot be checked.
  returned: success
  type: bool
downloaded:
  description: Bytes of the archive read from O(url).
  returned: success
  type: int
  sample: 123456789
removed:
  description: Versions that were removed, as nothing uses them any more.
  returned: success
  type: list
  elements: str
sha256:
  description: The SHA-256 of the archive the version came from. Empty in check mode as long as nobody knows it.
  returned: success
  type: str
"""

import os
import re
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.claude_code.observability.plugins.module_utils._archive import (
    ArchiveError,
    Release,
    State,
    clean_if_idle,
    inspect,
    install,
    installed_versions,
    remove,
    unused_versions,
    workspace,
)
from ansible_collections.claude_code.observability.plugins.module_utils._download import (
    SHA256,
    DownloadError,
    Transport,
    artifact_name,
    check_url,
    fetch_checksum,
    origin,
    password_of,
    read_file,
    save,
    shown,
    stream,
)
from ansible_collections.claude_code.observability.plugins.module_utils._util import HostError

FILE_NAME = re.compile(r"[0-9A-Za-z][0-9A-Za-z._+~-]*")

ARGUMENTS = {
    "name": {"type": "str", "required": True},
    "version": {"type": "str", "required": True},
    "url": {"type": "str"},
    "archive": {"type": "path"},
    "checksum": {"type": "str"},
    "checksum_url": {"type": "str"},
    "dest": {"type": "path", "required": True},
    "used_in": {"type": "path"},
    "members": {"type": "dict", "default": {}},
    "strip_components": {"type": "int", "default": 0},
    "headers": {"type": "dict", "default": {}, "no_log": True},
    "proxy": {"type": "str"},
    "ca_path": {"type": "path"},
    "timeout": {"type": "int", "default": 30},
}


def parse(params: dict[str, Any]) -> Release:
    """The wanted release; refuses what could not be installed or not be verified."""
    if not FILE_NAME.fullmatch(params["version"]):
        raise ArchiveError(f"version {params['version']!r} cannot be a directory's name")
    if not os.path.isabs(params["dest"]):
        raise ArchiveError(f"dest must be an absolute path, not {params['dest']!r}")
    if not params["url"] and not params["archive"]:
        raise ArchiveError("url or archive is needed")
    if not params["checksum"] and not params["checksum_url"]:
        raise ArchiveError("unverifiable: checksum or checksum_url is needed")
    if params["checksum"] and not SHA256.fullmatch(params["checksum"]):
        raise ArchiveError(f"checksum must be the 64 hex digits of a SHA-256, not {params['checksum']!r}")
    for option in ("url", "checksum_url"):
        if params[option]:
            check_url(params[option], option)
    for name in params["members"]:
        if not FILE_NAME.fullmatch(name):
            raise ArchiveError(f"members: {name!r} is not a plain file name")
    if params["strip_components"] < 0 or (params["members"] and params["strip_components"]):
        raise ArchiveError("strip_components counts directories of a whole archive: at least 0, and not with members")
    return Release(
        name=params["name"],
        version=params["version"],
        artifact=artifact_name(params["url"]) if params["url"] else os.path.basename(params["archive"]),
        checksum=(params["checksum"] or "").lower(),
        members={name: str(path) for name, path in params["members"].items()},
        strip_components=params["strip_components"],
    )


def stage(params: dict[str, Any], release: Release, path: str) -> dict[str, Any]:
    """Installs the release, unless another run has just done so. Returns what came of it."""
    transport = Transport(
        headers={name: str(value) for name, value in params["headers"].items()},
        proxy=params["proxy"] or "",
        ca_path=params["ca_path"] or "",
        timeout=params["timeout"],
    )
    with workspace(params["dest"], release.name) as work:
        state = inspect(path, release)
        if not state.flaw:
            return {"changed": False, "sha256": state.sha256}
        wanted = release.checksum or wanted_checksum(params, release, transport)
        file = os.path.join(work, "archive")
        if params["archive"]:
            source = params["archive"]
            sha256, size = save(read_file(source), file)
        else:
            source = shown(params["url"])
            sha256, size = save(stream(params["url"], transport), file)
        if sha256 != wanted:
            promise = "checksum" if release.checksum else shown(params["checksum_url"])
            raise DownloadError(
                f"the SHA-256 of {source} is {sha256}, but {promise} says {wanted}: nothing was installed"
            )
        install(file, sha256, release, work, path)
        unused = superfluous(params)
        for version in unused:
            remove(os.path.join(params["dest"], version), work)
        return {
            "changed": True,
            "sha256": sha256,
            "downloaded": 0 if params["archive"] else size,
            "removed": unused,
        }


def superfluous(params: dict[str, Any]) -> list[str]:
    """The versions that go once the wanted one is there."""
    unused = unused_versions(params["dest"], params["used_in"]) if params["used_in"] else []
    return [version for version in unused if version != params["version"]]


def wanted_checksum(params: dict[str, Any], release: Release, transport: Transport) -> str:
    """The SHA-256 the checksum file promises. The headers belong to the archive's server."""
    url = params["checksum_url"]
    if params["url"] and origin(url) != origin(params["url"]):
        transport = Transport(proxy=transport.proxy, ca_path=transport.ca_path, timeout=transport.timeout)
    return fetch_checksum(url, release.artifact, transport)


def diff(dest: str, version: str, state: State, unused: list[str]) -> dict[str, str]:
    """The staged versions before and after, as text."""
    before = installed_versions(dest)
    after = sorted({*before, version} - {*unused})
    marked = [f"{name} (broken: {state.flaw})" if name == version else name for name in before]
    return {
        "before_header": dest,
        "after_header": dest,
        "before": "".join(f"{name}\n" for name in marked),
        "after": "".join(f"{name}\n" for name in after),
    }


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    params = module.params
    for option in ("url", "checksum_url", "proxy"):
        module.no_log_values.update(password_of(params[option] or ""))
    path = os.path.join(params["dest"], params["version"])
    result: dict[str, Any] = {"changed": False, "path": path, "would_install": False, "downloaded": 0, "removed": []}
    try:
        release = parse(params)
        state = inspect(path, release)
        result["sha256"] = state.sha256
        if state.flaw:
            result["changed"] = True
            unused = superfluous(params)
            result["diff"] = diff(params["dest"], release.version, state, unused)
            if module.check_mode:
                result.update(would_install=True, sha256=release.checksum, removed=unused)
            else:
                result.update(stage(params, release, path))
                if not result["changed"]:
                    del result["diff"]
        elif not module.check_mode:
            clean_if_idle(params["dest"])
    except (ArchiveError, DownloadError, HostError) as exc:
        module.fail_json(msg=f"{params['name']} {params['version']}: {exc}")
    except OSError as exc:
        where = exc.filename or params["dest"]
        module.fail_json(msg=f"{params['name']} {params['version']}: {exc.strerror or exc}: {where}")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
