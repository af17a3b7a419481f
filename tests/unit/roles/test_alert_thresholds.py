# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The thresholds of the alerts are documented with the defaults they have."""

from __future__ import annotations

from pathlib import Path

import yaml

ROLE = Path(__file__).parents[3] / "roles" / "prometheus"


def test_documented_defaults_are_those_in_force() -> None:
    options = yaml.safe_load((ROLE / "meta" / "argument_specs.yml").read_text(encoding="utf-8"))
    thresholds = options["argument_specs"]["main"]["options"]["prometheus_alert_thresholds"]["options"]
    variables = yaml.safe_load((ROLE / "vars" / "main.yml").read_text(encoding="utf-8"))
    documented = {name: option["default"] for name, option in thresholds.items()}
    assert documented == variables["__prometheus_threshold_defaults"]
