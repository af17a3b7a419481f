# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Patterns for versions and models, and what makes a rule complete."""

from __future__ import annotations

import itertools
import re

import pytest
from ansible_collections.claude_code.observability.plugins.module_utils._alert_rules import (
    groups,
    models,
    versions_below,
)
from ansible_collections.claude_code.observability.plugins.module_utils._rollups import Calendar

NUMBERS = (0, 1, 2, 3, 9, 10, 11, 19, 20, 29, 30, 99, 100, 101, 299, 300, 301, 999, 1000, 1234)


@pytest.mark.parametrize("minimum", ["2.1.300", "1.0.0", "0.0.1", "10.20.30", "2.0.1000", "3.10.0", "0.9.99"])
def test_versions_compare_as_numbers(minimum: str) -> None:
    pattern = versions_below(minimum)
    limit = tuple(int(part) for part in minimum.split("."))
    for version in itertools.product((0, 1, 2, 3, 9, 10, 11), NUMBERS, NUMBERS):
        text = ".".join(map(str, version))
        assert bool(re.fullmatch(pattern, text)) == (version < limit), text


def test_a_suffix_of_a_version_does_not_count() -> None:
    assert re.fullmatch(versions_below("2.1.300"), "2.1.299-beta.1")
    assert not re.fullmatch(versions_below("2.1.300"), "2.1.300-beta.1")


@pytest.mark.parametrize("minimum", ["2.1", "latest", "2.1.300-beta", "0.0.0"])
def test_a_minimum_that_is_no_version_is_refused(minimum: str) -> None:
    with pytest.raises(ValueError, match=r"^prometheus_alert_thresholds\.minimum_client_version is "):
        versions_below(minimum)


# Python warns of what might mean something else one day; Prometheus's patterns are Go's.
@pytest.mark.filterwarnings("ignore:Possible nested set")
def test_models_by_name_and_by_star() -> None:
    pattern = models(["claude-sonnet-*", "claude-opus-4.8[1m]"])
    assert re.fullmatch(pattern, "claude-sonnet-5")
    assert re.fullmatch(pattern, "claude-opus-4.8[1m]")
    assert not re.fullmatch(pattern, "claude-opus-4.8")
    assert not re.fullmatch(pattern, "claude-opus-4x8[1m]")
    assert not re.fullmatch(pattern, "my-claude-sonnet-5")


def test_a_model_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match=r"allowed_models has 'a\|b'; write a model"):
        models(["a|b"])


def test_rules_are_completed_and_empty_groups_left_out() -> None:
    written = [
        {"name": "none", "rules": None},
        {
            "name": "some",
            "rules": [
                {
                    "alert": "SomeAlert",
                    "expr": 'a{v=~"<<versions below 1.0.0>>"}\n  > 0',
                    "annotations": {"summary": "Days of <<zone>>"},
                }
            ],
        },
    ]
    (group,) = groups(written, Calendar(utc_offset=32400), {}, "https://example.com/runbooks")
    assert group["rules"] == [
        {
            "alert": "SomeAlert",
            "expr": 'a{v=~"([0-0])([^0-9].*)?"} > 0',
            "annotations": {
                "summary": "Days of UTC+09:00",
                "runbook_url": "https://example.com/runbooks#somealert",
            },
        }
    ]


def test_a_group_of_the_budgets_comes_with_budgets() -> None:
    names = [group["name"] for group in groups([], Calendar(), {"total": {"daily": 5}}, "")]
    assert names == ["claude-code-budgets"]
