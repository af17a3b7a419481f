# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: requirements_for
author:
  - claude_code.observability contributors (!UNKNOWN)
short_description: The lines of a requirements file that a Python takes
description:
  - Drops comments, and requirements whose markers mean another Python.
  - pip cannot do that for a Python other than its own, whatever C(--python-version) says.
positional: python
options:
  _input:
    description: The text of the requirements file.
    type: str
    required: true
  python:
    description: The version of the Python, such as V(3.13).
    type: str
    required: true
"""

EXAMPLES = r"""
- name: What Python 3.13 takes
  ansible.builtin.debug:
    msg: "{{ lookup('ansible.builtin.file', 'requirements.txt') | claude_code.observability.requirements_for('3.13') }}"
"""

RETURN = r"""
_value:
  description: The requirements without their markers.
  type: list
  elements: str
"""

from contextlib import suppress
from typing import Any

# ansible-core brings it, but ansible-test imports plugins without.
with suppress(ImportError):
    from packaging.requirements import Requirement


def requirements_for(text: str, python: str) -> list[str]:
    """The requirements of a file that hold for a Python version."""
    environment = {"python_version": python, "python_full_version": f"{python}.0"}
    lines = [line.split("#")[0].strip() for line in text.splitlines()]
    asked = [Requirement(line) for line in lines if line]
    return [f"{one.name}{one.specifier}" for one in asked if one.marker is None or one.marker.evaluate(environment)]


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"requirements_for": requirements_for}
