# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The vocabulary, and one query on its own."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.tools.queries.check import check
from tests.tools.queries.sources import Query
from tests.tools.queries.vocabulary import Vocabulary


@pytest.fixture(scope="session")
def vocabulary() -> Vocabulary:
    return Vocabulary.load()


@pytest.fixture
def faults(vocabulary: Vocabulary) -> Callable[..., list[str]]:
    """What is wrong with a query in a panel whose title and description are `says`."""

    def of(language: str, text: str, says: str = "", kind: str = "panel") -> list[str]:
        return [fault.text for fault in check([Query("file", "place", language, text, kind, says)], vocabulary)]

    return of
