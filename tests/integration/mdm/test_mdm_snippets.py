# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the documentation of containers and CI tells people to copy is what Claude Code understands."""

from __future__ import annotations

import pytest
from ansible_collections.claude_code.observability.plugins.filter.managed_settings import managed_settings
from ansible_collections.claude_code.observability.plugins.module_utils._settings_lint import lint
from snippets import PAGES, snippets

NAMES = ["json containerEnv", "json env", "env file", "yaml env", "yaml variables"]


@pytest.mark.parametrize("language", PAGES)
def test_every_kind_of_file_is_there(language: str) -> None:
    assert list(snippets(language)) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_snippets_pass_the_linter(name: str) -> None:
    env = snippets("en")[name]
    # As each system puts it in: `${{ secrets.OTLP_TOKEN }}` is one word then.
    replaced = {key: value.replace("${{ ", "${{").replace(" }}", "}}") for key, value in env.items()}
    assert managed_settings(replaced)["env"]["OTEL_RESOURCE_ATTRIBUTES"] == replaced["OTEL_RESOURCE_ATTRIBUTES"]
    assert lint(replaced).warnings == []


def test_the_translation_says_the_same() -> None:
    assert snippets("ko") == snippets("en")
