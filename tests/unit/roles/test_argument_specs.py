# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each role's argument spec says what its defaults say, and types every option."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROLES = sorted(path for path in (Path(__file__).parents[3] / "roles").iterdir() if path.is_dir())


def load(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text(encoding="utf-8")) or {}


def leaves(options: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    for name, option in options.items():
        yield prefix + name, option
        yield from leaves(option.get("options", {}), f"{prefix}{name}.")


def specs(role: Path) -> dict[str, Any]:
    return load(role / "meta" / "argument_specs.yml")["argument_specs"]


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_defaults_equal_the_argument_spec(role: Path) -> None:
    documented = {
        name: option["default"]
        for spec in specs(role).values()
        for name, option in spec.get("options", {}).items()
        if "default" in option
    }
    assert documented == load(role / "defaults" / "main.yml")


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_every_option_has_a_type_and_a_description(role: Path) -> None:
    untyped = [
        f"{entry}: {name}"
        for entry, spec in specs(role).items()
        for name, option in leaves(spec.get("options", {}))
        if not option.get("type")
        or not option.get("description")
        or (option["type"] == "list" and "elements" not in option)
    ]
    assert untyped == []


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_variables_carry_the_role_name(role: Path) -> None:
    defaults = load(role / "defaults" / "main.yml")
    assert [name for name in defaults if not f"{name}_".startswith(f"{role.name}_")] == []
