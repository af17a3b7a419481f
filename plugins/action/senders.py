# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All of the module: the registry is on the controller. Tokens are no part of what it returns."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.claude_code.observability.plugins.plugin_utils._secrets_dir import SecretsDir
from ansible_collections.claude_code.observability.plugins.plugin_utils._senders import Senders

NAMES = {"type": "list", "elements": "str", "default": []}
CHANGES = ("present", "issue", "rotate", "retire", "revoke")


class ActionModule(ActionBase):
    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        directory = {"type": "path", "required": True}
        _validation, options = self.validate_argument_spec({"directory": directory, **dict.fromkeys(CHANGES, NAMES)})
        senders = Senders(SecretsDir(options["directory"], dry=self._task.check_mode))
        changed = senders.change(**{name: options[name] for name in CHANGES})
        rows = [
            {
                "name": sender.name,
                "generations": [each.n for each in sender.generations],
                "created": sender.generations[-1].created if sender.generations else "",
                "revoked": sender.revoked,
            }
            for sender in senders.all()
        ]
        return {**result, "changed": changed, "senders": rows}
