# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Loads an image from an archive on the controller, if the engine lacks it and the archive is as promised."""

from __future__ import annotations

import os
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.claude_code.observability.plugins.module_utils._bundle import sha256_of


class ActionModule(ActionBase):
    TRANSFERS_FILES = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        _result, args = self.validate_argument_spec(
            {
                "name": {"type": "str", "required": True},
                "archive": {"type": "path", "required": True},
                "checksum": {"type": "str", "required": True},
            }
        )
        try:
            return self._run(args["name"], args["archive"], args["checksum"], task_vars)
        finally:
            self._remove_tmp_path(self._connection._shell.tmpdir)

    def _run(self, name: str, archive: str, checksum: str, task_vars: dict[str, Any] | None) -> dict[str, Any]:
        there = self._execute_module("community.docker.docker_image_info", {"name": name}, task_vars=task_vars)
        if there.get("failed"):
            return there
        result = {"changed": not there["images"], "loaded": []}
        if there["images"]:
            return result
        sha256 = sha256_of(archive)
        if sha256 != checksum:
            raise AnsibleActionFail(
                f"the SHA-256 of {archive} is {sha256}, but {checksum} was promised: the image {name} was not loaded"
            )
        if self._task.check_mode:
            return result
        shell = self._connection._shell
        target = shell.join_path(shell.tmpdir, os.path.basename(archive))
        self._transfer_file(archive, target)
        self._fixup_perms2((shell.tmpdir, target))
        loaded = self._execute_module("community.docker.docker_image_load", {"path": target}, task_vars=task_vars)
        if loaded.get("failed"):
            return loaded
        if name not in loaded["image_names"]:
            names = ", ".join(loaded["image_names"])
            raise AnsibleActionFail(f"{archive} holds no image {name}, only {names or 'images without a name'}")
        return {**result, "loaded": loaded["image_names"]}
