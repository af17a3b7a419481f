# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of several settings of one variable the client uses. Pure: sources in, values out.

The rules are those of Claude Code 2.1.330, each seen with the real client.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ._doctor_sources import LAYERS, MANAGED, REPOSITORY, SHELL, USER, Setting, Source
from ._settings_lint import EXPORTERS, OFF, SIGNALS
from ._settings_plan import ENDPOINT

ENABLE = "CLAUDE_CODE_ENABLE_TELEMETRY"
OTLP = "OTEL_EXPORTER_OTLP_"
HEADERS = f"{OTLP}HEADERS"
NOT_FROM_REPOSITORY = "a repository may not set it"
# What a managed variable for all signals takes out of the settings of users and shells.
_REMOVED_BY = {
    ENDPOINT: ("ENDPOINT", "HEADERS"),
    f"{OTLP}PROTOCOL": ("PROTOCOL",),
    HEADERS: ("HEADERS", "ENDPOINT"),
}
_REPOSITORY_MAY_NOT = re.compile(
    rf"{ENABLE}|CLAUDE_CONFIG_DIR|OTEL_LOG_\w+|\w*ENHANCED_TELEMETRY_BETA|\w*BETA_TRACING\w*"
    rf"|{OTLP}(?:(?:{'|'.join(SIGNALS)})_)?"
    r"(?:ENDPOINT|HEADERS|PROTOCOL|CERTIFICATE|CLIENT_KEY|CLIENT_CERTIFICATE|INSECURE)"
)


@dataclass(frozen=True)
class Candidate:
    """One setting of a variable. `barred` says why the client does not take it."""

    layer: str
    setting: Setting
    barred: str = ""


@dataclass(frozen=True)
class Effective:
    """What counts. `candidates` are all settings of each variable, the strongest first."""

    candidates: Mapping[str, Sequence[Candidate]] = field(default_factory=dict)

    def winner(self, name: str) -> Candidate | None:
        """The setting that the client uses, also if it is empty, which means not set."""
        return next((one for one in self.candidates.get(name, ()) if not one.barred), None)

    def barred(self, name: str) -> Candidate | None:
        """The first setting that would have been used if the client let it."""
        return next((one for one in self.candidates.get(name, ()) if one.barred), None)

    @property
    def env(self) -> dict[str, str]:
        """The values. A value that a shell computes is left out: it is not known."""
        used = {name: self.winner(name) for name in self.candidates}
        return {
            name: one.setting.value
            for name, one in used.items()
            if one and one.setting.value and not one.setting.computed
        }

    def layer(self, name: str) -> str:
        """Where the value comes from, empty if there is none."""
        one = self.winner(name)
        return one.layer if one else ""

    def where(self, name: str) -> str:
        """File and line of the value, empty if there is none."""
        one = self.winner(name)
        return one.setting.where if one else ""

    def is_computed(self, name: str) -> bool:
        """Whether only a shell knows the value."""
        one = self.winner(name)
        return one is not None and one.setting.computed

    def beats_from_below(self, name: str, general: str) -> bool:
        """Whether both are set and the first one comes from a weaker place."""
        env = self.env
        both = name in env and general in env
        return both and LAYERS.index(self.layer(name)) > LAYERS.index(self.layer(general))


def effective(sources: Sequence[Source]) -> Effective:
    """The sources must come in the order of precedence, the strongest first."""
    managed = {name for source in sources if source.layer == MANAGED for name, one in source.env.items() if one.value}
    in_shell = {name for source in sources if source.layer == SHELL for name, one in source.env.items() if one.value}
    found: dict[str, list[Candidate]] = {}
    for source in sources:
        for name, setting in source.env.items():
            barred = _barred(source.layer, name, setting.value, managed, in_shell)
            found.setdefault(name, []).append(Candidate(source.layer, setting, barred))
    return Effective(found)


def _barred(layer: str, name: str, value: str, managed: set[str], in_shell: set[str]) -> str:
    if layer in REPOSITORY:
        return _barred_in_repository(name, value, in_shell)
    if layer in (USER, SHELL):
        for general, kinds in _REMOVED_BY.items():
            single = any(name == f"{OTLP}{signal}_{kind}" for signal in SIGNALS for kind in kinds)
            if general in managed and (single or (general == HEADERS and name == ENDPOINT)):
                return f"managed {general} removes it"
    return ""


def _barred_in_repository(name: str, value: str, in_shell: set[str]) -> str:
    if name in EXPORTERS:
        if value != "none":
            return NOT_FROM_REPOSITORY
        return "the shell's setting beats a repository's none" if name in in_shell else ""
    if _REPOSITORY_MAY_NOT.fullmatch(name) and not (name.startswith("OTEL_LOG_") and value.lower() in OFF):
        return NOT_FROM_REPOSITORY
    return ""
