# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.claude_code.observability.plugins.filter.table import table


def test_columns_are_aligned_and_headed() -> None:
    rows = [{"name": "loki", "data_bytes": 7}, {"name": "prometheus", "health": "ok"}]
    assert table(rows, ["name", "data_bytes", "health"]) == [
        "NAME        DATA BYTES  HEALTH",
        "loki        7",
        "prometheus              ok",
    ]


def test_no_rows_leave_the_heading() -> None:
    assert table([], ["name"]) == ["NAME"]
