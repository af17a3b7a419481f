# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where else the variables that lead to certificates are set. Reads as the user, and runs no shell."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from typing import Any

from ._doctor_sources import Source, managed_sources, shell_sources, user_sources
from ._run_as import User
from ._safe_files import FileError
from ._settings_ca import Authority, Named, holds


def beside_user_settings(authority: Authority, user: User, environment: Mapping[str, str]) -> Authority:
    """With the files that the user's shell names. Raises FileError if managed settings name one that is not enough."""
    for one in _named(managed_sources(), authority.variables):
        if not holds(one, authority):
            raise FileError(
                f"{one.where}: managed settings lead Claude Code to the certificates in {one.path!r} and beat these "
                "settings, and the collector's authority is not among them. Add it there, or use scope managed"
            )
        # The first is the strongest.
        break
    return replace(authority, named=tuple(_named(shell_sources(user, environment), authority.variables)))


def of_user(authority: Authority, user: User) -> list[dict[str, Any]]:
    """The files that a user's settings and shell name, ready for JSON."""
    sources = [*user_sources(os.path.join(user.home, ".claude")), *shell_sources(user, {})]
    return [asdict(one) for one in _named(sources, authority.variables)]


def _named(sources: Iterable[Source], variables: Iterable[str]) -> list[Named]:
    names = list(variables)
    return [
        Named(source.env[name].value, source.env[name].where, source.env[name].computed)
        for source in sources
        for name in names
        if name in source.env and not source.problem
    ]
