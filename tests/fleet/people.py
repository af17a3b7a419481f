# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings files that people of a fleet have: no two are alike."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

USERS = ("ada", "grace", "linus")
BOM = "\ufeff"


@dataclass(frozen=True)
class Settings:
    """A file as `head`, the inside of `env`, and `tail`; or none. Without `env` the new one stands before the tail."""

    head: str = ""
    env: str = ""
    tail: str = ""
    exists: bool = True
    mode: int = 0o600
    link: str = ""

    @property
    def content(self) -> bytes:
        return (self.head + self.env + self.tail).encode()

    @property
    def values(self) -> dict[str, Any]:
        """What the file says."""
        text = self.content.decode("utf-8-sig")
        found: dict[str, Any] = json.loads(text) if text.strip() else {}
        return found

    def write(self, home: Path) -> None:
        """Into the home of its user."""
        home.mkdir(parents=True)
        if not self.exists:
            return
        path = home / ".claude" / "settings.json"
        path.parent.mkdir()
        if self.link:
            path.symlink_to(self.link)
            path = path.parent / self.link
            path.parent.mkdir()
        path.write_bytes(self.content)
        os.chmod(path, self.mode)


def settings(number: int) -> Settings:
    """The settings of the person of that number, counted from 0."""
    kinds = (
        Settings(exists=False),
        Settings('{\n  "model": "opus-%d",\n  "env": {\n', '    "MINE": "%d"', "\n  }\n}\n"),
        Settings('{\r\n\t"big": 1e400,\r\n\t"env": {', '"OTEL_RESOURCE_ATTRIBUTES": "site=paris,desk=%d"', "}\r\n}"),
        Settings("{", "", "}", mode=0o644),
        Settings(BOM + '{\n    "name": "\\u0041da %d",\n    "caf\u00e9": [1,2 , 3]', "", "\n}\n"),
        Settings('{"a":%d,"env":{"B":"c"', "", '},"z":[]}'),
        Settings("", "", ""),
        Settings(
            '{\n  "env": {\n',
            '    "OTEL_METRICS_EXPORTER": "console",\n    "N": "%d"',
            '\n  },\n\n  "permissions": {"allow": []}\n}',
            link="../dotfiles/claude.json",
            mode=0o640,
        ),
    )
    kind = kinds[number % len(kinds)]
    return replace(kind, head=kind.head.replace("%d", str(number)), env=kind.env.replace("%d", str(number)))
