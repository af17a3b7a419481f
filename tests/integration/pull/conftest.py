# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One laptop for all tests, which follow it from the first run to the removal."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pull_host import Laptop


@pytest.fixture(scope="module")
def laptop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laptop]:
    Laptop.clear()
    laptop = Laptop(tmp_path_factory.mktemp("laptop"))
    laptop.start()
    yield laptop
    Laptop.clear()
