# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: table
author:
  - claude_code.observability contributors (!UNKNOWN)
short_description: A table with aligned columns
description:
  - Takes rows and gives a table with a heading, for M(ansible.builtin.debug) to show to a person.
  - It is one text with the result format V(yaml) of the default callback, and a list of lines otherwise, because each
    format keeps the columns of one of them only.
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
  description: The table, a text or a list of lines.
  type: raw
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.claude_code.observability.plugins.module_utils._table import lines
from ansible_collections.claude_code.observability.plugins.plugin_utils._shown import shown


def table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> str | list[str]:
    """The table in the form that the result format of the callback keeps."""
    return shown(lines(rows, columns))


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"table": table}
