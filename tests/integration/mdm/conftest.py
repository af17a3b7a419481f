# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What playbooks/mdm.yml writes, with a collector of the test as its endpoint."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[3]))

from collector import Collector
from mdm_files import play, said

# Each is special to at least one of the forms.
HARD = "C:\\dir\\ \"quoted\" 'single' %PATH% $HOME `date` <&> café ☃ a=b END #"


@pytest.fixture(scope="session")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    collector = Collector(tmp_path_factory.mktemp("collector"))
    collector.start()
    yield collector
    collector.stop()


@pytest.fixture(scope="session")
def given(collector: Collector) -> dict[str, Any]:
    """The variables of a fleet that sends to the collector."""
    return {
        "claude_settings_endpoint": collector.endpoint,
        "claude_settings_team": "platform",
        "claude_settings_env": {"HARD": HARD, "NUMBER": 7, "OTEL_RESOURCE_ATTRIBUTES": "site=paris"},
    }


@pytest.fixture(scope="session")
def written(given: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with its files."""
    folder = tmp_path_factory.mktemp("mdm") / "files"
    played = play(folder, given)
    assert played.returncode == 0, played.stdout + played.stderr
    assert "The attribute developer is left out" in said(played)
    assert "+++ after" not in played.stdout
    return folder
