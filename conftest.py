# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lets plain pytest import the collection by its full name, as Ansible does."""

from __future__ import annotations

from pathlib import Path

from ansible.plugins.loader import init_plugin_loader

COLLECTIONS = Path(__file__).parent / ".collections"
if COLLECTIONS.is_dir():
    init_plugin_loader([str(COLLECTIONS)])
