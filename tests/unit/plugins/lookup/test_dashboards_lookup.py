# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible.errors import AnsibleError
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import lookup_loader
from ansible.template import Templar

FILES = Path(__file__).parents[4] / "roles" / "grafana" / "files" / "dashboards"


def ask(late_max: str = "72h", utc_offset: str = "+09:00") -> dict[str, str]:
    lookup = lookup_loader.get(
        "claude_code.observability.dashboards", loader=DataLoader(), templar=Templar(DataLoader())
    )
    (found,) = lookup.run([], variables={}, late_max=late_max, utc_offset=utc_offset)
    assert isinstance(found, dict)
    return found


def test_every_dashboard_is_in_one_folder() -> None:
    general = {f"general/{file.name}" for file in FILES.glob("*.json")}
    people = {f"people/{file.name}" for file in FILES.glob("people/*.json")}
    assert set(ask()) == general | people
    assert "general/overview.json" in general


def test_no_macro_is_left_and_the_day_is_that_of_the_stack() -> None:
    texts = ask()
    assert not [path for path, text in texts.items() if "<<" in text]
    assert 'zone=\\"UTC+09:00\\"' in texts["general/overview.json"]
    assert 'zone=\\"UTC\\"' in ask(utc_offset="Z")["general/overview.json"]


def test_the_rest_is_as_committed() -> None:
    committed = json.loads((FILES / "overview.json").read_text(encoding="utf-8"))
    found = json.loads(ask()["general/overview.json"])
    assert (found["uid"], len(found["panels"])) == (committed["uid"], len(committed["panels"]))


def test_a_wrong_value_is_named() -> None:
    with pytest.raises(AnsibleError, match="stack_late_max is 3d"):
        ask(late_max="3d")
