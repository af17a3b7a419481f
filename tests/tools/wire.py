# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the client spells an attribute that the stores spell otherwise, and what the collector makes of content."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import yaml

_LISTS = yaml.safe_load(
    (Path(__file__).parents[2] / "roles/otel_collector/vars/main/privacy.yml").read_text(encoding="utf-8")
)
_CONTENT: dict[str, list[str]] = _LISTS["__otel_collector_content"]
# By the name in the stores.
SENT = {
    name.replace(".", "_"): name
    for names in [*_LISTS["__otel_collector_kept"].values(), *_CONTENT.values()]
    for name in names
}


def disclosed(attributes: Mapping[str, str]) -> dict[str, str]:
    """The collector's mark on an event with these attributes, as the stores spell them."""
    found = [key for key, names in _CONTENT.items() if key and attributes.get(names[0].replace(".", "_"))]
    return {"disclosed": found[-1]} if found else {}
