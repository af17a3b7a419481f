# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which causes a case shows: one function for each group of them. Only looks at what was read or answered."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence

from . import _resource_attributes as attributes
from ._doctor_case import Case
from ._doctor_causes import Finding
from ._doctor_client import is_broken, is_old
from ._doctor_effective import ENABLE
from ._doctor_reach import SLOW, Reached
from ._doctor_sources import CONFIG_DIR, MANAGED, REPOSITORY, USER, read_settings
from ._doctor_targets import EXPORTER, SIGNALS, WORDS, Target, exporters
from ._settings_lint import EXPORTERS, OFF, ON, PROTOCOLS
from ._settings_plan import ATTRIBUTES, ENDPOINT, SIGNAL_ENDPOINTS, display

INTERVAL = "OTEL_METRIC_EXPORT_INTERVAL"
SHUTDOWN = "CLAUDE_CODE_OTEL_SHUTDOWN_TIMEOUT_MS"
TEMPORALITY = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE"
CONTENT = (
    "OTEL_LOG_USER_PROMPTS",
    "OTEL_LOG_ASSISTANT_RESPONSES",
    "OTEL_LOG_TOOL_DETAILS",
    "OTEL_LOG_TOOL_CONTENT",
    "OTEL_LOG_RAW_API_BODIES",
)
# Milliseconds: less hardly does for one request to a collector next door.
SHORTEST_FLUSH = 500
# Seconds.
MAX_SKEW = 300


def about_files(case: Case) -> Iterator[Finding]:
    """Files that the client can't use, or does not look for."""
    for source in case.sources:
        if source.problem:
            cause = "managed-broken" if source.layer == MANAGED else "settings-broken"
            yield Finding(cause, source.problem, source.path)
    home = os.path.join(case.user.home, ".claude")
    elsewhere = case.effect.env.get(CONFIG_DIR, "")
    if elsewhere and os.path.abspath(elsewhere) != home:
        unread = read_settings(USER, os.path.join(home, "settings.json"))
        if case.effect.layer(CONFIG_DIR) == USER or (unread and ENABLE in unread.env and not case.is_on):
            yield _in_variable(case, "config-dir", CONFIG_DIR)
    cached = os.path.join(case.directory, "remote-settings.json")
    if os.path.exists(cached):
        yield Finding("server-managed", f"There is {cached}", cached)


def about_client(case: Case) -> Iterator[Finding]:
    """The program."""
    if not case.program:
        yield Finding(
            "client-missing", f"There is no program claude on {case.user.name}'s search path or where installers put it"
        )
    elif is_broken(case.version):
        yield Finding("broken-build", f"Claude Code is {case.version}", case.program)
    elif is_old(case.version):
        yield Finding("old-client", f"Claude Code is {case.version}", case.program)


def about_switch(case: Case) -> Iterator[Finding]:
    """Why telemetry is off."""
    barred = case.effect.barred(ENABLE)
    if barred and barred.setting.value.lower() in ON:
        yield Finding("repository-ignored", f"{ENABLE} is set in {barred.setting.where} only", barred.setting.where)
    yield _in_variable(case, "telemetry-off", ENABLE)


def about_values(case: Case) -> Iterator[Finding]:
    """Values that the client can't use, or that make it send less."""
    env = case.effect.env
    for signal, name in EXPORTER.items():
        chosen = exporters(env, signal)
        if set(chosen) - set(EXPORTERS[name]):
            yield _in_variable(case, "unknown-exporter", name)
        elif "otlp" not in chosen and not case.effect.is_computed(name):
            by_repository = case.effect.layer(name) in REPOSITORY
            yield _in_variable(case, "repository-none" if by_repository else "signal-off", name)
    for name in ("OTEL_EXPORTER_OTLP_PROTOCOL", *(f"OTEL_EXPORTER_OTLP_{one.upper()}_PROTOCOL" for one in SIGNALS)):
        if env.get(name, PROTOCOLS[0]) not in PROTOCOLS:
            yield _in_variable(case, "unknown-protocol", name)
    number = re.match(r"\s*[-+]?\d+(\.\d+)?", env.get(INTERVAL, ""))
    if number and float(number.group()) <= 0:
        yield _in_variable(case, "export-interval", INTERVAL)
    flush = env.get(SHUTDOWN, "")
    if flush.isdigit() and int(flush) < SHORTEST_FLUSH:
        yield _in_variable(case, "short-flush", SHUTDOWN)
    if env.get(TEMPORALITY, "delta").lower() != "delta":
        yield _in_variable(case, "cumulative", TEMPORALITY)


def about_addresses(case: Case) -> Iterator[Finding]:
    """Endpoints that are not used, or beat the one that is meant."""
    barred = case.effect.barred(ENDPOINT)
    if barred and not case.effect.winner(ENDPOINT):
        where = barred.setting.where
        yield Finding("endpoint-stripped", f"{ENDPOINT} is set in {where}, and {barred.barred}", where)
    for target in case.targets():
        if target.malformed:
            yield _in_variable(case, "endpoint-malformed", target.malformed)
    for name in SIGNAL_ENDPOINTS:
        if case.effect.beats_from_below(name, ENDPOINT):
            yield _in_variable(case, "endpoint-split", name)


def about_attributes(case: Case) -> Iterator[Finding]:
    """Resource attributes that get lost on the way."""
    for item in case.effect.env.get(ATTRIBUTES, "").split(","):
        key, _equals, value = item.partition("=")
        problem = attributes.problem_with(key.strip(), value.strip()) if item.strip() else None
        if problem:
            where = case.effect.where(ATTRIBUTES)
            yield Finding("attributes-dropped", f"{ATTRIBUTES} ({where}): {problem}", where)


def about_network(case: Case, answers: Sequence[tuple[Target, Reached]]) -> Iterator[Finding]:
    """What happened at the collector. Signals that met the same fault are named together."""
    faults: dict[tuple[str, str, str, str], list[str]] = {}
    for target, reached in answers:
        for cause, detail in _faults(target, reached, case.helper is not None):
            address = target.shown if target.grpc or cause == "wrong-path" else target.shown.partition("/v1/")[0]
            faults.setdefault((cause, address, target.variable, detail), []).append(WORDS[target.signal])
    for (cause, address, variable, detail), signals in faults.items():
        where = case.effect.where(variable)
        origin = f" ({variable}, {where})" if where else " (the default)"
        yield Finding(cause, f"{' and '.join(signals).capitalize()} to {address}{origin}: {detail}", where)


def _faults(target: Target, reached: Reached, has_helper: bool) -> Iterator[tuple[str, str]]:
    if reached.cause == "auth-refused" and target.grpc and has_helper:
        yield "headers-helper-grpc", reached.detail
    elif reached.cause:
        yield reached.cause, reached.detail
    elif reached.seconds > SLOW and not target.grpc:
        yield "slow-collector", f"the answer took more than {SLOW:.0f} s"
    if reached.skew is not None and abs(reached.skew) > MAX_SKEW:
        behind = "behind" if reached.skew > 0 else "ahead of"
        yield "clock-skew", f"this host's clock is {abs(reached.skew) / 60:.0f} minutes {behind} the collector's"


def about_content(case: Case) -> Iterator[Finding]:
    """What else leaves the host, and what could not be judged."""
    env = case.effect.env
    on = [name for name in CONTENT if env.get(name, OFF[0]).lower() not in OFF]
    if on:
        yield Finding("content-logged", ", ".join(case_says(case, name) for name in on), case.effect.where(on[0]))
    for name in case.effect.candidates:
        if case.effect.is_computed(name):
            where = case.effect.where(name)
            yield Finding("shell-computed", f"{name} is set in {where}", where)


def case_says(case: Case, name: str) -> str:
    """A variable with its value for people, secrets hidden."""
    one = case.effect.winner(name)
    return f"{name} is {display(name, one.setting.value) or 'empty'}" if one else f"{name} is not set"


def _in_variable(case: Case, cause: str, name: str) -> Finding:
    where = case.effect.where(name)
    return Finding(cause, case_says(case, name) + (f" ({where})" if where else " anywhere"), where)
