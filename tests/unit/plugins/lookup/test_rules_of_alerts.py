# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lookups that write rules name the variable that is wrong."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleError
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import lookup_loader
from ansible.template import Templar

CALENDAR = {"late_max": "72h", "utc_offset": "+09:00"}


def groups(name: str, *terms: Any, **options: Any) -> list[dict[str, Any]]:
    lookup = lookup_loader.get(f"claude_code.observability.{name}", loader=DataLoader(), templar=Templar(DataLoader()))
    return lookup.run(list(terms), variables={}, **options)


def test_rules_of_the_events() -> None:
    assert [group["name"] for group in groups("event_rules", **CALENDAR)] == [
        "claude-code-events",
        "claude-code-events-days",
    ]


def test_rules_of_the_alerts_with_the_budgets_last() -> None:
    some = {"name": "some", "rules": [{"record": "a", "expr": "b"}]}
    found = groups("alert_rules", some, budgets={"team": {"daily": 5}}, runbooks="runbooks", **CALENDAR)
    assert [group["name"] for group in found] == ["some", "claude-code-budgets"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"budgets": {"team": {"daily": 0}}}, r"prometheus_budgets\.team\.daily is 0; write US dollars"),
        ({"late_max": "3 days"}, "stack_late_max is 3 days; write whole hours"),
    ],
)
def test_what_cannot_be_is_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(AnsibleError, match=message):
        groups("alert_rules", **{"runbooks": "runbooks", **CALENDAR, **options})
