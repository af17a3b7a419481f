# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.claude_code.observability.plugins.module_utils._resource_attributes import (
    change,
    item_of,
    parse,
    problem_with,
    value_of,
)


@pytest.mark.parametrize("value", ["alice", "a.b-c_d", "a@b.org", "John%20Doe", "caf%C3%A9", "2024-01-01T00:00:00Z"])
def test_safe_values_pass(value: str) -> None:
    assert problem_with("developer", value) is None


@pytest.mark.parametrize(
    ("value", "fix"),
    [
        ("My Company", "My%20Company"),
        ("a,b", "a%2Cb"),
        ("a;b", "a%3Bb"),
        ("x=y", "x%3Dy"),
        ('"q"', "%22q%22"),
        ("back\\slash", "back%5Cslash"),
        ("café", "caf%C3%A9"),
        ("100%", "100%25"),
        ("%zz", "%25zz"),
        ("tab\t", "tab%09"),
    ],
)
def test_values_the_client_drops_are_refused_with_the_fix(value: str, fix: str) -> None:
    problem = problem_with("team", value)
    assert problem is not None
    assert problem.endswith(f"Percent-encode it: {fix}")
    assert problem_with("team", fix) is None


def test_percent_codes_must_make_text() -> None:
    assert "not UTF-8" in str(problem_with("team", "%ff"))


def test_names_and_blank_values_are_refused() -> None:
    assert "may hold only" in str(problem_with("my team", "x"))
    assert "has no value" in str(problem_with("team", ""))


@pytest.mark.parametrize(
    ("text", "changes", "after"),
    [
        ("", {"d": "d=1"}, "d=1"),
        ("  ", {"d": "d=1"}, "d=1"),
        ("a=1, b = 2", {"d": "d=1"}, "a=1, b = 2,d=1"),
        ("a=1, d = 0 ,b=2", {"d": "d=1"}, "a=1,d=1,b=2"),
        ("d=0,a=1,d=3", {"d": "d=1"}, "d=1,a=1"),
        ("a=1,d=1,b=2", {"d": None}, "a=1,b=2"),
        ("d=1", {"d": None}, ""),
        ("a=1,,b", {"d": None}, "a=1,,b"),
    ],
)
def test_other_items_stay_where_they_are(text: str, changes: dict[str, str | None], after: str) -> None:
    assert change(text, changes) == after


def test_items_are_found_by_name() -> None:
    assert item_of("a=1, d = x=y ,d=2", "d") == " d = x=y "
    assert item_of("dd=1", "d") is None
    assert value_of(" d = x=y ") == "x=y"


def test_parse() -> None:
    assert parse("a=1, b = 2,,") == {"a": "1", "b": "2"}
    with pytest.raises(ValueError, match="'b' has no '='"):
        parse("a=1,b")
