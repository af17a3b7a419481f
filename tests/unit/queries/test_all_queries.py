# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""No query of the project asks for what cannot be there, or in a way that gives wrong numbers."""

from __future__ import annotations

import re
from collections import Counter

from tests.tools.queries.check import check, everything
from tests.tools.queries.sources import DASHBOARDS
from tests.tools.queries.vocabulary import ROOT, Vocabulary


def test_no_query_has_a_fault(vocabulary: Vocabulary) -> None:
    faults = check(everything(), vocabulary)
    assert not faults, "\n".join(["", *map(str, faults)])


def test_queries_are_found_wherever_they_stand() -> None:
    """Nothing is checked that is not found: each kind of place has some, and no `expr` of a dashboard is missing."""
    found = everything()
    assert {query.kind for query in found} >= {"panel", "variable", "record", "alert", "docs"}
    assert {query.file for query in found} >= {"README.md", "docs/ko/README.md", "docs/numbers.md"}
    texts = Counter(query.file for query in found if query.kind in ("panel", "annotation"))
    for file in DASHBOARDS.rglob("*.json"):
        assert texts[str(file.relative_to(ROOT))] == file.read_text(encoding="utf-8").count('"expr":')


def test_every_alert_of_the_templates_is_among_them() -> None:
    """A rule that the defaults leave out would escape."""
    found = {query.name for query in everything() if query.kind == "alert"}
    written = {
        name
        for template in (ROOT / "roles").glob("*/templates/**/*.j2")
        for name in re.findall(r"\balert: (\w+)", template.read_text(encoding="utf-8"))
    }
    assert written - found == set()
