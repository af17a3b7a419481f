# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The argument spec of a description of components, documented by the doc fragment of the same name."""

from __future__ import annotations

from typing import Any

PORT_OPTIONS: dict[str, Any] = {
    "address": {"type": "str", "required": True},
    "port": {"type": "int", "required": True},
    "variable": {"type": "str", "required": True},
}
READY_OPTIONS: dict[str, Any] = {
    "url": {"type": "str", "required": True},
    "method": {"type": "str", "default": "GET"},
    "body": {"type": "str"},
    "headers": {"type": "dict", "default": {}},
    "status": {"type": "list", "elements": "int", "default": [200]},
    "ca_path": {"type": "path"},
    "client_cert": {"type": "path"},
    "client_key": {"type": "path", "no_log": False},
}
COMPONENT_OPTIONS: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "runtime": {"type": "str", "choices": ["docker", "systemd", "launchd"], "required": True},
    "runtime_variable": {"type": "str", "required": True},
    "user": {"type": "str"},
    "listen_address": {"type": "str"},
    "config_dir": {"type": "path", "required": True},
    "data_dir": {"type": "path", "required": True},
    "install_dir": {"type": "path"},
    "disk_min_free": {"type": "int", "default": 0},
    "ports": {"type": "list", "elements": "dict", "default": [], "options": PORT_OPTIONS},
    "ready": {"type": "dict", "options": READY_OPTIONS},
}
COMPONENTS: dict[str, Any] = {"type": "list", "elements": "dict", "required": True, "options": COMPONENT_OPTIONS}
