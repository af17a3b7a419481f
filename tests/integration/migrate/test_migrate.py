# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a real Prometheus has, in blocks of every length, counts as much in a real Mimir.

The tests follow one another.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.claude_code.observability.plugins.modules import mimir_blocks

from dashboards.panels import PER
from plugins.module_utils._rollups import DAY
from tests.integration.migrate.history import TOTALS, History
from tests.tools.queries.fill import PER_MINUTE


def bring(capsys: Any, history: History, directory: Path, **options: Any) -> dict[str, Any]:
    """What the module answers."""
    arguments = {"directory": str(directory), "url": history.mimir, "headers": history.headers, **options}
    with patch_module_args(arguments), pytest.raises(SystemExit):
        mimir_blocks.main()
    answer: dict[str, Any] = json.loads(capsys.readouterr().out)
    return answer


def of_one_day(block: Path) -> bool:
    meta = json.loads((block / "meta.json").read_text())
    return len({meta["minTime"] // (DAY * 1000), (meta["maxTime"] - 1) // (DAY * 1000)}) == 1


def test_check_mode_says_what_would_go(capsys: Any, history: History, snapshot: Path) -> None:
    before = sorted(snapshot.rglob("*"))
    told = [bring(capsys, history, snapshot, _ansible_check_mode=True) for _time in range(2)]
    assert told[0]["changed"]
    assert len(told[0]["uploaded"]) > 35, "longer blocks go by the day"
    assert told[0]["bytes"] > 500_000
    assert told[0]["uploaded"] == told[1]["uploaded"], "nothing went"
    assert sorted(snapshot.rglob("*")) == before


def test_every_day_is_the_same_afterwards(capsys: Any, history: History, snapshot: Path) -> None:
    would = bring(capsys, history, snapshot, _ansible_check_mode=True)["uploaded"]
    answer = bring(capsys, history, snapshot)
    assert not answer.get("failed"), answer
    assert {part["block"] for part in answer["uploaded"]} == {part["block"] for part in would}
    history.wait_until_shown()
    for utc_offset in ("Z", "+09:00"):
        for total in TOTALS:
            there = history.totals(history.prometheus, total, utc_offset)
            here = history.totals(f"{history.mimir}/prometheus", total, utc_offset)
            assert len(there) > 34
            assert here == pytest.approx(there, rel=0, abs=5e-7), f"{total}, {utc_offset}"


def test_late_samples_in_memory_came_too(history: History) -> None:
    query = 'sum(sum_over_time(claude_code_token_usage_tokens{session_id="pushed"}[80h]))'
    assert history.value(history.prometheus, query) == 8 * 7
    assert history.value(f"{history.mimir}/prometheus", query) == 8 * 7


def test_dashboards_find_samples_in_blocks(history: History) -> None:
    """Mimir looks up a list of words as `per=~"minute|"` in its blocks, and finds nothing without the label there."""
    assert f'"{PER_MINUTE}"' in PER
    query = f'sum(sum_over_time(claude_code_token_usage_tokens{{session_id!="pushed", per=~"{PER_MINUTE}"}}[38d]))'
    found = history.value(history.prometheus, query)
    assert found > 1_000_000
    assert history.value(f"{history.mimir}/prometheus", query) == found


def test_a_second_run_uploads_nothing(capsys: Any, history: History, snapshot: Path) -> None:
    answer = bring(capsys, history, snapshot)
    assert (answer["changed"], answer["uploaded"]) == (False, [])
    assert len(answer["present"]) > 35


@pytest.mark.parametrize(
    ("kind", "reason"), [("chunks", "HTTP 400"), ("index", "checksum"), ("tombstones", "clean_tombstones")]
)
def test_a_damaged_block_is_refused_by_name(
    capsys: Any, history: History, snapshot: Path, tmp_path: Path, kind: str, reason: str
) -> None:
    """Mimir finds what is wrong with a chunk, the cut what is wrong with an index. The others go."""
    by_size = sorted(snapshot.iterdir(), key=lambda path: (path / "index").stat().st_size)
    # Of one that spans midnight only one part would be damaged.
    source = by_size[-1] if kind == "index" else next(filter(of_one_day, by_size))
    # Others than those before, as old and as long.
    damaged, whole = (tmp_path / f"{source.name[:-2]}{len(kind):X}{end}" for end in "01")
    shutil.copytree(source, damaged)
    shutil.copytree(source, whole)
    if kind == "tombstones":
        (damaged / "tombstones").write_bytes(bytes(20))
    else:
        file = damaged / ("chunks/000001" if kind == "chunks" else "index")
        content = bytearray(file.read_bytes())
        content[len(content) // 3] ^= 0x40
        file.write_bytes(content)
    first, again = bring(capsys, history, tmp_path), bring(capsys, history, tmp_path)
    for answer in (first, again):
        assert answer["failed"]
        assert len(answer["refused"]) == 1
        assert f"block {damaged.name}" in answer["msg"]
        assert reason in answer["msg"]
    assert {part["of"] for part in first["uploaded"]} == {whole.name}
    assert not again["uploaded"]


def test_errors_say_what_to_do(capsys: Any, history: History, snapshot: Path) -> None:
    def said(directory: Path = snapshot, **options: Any) -> str:
        return str(bring(capsys, history, directory, **options)["msg"])

    assert "X-Scope-OrgID" in said(headers={})
    assert "without /prometheus" in said(url=f"{history.mimir}/prometheus")
    assert "not reachable" in said(url="http://127.0.0.1:1")
    assert "no directory" in said(Path("/nonexistent"))
    assert "write http" in said(url="mimir:9009")
