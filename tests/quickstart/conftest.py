# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One machine for all tests, which follow a user from the first try to the end."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from machine import Machine


@pytest.fixture(scope="session")
def machine() -> Iterator[Machine]:
    Machine.clear()
    machine = Machine()
    machine.start()
    yield machine
    Machine.clear()
