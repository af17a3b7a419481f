# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests with the real client against a stand-in for the model API on loopback."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.tools import client
from tests.tools.model_api import ModelApi


@pytest.fixture(scope="session")
def claude() -> Path:
    """The client's program."""
    return client.install()


@pytest.fixture(scope="session")
def model_api() -> Iterator[ModelApi]:
    """Answers the client's prompts; scripts go by API key."""
    api = ModelApi()
    yield api
    api.close()
