# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.claude_code.observability.plugins.filter.table import lines, table


def test_columns_are_aligned_and_headed() -> None:
    rows = [{"name": "loki", "data_bytes": 7}, {"name": "prometheus", "health": "ok"}]
    assert lines(rows, ["name", "data_bytes", "health"]) == [
        "NAME        DATA BYTES  HEALTH",
        "loki        7",
        "prometheus              ok",
    ]


def test_no_rows_leave_the_heading() -> None:
    assert lines([], ["name"]) == ["NAME"]


def test_the_form_follows_the_result_format(monkeypatch: pytest.MonkeyPatch) -> None:
    for result_format, shown in (("json", ["A", "1"]), ("yaml", "A\n1")):
        monkeypatch.setattr("ansible.constants.config.get_config_value", lambda *_, said=result_format, **__: said)
        assert table([{"a": 1}], ["a"]) == shown
