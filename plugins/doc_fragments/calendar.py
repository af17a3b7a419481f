# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """The options of what is written out for the days of a stack."""

    DOCUMENTATION = r"""
options:
  late_max:
    description: How late data may arrive and still be summed exactly, in whole hours such as V(72h).
    type: str
    required: true
  utc_offset:
    description: Where the day begins, as an offset from UTC such as V(+09:00).
    type: str
    required: true
"""
