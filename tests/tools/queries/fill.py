# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A query as Grafana would send it: our macros written out, Grafana's own variables and the dashboard's filled in."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence

from plugins.module_utils._rollups import Calendar

VARIABLE = re.compile(r"\$(?:(?P<plain>\w+)|\{(?P<braced>\w+)(?::\w+)?\})")
# How PER in dashboards/panels.py answers.
PER_MINUTE, PER_DAY = "(minute)?", "day"


def grafana(window: str = "1d", step: str = "1d") -> dict[str, list[str]]:
    """Grafana's own variables, for a range and a step."""
    seconds = {"h": 3600, "d": 86400, "s": 1, "m": 60}
    range_s = str(int(window[:-1]) * seconds[window[-1]])
    step_s = str(int(step[:-1]) * seconds[step[-1]])
    values = {
        "__range": window,
        "__range_s": range_s,
        "__range_ms": f"{range_s}000",
        "__interval": step,
        "__rate_interval": step,
        "__interval_ms": f"{step_s}000",
        "__auto": step,
    }
    return {name: [value] for name, value in values.items()}


def filled(text: str, variables: Mapping[str, Sequence[str]], calendar: Calendar | None = None) -> list[str]:
    """The texts that follow from it, one for each choice of variables. Raises KeyError, naming an unknown variable."""
    text = (calendar or Calendar()).expand(text)
    used = sorted({found["plain"] or found["braced"] for found in VARIABLE.finditer(text)})
    # In a replacement text such as "$1" the digit is a group of a regular expression.
    used = [name for name in used if not name.isdigit()]
    texts = []
    for choice in itertools.product(*(variables[name] for name in used)):
        values = dict(zip(used, choice))
        texts.append(
            VARIABLE.sub(lambda found, v=values: v.get(found["plain"] or found["braced"], found[0]), text)  # type: ignore[misc]
        )
    return texts
