# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook called, and what it wrote read back as each system would."""

from __future__ import annotations

import json
import os
import plistlib
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]
DROP_IN = "50-claude_code.observability.json"
NAME = "claude-code-telemetry"
ENDPOINT = "https://collector.example.com:4317"
HEADER = re.compile(r"\[(?P<key>[^\]]+)\]")
VALUE = re.compile(r'"(?P<name>[^"]+)"="(?P<data>(?:[^"\\]|\\.)*)"')


def play(
    folder: Path, variables: Mapping[str, Any], *options: str, inventory: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """playbooks/mdm.yml into a folder."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "CLAUDE_", "OTEL_"))}
    return subprocess.run(
        [
            str(Path(sys.executable).parent / "ansible-playbook"),
            *(["--inventory", str(inventory)] if inventory else []),
            str(ROOT / "playbooks" / "mdm.yml"),
            *("--extra-vars", json.dumps({"mdm_dir": str(folder), **variables})),
            *options,
        ],
        cwd=folder.parent,
        env={
            **kept,
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"),
            "ANSIBLE_NOCOLOR": "true",
            "ANSIBLE_PIPELINING": "true",
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def said(played: subprocess.CompletedProcess[str]) -> str:
    """All output without its line breaks, which may be anywhere."""
    return " ".join((played.stdout + played.stderr).split())


def contents(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Mode and content of every file by its path."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): (path.stat().st_mode & 0o777, path.read_bytes()) for path in files}


def drop_in(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8")))


def variables(path: Path) -> dict[str, str]:
    """As an engine reads a file of variables: everything after the first = is the value."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return {name: value for name, _equals, value in (line.partition("=") for line in lines)}


def profile(path: Path) -> dict[str, Any]:
    return dict(plistlib.loads(path.read_bytes()))


def preferences(path: Path) -> dict[str, Any]:
    """The settings that a profile forces on Claude Code's preference domain."""
    (payload,) = profile(path)["PayloadContent"]
    assert payload["PayloadType"] == "com.apple.ManagedClient.preferences"
    ((domain, modes),) = payload["PayloadContent"].items()
    assert (domain, list(modes)) == ("com.anthropic.claudecode", ["Forced"])
    (forced,) = modes["Forced"]
    return dict(forced["mcx_preference_settings"])


def registry(path: Path) -> dict[tuple[str, str], str | None]:
    """The values a registry file sets by key and name; None for one it deletes."""
    data = path.read_bytes()
    assert data.startswith(b"\xff\xfe"), "regedit takes a file without byte order mark for ANSI"
    text = data[2:].decode("utf-16-le")
    assert "\n" not in text.replace("\r\n", "")
    first, *lines = text.split("\r\n")
    assert first == "Windows Registry Editor Version 5.00"
    key, found = "", dict[tuple[str, str], str | None]()
    for line in filter(None, lines):
        if header := HEADER.fullmatch(line):
            key = header["key"]
        elif line.endswith("=-"):
            found[key, line[1:-3]] = None
        else:
            value = VALUE.fullmatch(line)
            assert value, line
            found[key, value["name"]] = re.sub(r"\\(.)", r"\1", value["data"])
    return found


def here_string(path: Path) -> str:
    """What a PowerShell script holds between @' and '@."""
    _before, text, _after = re.split(r"^.*@'\n|\n'@$", path.read_text(encoding="ascii"), flags=re.MULTILINE)
    return text
