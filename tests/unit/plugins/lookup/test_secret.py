# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.plugins.loader import lookup_loader

NAME = "claude_code.observability.secret"


def ask(folder: Path, check: bool = False, **options: Any) -> str:
    lookup = lookup_loader.get(NAME)
    (answer,) = lookup.run(
        ["password"], variables={"ansible_check_mode": check}, directory=str(folder / "secrets"), **options
    )
    return str(answer)


def test_it_is_made_once_and_nobody_else_may_read_it(tmp_path: Path) -> None:
    first = ask(tmp_path)
    assert len(first) == 43
    assert ask(tmp_path) == first
    assert (tmp_path / "secrets/password").stat().st_mode & 0o777 == 0o600


def test_one_that_somebody_wrote_with_an_editor_is_taken(tmp_path: Path) -> None:
    ask(tmp_path)
    (tmp_path / "secrets/password").write_text("of my own\n")
    assert ask(tmp_path) == "of my own"


def test_nothing_is_written_in_check_mode_or_when_it_may_not_be_made(tmp_path: Path) -> None:
    assert len(ask(tmp_path, check=True)) == 43
    assert ask(tmp_path, create=False) == ""
    assert not (tmp_path / "secrets").exists()
