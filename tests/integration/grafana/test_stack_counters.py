# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a program's own counter rose in a range, as Prometheus's engine computes the dashboards' query."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml

from dashboards import queries as q
from tests.tools.programs import program


@pytest.mark.parametrize(
    ("values", "risen"),
    [
        pytest.param("5x300", 0, id="nothing happened"),
        pytest.param("0x200 0+1x99", 99, id="rose from zero"),
        pytest.param("_x210 7x89", 7, id="began with the first failures"),
        pytest.param("_x210 7x49 9x39", 9, id="began, and failed again"),
        pytest.param("40x200 40x49 0+1x49", 49, id="started anew"),
        pytest.param("40x180 _x40 40x79", 0, id="not read for a while as the range began"),
    ],
)
def test_rise_of_a_counter(values: str, risen: float, tmp_path: Path) -> None:
    # Ranges of increase reach over their edges by part of a step; the dashboards show whole numbers.
    expr = f"round(sum({q.risen('failures_total')}))".replace("$__range", "25m")
    test = {
        "evaluation_interval": "15s",
        "tests": [
            {
                "interval": "15s",
                "input_series": [{"series": "failures_total", "values": values}],
                "promql_expr_test": [
                    {"expr": expr, "eval_time": "75m", "exp_samples": [{"labels": "{}", "value": risen}]}
                ],
            }
        ],
    }
    file = tmp_path / "test.yml"
    file.write_text(yaml.safe_dump(test), encoding="utf-8")
    ran = subprocess.run([program("promtool"), "test", "rules", str(file)], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
