# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ansible_collections.claude_code.observability.plugins.module_utils import _doctor_rules as rules
from ansible_collections.claude_code.observability.plugins.module_utils._doctor_causes import (
    CAUSES,
    ERROR,
    NOTE,
    WARNING,
    Cause,
    Finding,
)

ROOT = Path(__file__).parents[4]
ROW = re.compile(r"^\| `([a-z-]+)` \|")
PLUGINS = Path(rules.__file__).parent


def rows(page: str) -> list[str]:
    return [line for line in (ROOT / page).read_text().splitlines() if ROW.match(line)]


def row(cause: Cause) -> str:
    untested = f" (Untested: {cause.untested}.)" if cause.untested else ""
    return f"| `{cause.name}` | {cause.sees} | {cause.fix}{untested} |"


def test_the_page_shows_the_table() -> None:
    assert rows("docs/doctor.md") == [row(cause) for cause in CAUSES]


def test_the_korean_page_has_the_same_causes() -> None:
    named = [ROW.findall(line)[0] for line in rows("docs/ko/doctor.md")]
    assert named == [cause.name for cause in CAUSES]


def test_errors_come_first_and_notes_last() -> None:
    order = [ERROR, WARNING, NOTE]
    levels = [order.index(cause.severity) for cause in CAUSES]
    assert levels == sorted(levels)


@pytest.mark.parametrize("cause", CAUSES, ids=lambda cause: cause.name)
def test_every_cause_is_raised_somewhere(cause: Cause) -> None:
    sources = "".join(path.read_text() for path in PLUGINS.glob("_doctor*.py") if path.name != "_doctor_causes.py")
    assert f'"{cause.name}"' in sources


@pytest.mark.parametrize("cause", CAUSES, ids=lambda cause: cause.name)
def test_the_verdict_is_made_of_sentences(cause: Cause) -> None:
    assert cause.sees.endswith(".") and cause.fix.endswith(".")
    assert Finding(cause.name, "It is so").sentence() == f"It is so. {cause.sees} {cause.fix}"
