# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything about one user's client that its telemetry depends on, short of the network."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from ._doctor_client import SEARCH_PATH, find_program, version_of
from ._doctor_effective import ENABLE, Effective, effective
from ._doctor_sources import CONFIG_DIR, Source, managed_sources, project_sources, shell_sources, user_sources
from ._doctor_targets import SIGNALS, Target, exporters, target_of
from ._run_as import User
from ._settings_lint import ON
from ._settings_plan import ENDPOINT


@dataclass(frozen=True)
class Case:
    """`sources` come in the order of precedence. `own` is the environment to run the user's programs with."""

    user: User
    own: Mapping[str, str]
    directory: str
    sources: tuple[Source, ...]
    effect: Effective
    program: str
    version: str

    @property
    def helper(self) -> Source | None:
        """The strongest file with an otelHeadersHelper."""
        return next((one for one in self.sources if one.headers_helper and not one.problem), None)

    @property
    def is_on(self) -> bool:
        return self.effect.env.get(ENABLE, "").lower() in ON or self.effect.is_computed(ENABLE)

    def targets(self) -> list[Target]:
        """Of each signal that goes to a collector, as far as its address is known."""
        env = self.effect.env
        return [
            target_of(env, signal)
            for signal in SIGNALS
            if "otlp" in exporters(env, signal)
            and not any(map(self.effect.is_computed, (ENDPOINT, f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT")))
        ]


def read_case(user: User, environment: Mapping[str, str], project: str) -> Case:
    """Reads it all, as that user. `environment` and `project` may be empty."""
    shell = shell_sources(user, environment)
    told = effective(shell).env.get(CONFIG_DIR, "")
    directory = os.path.abspath(told or os.path.join(user.home, ".claude"))
    repository = project_sources(project) if project else []
    sources = (*managed_sources(), *repository, *user_sources(directory), *shell)
    own = environment or {"HOME": user.home, "USER": user.name, "LOGNAME": user.name, "PATH": SEARCH_PATH}
    program = find_program(user.home, own.get("PATH", SEARCH_PATH))
    version = version_of(program, own) if program else ""
    return Case(user, own, directory, sources, effective(sources), program, version)
