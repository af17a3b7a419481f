# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any
from unittest.mock import MagicMock

import pytest
from ansible.errors import AnsibleActionFail
from ansible_collections.claude_code.observability.plugins.action.release_archive import ActionModule

WHOLE = {"changed": False, "would_install": False}
NEEDED = {"changed": True, "would_install": True}
DONE = {"changed": True, "would_install": False}


class Plugin(ActionModule):
    """The plugin with a target that only notes what is asked of it."""

    def __init__(self, args: dict[str, Any], answers: list[dict[str, Any]], check_mode: bool = False) -> None:
        self._task = MagicMock(args=args, check_mode=check_mode, async_val=0)
        self._connection = MagicMock()
        self._connection._shell.tmpdir = "/remote"
        self._connection._shell.join_path = lambda *parts: "/".join(parts)
        self._answers = answers
        self.calls: list[tuple[Any, ...]] = []
        self.missing = False

    def _execute_module(self, module_args: dict[str, Any] | None = None, **_: Any) -> dict[str, Any]:
        args = self._task.args if module_args is None else module_args
        self.calls.append(("module", args.get("archive"), self._task.check_mode))
        return self._answers.pop(0)

    def _find_needle(self, _dirname: str, needle: str) -> str:
        if self.missing:
            raise AnsibleActionFail(f"Could not find {needle}")
        return f"/controller/{needle}"

    def _transfer_file(self, local_path: str, remote_path: str) -> None:
        self.calls.append(("transfer", local_path, remote_path))

    def _fixup_perms2(self, remote_paths: tuple[str, ...]) -> None:
        self.calls.append(("permissions", *remote_paths))

    def _remove_tmp_path(self, tmp_path: str) -> None:
        self.calls.append(("cleanup",))


@pytest.mark.parametrize("check_mode", [False, True])
@pytest.mark.parametrize("archive", [{}, {"archive": ""}, {"archive": None}])
def test_without_an_archive_it_is_one_execution(check_mode, archive) -> None:
    plugin = Plugin({"url": "https://mirror/x", **archive}, [DONE], check_mode)
    assert plugin.run(task_vars={}) == DONE
    assert plugin.calls == [("module", archive.get("archive"), check_mode), ("cleanup",)]


def test_an_archive_that_is_not_needed_is_not_transferred_nor_looked_for() -> None:
    plugin = Plugin({"archive": "x.tar.gz"}, [WHOLE])
    plugin.missing = True
    assert plugin.run(task_vars={}) == WHOLE
    assert plugin.calls == [("module", "x.tar.gz", True), ("cleanup",)]


def test_an_archive_that_is_needed_is_transferred_and_installed() -> None:
    plugin = Plugin({"archive": "sub/x.tar.gz", "name": "x"}, [NEEDED, DONE])
    assert plugin.run(task_vars={}) == DONE
    assert plugin.calls == [
        ("module", "sub/x.tar.gz", True),
        ("transfer", "/controller/sub/x.tar.gz", "/remote/x.tar.gz"),
        ("permissions", "/remote", "/remote/x.tar.gz"),
        ("module", "/remote/x.tar.gz", False),
        ("cleanup",),
    ]


def test_check_mode_transfers_nothing_but_misses_a_missing_file() -> None:
    plugin = Plugin({"archive": "x.tar.gz"}, [NEEDED], check_mode=True)
    assert plugin.run(task_vars={}) == NEEDED
    assert plugin.calls == [("module", "x.tar.gz", True), ("cleanup",)]

    plugin = Plugin({"archive": "x.tar.gz"}, [NEEDED], check_mode=True)
    plugin.missing = True
    with pytest.raises(AnsibleActionFail, match=r"Could not find x\.tar\.gz"):
        plugin.run(task_vars={})
    assert plugin.calls[-1] == ("cleanup",)


def test_a_refusal_of_the_module_ends_it() -> None:
    refusal = {"failed": True, "msg": "unverifiable"}
    plugin = Plugin({"archive": "x.tar.gz"}, [refusal])
    assert plugin.run(task_vars={}) == refusal
    assert plugin.calls == [("module", "x.tar.gz", True), ("cleanup",)]
