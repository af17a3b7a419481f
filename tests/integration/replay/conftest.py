# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stack under test; `tests/e2e/run` brings it up and names it in the environment."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[3]))

from tests.tools.environment import setting
from tests.tools.ledger import Loki, Prometheus


@pytest.fixture(scope="session")
def prometheus() -> Prometheus:
    return Prometheus(setting("PROMETHEUS"))


@pytest.fixture(scope="session")
def loki() -> Loki:
    return Loki(setting("LOKI"))
