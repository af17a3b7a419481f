# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.claude_code.observability.plugins.filter.settings_revision import settings_revision

BLOCK = {"A": "1", "B": "x", "X_HEADERS": "Authorization=abc", "OTEL_RESOURCE_ATTRIBUTES": "site=paris"}
REVISION = settings_revision(BLOCK, ["developer", "team"])


@pytest.mark.parametrize(
    ("block", "attributes"),
    [
        (dict(reversed(BLOCK.items())), ["team", "developer"]),
        ({**BLOCK, "A": 1}, ["developer", "team"]),
        ({**BLOCK, "X_HEADERS": "Authorization=xyz"}, ["developer", "team"]),
        ({**BLOCK, "OTEL_RESOURCE_ATTRIBUTES": "site=rome"}, ["developer", "team"]),
        ({**BLOCK, "OTEL_RESOURCE_ATTRIBUTES": ""}, ["developer", "team", "site"]),
    ],
    ids=["order", "number", "secret", "value-of-attribute", "attribute-elsewhere"],
)
def test_the_same_block(block: dict[str, object], attributes: list[str]) -> None:
    assert settings_revision(block, attributes) == REVISION
    assert re.fullmatch("[0-9a-f]{8}", REVISION)


@pytest.mark.parametrize(
    ("block", "attributes", "scope"),
    [
        ({**BLOCK, "A": "2"}, ["developer", "team"], "user"),
        ({**BLOCK, "C": "1"}, ["developer", "team"], "user"),
        ({key: value for key, value in BLOCK.items() if key != "X_HEADERS"}, ["developer", "team"], "user"),
        (BLOCK, ["developer"], "user"),
        (BLOCK, ["developer", "team"], "managed"),
    ],
    ids=["value", "more", "secret-gone", "attribute-gone", "scope"],
)
def test_another_block(block: dict[str, object], attributes: list[str], scope: str) -> None:
    assert settings_revision(block, attributes, scope) != REVISION


def test_it_leaves_its_input_alone() -> None:
    block = dict(BLOCK)
    settings_revision(block)
    assert block == BLOCK


def test_what_is_no_block() -> None:
    with pytest.raises(AnsibleFilterError, match=r"env\.A is a truth value"):
        settings_revision({"A": True})
