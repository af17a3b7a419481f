# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.claude_code.observability.plugins.filter.whole_days import whole_days


def test_texts_in_a_dashboard_are_written_out() -> None:
    assert whole_days({"targets": [{"expr": "x[2d:1d] <<midnight>>"}]}, "72h", "Z") == {
        "targets": [{"expr": "x[2d:1d] offset 1ms"}]
    }


@pytest.mark.parametrize(
    ("late_max", "utc_offset", "message"),
    [("72", "Z", "stack_late_max is 72"), ("72h", 600, "stack_utc_offset is 600; .* YAML reads")],
)
def test_a_wrong_value_is_named(late_max: str, utc_offset: str | int, message: str) -> None:
    with pytest.raises(AnsibleFilterError, match=message):
        whole_days("", late_max, utc_offset)
