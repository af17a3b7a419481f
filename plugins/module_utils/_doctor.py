# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why does this user's client send nothing? Reads, knocks at the collector, and names the first cause."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from . import _doctor_rules as rules
from ._doctor_case import Case, read_case
from ._doctor_causes import BY_NAME, ERROR, RANK, WARNING, Finding
from ._doctor_client import HelperError, headers_of
from ._doctor_effective import Effective
from ._doctor_reach import PORT_WIDE, Reached, reach
from ._doctor_sources import REPOSITORY
from ._doctor_targets import WORDS, Target
from ._run_as import User
from ._settings_plan import display


def examine(user: User, environment: Mapping[str, str], project: str = "") -> dict[str, Any]:
    """The result for one user, ready for JSON, without secrets. Must run as that user.

    `environment` is the user's own, or empty. `project` is a repository's directory, or empty.
    """
    case = read_case(user, environment, project)
    findings = [*rules.about_files(case), *rules.about_client(case), *rules.about_content(case)]
    answers: list[tuple[Target, Reached]] = []
    if case.is_on:
        headers, problem = _headers(case)
        answers = _knock([one if one.grpc else one.with_headers(headers) for one in case.targets()], case.effect.env)
        findings += [
            *problem,
            *rules.about_values(case),
            *rules.about_addresses(case),
            *rules.about_attributes(case),
            *rules.about_network(case, answers),
        ]
    else:
        findings += rules.about_switch(case)
    findings.sort(key=lambda one: RANK[one.cause])
    levels = [[one for one in findings if BY_NAME[one.cause].severity == level] for level in (ERROR, WARNING)]
    first = next((one for level in levels for one in level), None)
    return {
        "verdict": first.sentence() if first else _praise(answers),
        "cause": first.cause if first else "",
        "findings": [one.as_dict() for one in findings],
        "variables": list(_keys(case.effect)),
        "sources": [{"layer": one.layer, "path": one.path, "problem": one.problem} for one in case.sources],
        "endpoints": [_endpoint(target, reached) for target, reached in answers],
        "client": {"path": case.program, "version": case.version},
    }


def _headers(case: Case) -> tuple[dict[str, str], list[Finding]]:
    """What the headers helper prints. A repository's script is not run: nobody has said yet that it is trusted."""
    source = case.helper
    if source is None or source.layer in REPOSITORY or all(target.grpc for target in case.targets()):
        return {}, []
    try:
        return headers_of(source.headers_helper, case.own), []
    except HelperError as error:
        # Only the program: what follows may be a secret.
        detail = f"otelHeadersHelper {source.headers_helper.split()[0]} ({source.path}): {error}"
        return {}, [Finding("headers-helper", detail, source.path)]


def _knock(targets: Sequence[Target], env: Mapping[str, str]) -> list[tuple[Target, Reached]]:
    """Each target's answer. What is wrong with a port for one signal is for the other too, and not waited for again."""
    ports: dict[tuple[str, str, int], Reached] = {}
    answers = []
    for target in targets:
        port = (target.protocol, target.host, target.port)
        reached = ports.get(port) or reach(target, env)
        if reached.cause in PORT_WIDE:
            ports[port] = reached
        answers.append((target, reached))
    return answers


def _praise(answers: Sequence[tuple[Target, Reached]]) -> str:
    where: dict[str, list[str]] = {}
    for target, _reached in answers:
        where.setdefault(f"{target.shown.partition('/v1/')[0]} ({target.protocol})", []).append(WORDS[target.signal])
    parts = [f"{' and '.join(signals)} go to {address}" for address, signals in where.items()]
    return f"Everything looks right: {', '.join(parts)}, which takes them."


def _keys(effect: Effective) -> Iterator[dict[str, Any]]:
    for name in sorted(effect.candidates):
        winner = effect.winner(name)
        yield {
            "key": name,
            "value": display(name, winner.setting.value) if winner else "",
            "source": winner.layer if winner else "",
            "where": winner.setting.where if winner else "",
            "shadows": [
                {
                    "value": display(name, one.setting.value),
                    "source": one.layer,
                    "where": one.setting.where,
                    "reason": one.barred,
                }
                for one in effect.candidates[name]
                if one is not winner
            ],
        }


def _endpoint(target: Target, reached: Reached) -> dict[str, Any]:
    return {
        "signal": target.signal,
        "protocol": target.protocol,
        "url": target.shown,
        "cause": reached.cause,
        "detail": reached.detail or "accepted",
        "milliseconds": round(reached.seconds * 1000),
        "clock_skew": None if reached.skew is None else round(reached.skew),
    }
