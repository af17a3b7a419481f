# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lets plain pytest import the collection by its full name, as Ansible does.

Without THOROUGH the thorough tests are left out.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible.plugins.loader import init_plugin_loader

COLLECTIONS = Path(__file__).parent / ".collections"
if COLLECTIONS.is_dir():
    init_plugin_loader([str(COLLECTIONS)])


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "thorough: what other everyday tests all but cover")
    config.addinivalue_line("markers", "one_runtime: thorough with Docker, which hardly differs from systemd there")


def is_thorough(item: pytest.Item) -> bool:
    if item.get_closest_marker("one_runtime"):
        assert isinstance(item, pytest.Function)
        return "docker" in item.callspec.params.values()
    return bool(item.get_closest_marker("thorough"))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if os.environ.get("THOROUGH"):
        return
    left = list(filter(is_thorough, items))
    config.hook.pytest_deselected(items=left)
    items[:] = [item for item in items if item not in left]
