# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the module; an archive on the controller is transferred only if the module, in check mode, says it is needed."""

from __future__ import annotations

import os
from typing import Any

from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    TRANSFERS_FILES = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        try:
            if not self._task.args.get("archive"):
                return self._execute_module(task_vars=task_vars)
            return self._run_with_archive(task_vars)
        finally:
            self._remove_tmp_path(self._connection._shell.tmpdir)

    def _run_with_archive(self, task_vars: dict[str, Any] | None) -> dict[str, Any]:
        result = self._probe(task_vars)
        if result.get("failed") or not result.get("would_install"):
            return result
        # Looked for only when needed: an installed version does not need the file any more. Check mode does look.
        source = self._find_needle("files", os.path.expanduser(self._task.args["archive"]))
        if self._task.check_mode:
            return result
        shell = self._connection._shell
        target = shell.join_path(shell.tmpdir, os.path.basename(source))
        self._transfer_file(source, target)
        self._fixup_perms2((shell.tmpdir, target))
        return self._execute_module(module_args={**self._task.args, "archive": target}, task_vars=task_vars)

    def _probe(self, task_vars: dict[str, Any] | None) -> dict[str, Any]:
        asked = self._task.check_mode
        self._task.check_mode = True
        try:
            return self._execute_module(task_vars=task_vars)
        finally:
            self._task.check_mode = asked
