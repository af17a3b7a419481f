# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every query of docs/queries.md, copied as it stands, answers with what was played."""

from __future__ import annotations

import json
import re
import subprocess
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from plugins.module_utils._rollups import DAY
from tests.tools.ledger import COST_SLACK, NANO, Loki, Prometheus

ROOT = Path(__file__).parents[3]
PAGES = {"en": ROOT / "docs" / "queries.md", "ko": ROOT / "docs" / "ko" / "queries.md"}
BLOCK = re.compile(r"(?ms)^### (\d+)\. ([^\n]+)$.*?^```(\w+)\n(.*?)^```$")
KINDS = ("input", "output", "cacheRead", "cacheCreation")


@dataclass(frozen=True)
class Block:
    """One block of code under a numbered heading."""

    number: int
    language: str
    text: str


def blocks(page: Path) -> list[Block]:
    return [Block(int(number), language, text) for number, _title, language, text in BLOCK.findall(page.read_text())]


BLOCKS = {block.number: block for block in blocks(PAGES["en"])}


def play(stack: Any, block: Block, folder: Path) -> str:
    playbook = folder / "play.yml"
    playbook.write_text(block.text)
    said: str = stack.play(str(playbook))
    return said


def answer(stack: Any, block: Block) -> list[dict[str, Any]]:
    """The series that a query answers with."""
    if block.language == "promql":
        return Prometheus(stack.url("prometheus")).query(block.text)
    if block.language == "logql":
        return Loki(stack.url("loki")).query(block.text)
    text = block.text.replace("http://localhost:9090", stack.url("prometheus"))
    text = text.replace("http://localhost:3100", stack.url("loki"))
    said = subprocess.run(["bash", "-c", text], capture_output=True, text=True, check=True).stdout
    result: list[dict[str, Any]] = json.loads(said)["data"]["result"]
    return result


def found(stack: Any, number: int, factor: int = 1) -> dict[tuple[str, ...], int]:
    """The values of an answer by their labels, as integers of a small unit."""
    rows = answer(stack, BLOCKS[number])
    assert rows
    return {
        tuple(value for _name, value in sorted(row["metric"].items())): round(
            factor * sum(float(value) for _time, value in row.get("values", [row.get("value")]))
        )
        for row in rows
    }


def wanted(played: list[Any], row: str, *labels: str) -> dict[tuple[str, ...], int]:
    """The same from the ledgers, without what was never used."""
    sums: Counter[tuple[str, ...]] = Counter()
    for each in played:
        sums[tuple(getattr(each, label) for label in labels if getattr(each, label))] += each.ledger.get(row, 0)
    return {key: value for key, value in sums.items() if value}


def about(expected: Any, played: list[Any]) -> Any:
    """Equal but for half a micro-dollar for each recording, to which its known cost is rounded."""
    return pytest.approx(expected, rel=0, abs=COST_SLACK * len(played))


def by_kind(played: list[Any], rows: Mapping[str, str]) -> dict[tuple[str, ...], int]:
    sums = {(kind,): sum(each.ledger.get(row, 0) for each in played) for kind, row in rows.items()}
    return {key: value for key, value in sums.items() if value}


def test_there_are_fifteen_and_both_languages_show_the_same() -> None:
    assert sorted(BLOCKS) == list(range(1, 16))
    assert blocks(PAGES["ko"]) == blocks(PAGES["en"])


@pytest.mark.parametrize("number", [n for n, block in BLOCKS.items() if block.language != "yaml"])
def test_a_query_answers(stack: Any, number: int) -> None:
    rows = answer(stack, BLOCKS[number])
    assert rows
    assert all(float(value) >= 0 for row in rows for _time, value in row.get("values", [row.get("value")]))


def test_totals_equal_what_was_played(stack: Any) -> None:
    day, week = stack.of(stack.now - DAY), stack.of(stack.now - 7 * DAY)
    tokens = {kind: f"tokens {kind}" for kind in KINDS}
    assert sum(found(stack, 1, NANO).values()) == about(wanted(day, "cost")[()], day)
    assert found(stack, 2, NANO) == about(wanted(week, "cost", "person", "team"), week)
    assert found(stack, 3) == by_kind(day, tokens)
    assert sum(found(stack, 5, NANO).values()) == about(wanted(day, "cost")[()], day)
    assert found(stack, 7) == wanted(day, "starts", "team")
    assert found(stack, 8) == {(): len({each.person for each in week if each.ledger.get("tokens input")})}
    assert found(stack, 9) == by_kind(
        day, {k: f"metric claude_code.lines_of_code.count {k}" for k in ("added", "removed")}
    )
    assert found(stack, 10, 1000) == by_kind(
        day, {k: f"metric claude_code.active_time.total {k}" for k in ("cli", "user")}
    )


def test_the_dearest_sessions_are_those(stack: Any) -> None:
    day = stack.of(stack.now - DAY)
    rows = found(stack, 6, NANO)
    costs = wanted(day, "cost", "person", "session")
    assert rows == about({key: costs[key] for key in rows}, day)
    assert min(rows.values()) == about(sorted(costs.values(), reverse=True)[:5][-1], day)


def test_counts_of_events_equal_what_was_played(stack: Any) -> None:
    day = stack.of(stack.now - DAY)
    assert sum(found(stack, 12).values()) == sum(each.ledger.get("event tool_result", 0) for each in day)
    assert sum(found(stack, 13).values()) == sum(each.ledger.get("event api_error", 0) for each in day)


def test_the_module_in_a_play(stack: Any, tmp_path: Path) -> None:
    said = play(stack, BLOCKS[14], tmp_path)
    month = stack.of(stack.midnight(29))
    lines = re.findall(r"^\s*- ['\"]?(\w*) +([\d.]+)['\"]?$", said, re.MULTILINE)
    table = {(team,) if team else (): round(float(cost) * NANO) for team, cost in lines}
    assert table == about(wanted(month, "cost", "team"), month)
    assert f"whole days, {stack.zone}" in said


def test_the_lookup_in_a_play(stack: Any, tmp_path: Path) -> None:
    said = play(stack, BLOCKS[15], tmp_path)
    sums: Counter[str] = Counter()
    days = set()
    for day, kind, value in re.findall(r"(\d{4}-\d\d-\d\d) (\w+) (\d+)$", said, re.MULTILINE):
        sums[kind] += int(value)
        days.add(day)
    team = [each for each in stack.of(stack.midnight(29)) if each.team == "compilers"]
    assert {(kind,): value for kind, value in sums.items()} == by_kind(team, {kind: f"tokens {kind}" for kind in KINDS})
    assert len(days) == len({int((each.ended - stack.midnight(0)) // DAY) for each in team if each.ledger.get("cost")})
