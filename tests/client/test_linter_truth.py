# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the linter refuses the real client loses, and what the linter accepts the real client sends."""

from __future__ import annotations

import ast
import os
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from ansible_collections.claude_code.observability.plugins.module_utils import _settings_lint

from tests.client.linter_cases import CASES, Case, Values
from tests.client.module_calls import ModuleCalls
from tests.client.telemetry_bench import INPUT, REQUESTS, Observed, Received, observe


@pytest.fixture(scope="module")
def observed(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, claude: Path
) -> dict[str, Observed]:
    """The session of every case that is to be tested, played once."""
    functions = [item for item in request.session.items if isinstance(item, pytest.Function)]
    cases: list[Any] = [one.callspec.params["case"] for one in functions if one.originalname == "test_the_client"]
    return observe(tmp_path_factory.mktemp("sessions"), {str(case): case.env for case in cases})


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What the module says to each block, in check mode."""
    environment = {"HOME": str(tmp_path_factory.mktemp("home")), "PATH": os.environ["PATH"]}
    with ModuleCalls(environment) as module:
        return {str(case): module.call({"env": case.env, "_ansible_check_mode": True}).result for case in CASES}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_linter(case: Case, verdicts: dict[str, dict[str, Any]]) -> None:
    verdict = verdicts[str(case)]
    warnings = " ".join(str(warning) for warning in verdict.get("warnings", []))
    variable = case.names or next(iter(case.changes), "")
    assert verdict.get("failed", False) == bool(case.refused), verdict
    if case.refused:
        assert variable in verdict["msg"]
        assert case.refused in verdict["msg"]
    elif case.warned:
        assert variable in warnings
        assert case.warned in warnings
    else:
        assert warnings == ""


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_client(case: Case, observed: dict[str, Observed]) -> None:
    seen = observed[str(case)]
    assert (seen.code, case.output in seen.output) == (0, True), seen.output
    everywhere = {
        f"{signal} at {where}": count for where, got in seen.received.items() for signal, count in counts(got)
    }
    assert everywhere == {f"{signal} at {where}": EXPECTED[signal] for signal, where in case.arrives.items()}
    for got in seen.received.values():
        assert set(got.temporalities) <= {case.temporality}
        check(case.resource, [got.resource])
        check(case.points, got.metrics)
        check(case.events, got.logs)


EXPECTED = {"metrics": REQUESTS * INPUT, "logs": REQUESTS, "traces": REQUESTS}


def counts(received: Received) -> list[tuple[str, float]]:
    """Input tokens, requests to the model and their spans, of the signals of which anything came at all."""
    tokens = [point["value"] for point in received.metrics if point.get("type") == "input"]
    found = {
        # A running total is told again with each export.
        "metrics": max(tokens, default=0) if 2 in received.temporalities else sum(tokens),
        "logs": sum(event["event.name"] == "api_request" for event in received.logs),
        "traces": sum(span["name"] == "claude_code.llm_request" for span in received.traces),
    }
    return [(signal, count) for signal, count in found.items() if getattr(received, signal)]


def check(wanted: Values, items: list[dict[str, Any]]) -> None:
    """Every item that has an attribute has the value wanted, and if one is wanted some item has it."""
    for name, value in wanted.items():
        values = {str(item[name]) for item in items if name in item}
        if value is ... and items:
            assert values, name
        elif items:
            assert values == (set() if value is None else {value}), name


def test_every_sentence_of_the_linter_is_in_the_table() -> None:
    said = lines_run(_settings_lint.__file__, [case.env for case in CASES])
    tree = ast.parse(Path(_settings_lint.__file__).read_text())
    sentences = [
        node for node in ast.walk(tree) if isinstance(node, ast.Yield) and not isinstance(node.value, ast.Call)
    ]
    assert len(sentences) > 20
    assert [ast.unparse(node) for node in sentences if said.isdisjoint(range(node.lineno, end(node) + 1))] == []


def lines_run(file: str, environments: list[dict[str, str]]) -> set[int]:
    lines: set[int] = set()

    def trace(frame: FrameType, event: str, _argument: object) -> Any:
        if frame.f_code.co_filename == file:
            lines.add(frame.f_lineno)
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        for env in environments:
            _settings_lint.lint(env)
    finally:
        sys.settrace(before)
    return lines


def end(node: ast.Yield) -> int:
    return node.end_lineno or node.lineno
