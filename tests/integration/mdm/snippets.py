# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The variables that docs/devcontainers.md and its translation tell people to copy."""

from __future__ import annotations

import json
import re
from pathlib import Path

import yaml

DOCS = Path(__file__).parents[3] / "docs"
PAGES = {"en": DOCS / "devcontainers.md", "ko": DOCS / "ko" / "devcontainers.md"}
BLOCK = re.compile(r"^```(?P<kind>json|yaml|env)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
# Where each kind of file has its variables.
KEYS = ("containerEnv", "env", "variables")


def snippets(language: str) -> dict[str, dict[str, str]]:
    """The variables of each snippet, by the key they stand below."""
    found = {}
    for block in BLOCK.finditer(PAGES[language].read_text(encoding="utf-8")):
        if block["kind"] == "env":
            found["env file"] = dict(line.split("=", 1) for line in block["text"].splitlines())
            continue
        document = json.loads(block["text"]) if block["kind"] == "json" else yaml.safe_load(block["text"])
        (key,) = set(document) & set(KEYS)
        found[f"{block['kind']} {key}"] = document[key]
    return found
