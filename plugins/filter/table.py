# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: table
author:
  - claude_code.observability contributors (!UNKNOWN)
short_description: Lines of a table with aligned columns
description:
  - Takes rows and gives lines of text with a heading, for a person to read in the terminal.
positional: columns
options:
  _input:
    description: The rows. A column that a row does not have stays empty.
    type: list
    elements: dict
    required: true
  columns:
    description: The keys to show, in order. Their names in capitals are the heading.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: A small table
  ansible.builtin.debug:
    msg: "{{ [{'host': 'a', 'state': 'running'}] | claude_code.observability.table(['host', 'state']) }}"
"""

RETURN = r"""
_value:
  description: The lines.
  type: list
  elements: str
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any


def table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> list[str]:
    """The rows as lines with a heading, each column as wide as its widest cell."""
    cells = [[column.upper().replace("_", " ") for column in columns]]
    cells += [[str(row.get(column, "")) for column in columns] for row in rows]
    widths = [max(len(line[index]) for line in cells) for index in range(len(columns))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in cells]


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"table": table}
