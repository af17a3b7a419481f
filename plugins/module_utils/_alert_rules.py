# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What makes alert rules of those in the templates: the calendar, patterns for versions and models, the runbooks."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.claude_code.observability.plugins.module_utils import _budgets
from ansible_collections.claude_code.observability.plugins.module_utils._rollups import Calendar


def groups(
    written: Iterable[Mapping[str, Any]], calendar: Calendar, budgets: Mapping[str, Any], runbooks: str
) -> list[dict[str, Any]]:
    """All groups that have rules, complete. Raises ValueError for a variable that cannot be."""
    found = [dict(group) for group in written if group["rules"]]
    limits = _budgets.parse(budgets)
    if limits:
        found.append(_budgets.group(calendar, limits))
    for group in found:
        group["rules"] = [_complete(rule, calendar, runbooks) for rule in group["rules"]]
    return found


def _complete(rule: Mapping[str, Any], calendar: Calendar, runbooks: str) -> dict[str, Any]:
    result: dict[str, Any] = calendar.expand_all(dict(rule))
    result["expr"] = re.sub(r"\s*\n\s*", " ", _patterns(result["expr"]))
    if "alert" in result:
        result["annotations"] = {**result["annotations"], "runbook_url": f"{runbooks}#{result['alert'].lower()}"}
    return result


def _patterns(expr: str) -> str:
    """The expression with <<versions below X>> and <<models [LIST]>> as patterns."""
    expr = re.sub(r"<<versions below (.+?)>>", lambda found: versions_below(found[1]), expr)
    return re.sub(r"<<models (\[.*?\])>>", lambda found: models(json.loads(found[1])), expr)


def versions_below(minimum: str) -> str:
    """A pattern for all versions that are older, compared as numbers: PromQL knows labels as text only."""
    if not re.fullmatch(r"\d+\.\d+\.\d+", minimum):
        raise ValueError(
            f"prometheus_alert_thresholds.minimum_client_version is {minimum}; write three numbers such as 2.1.300."
        )
    parts = [int(part) for part in minimum.split(".")]
    choices = []
    for place, part in enumerate(parts):
        if part:
            before = "".join(f"{number}[.]" for number in parts[:place])
            choices.append(f"{before}({_numbers_below(part)})([^0-9].*)?")
    if not choices:
        raise ValueError("prometheus_alert_thresholds.minimum_client_version is 0.0.0; no version is older.")
    return "|".join(choices)


def _numbers_below(limit: int) -> str:
    """A pattern for the whole numbers from 0 to one less than the limit, which is at least 1."""
    digits = str(limit)
    choices = []
    if len(digits) > 1:
        choices.append("[0-9]")
    if len(digits) > 2:
        choices.append(f"[1-9][0-9]{{1,{len(digits) - 2}}}")
    for place, digit in enumerate(digits):
        first = 1 if place == 0 and len(digits) > 1 else 0
        if int(digit) > first:
            rest = len(digits) - place - 1
            choices.append(f"{digits[:place]}[{first}-{int(digit) - 1}]" + (f"[0-9]{{{rest}}}" if rest else ""))
    return "|".join(choices)


def models(names: Iterable[str]) -> str:
    """A pattern for the models of the given names, in which * stands for anything."""
    choices = []
    for name in names:
        if not re.fullmatch(r"[\w.:@/\[\]*-]+", name):
            raise ValueError(
                f"prometheus_alert_thresholds.allowed_models has {name!r}; write a model, such as claude-sonnet-*."
            )
        choices.append(re.sub(r"[^\w*/:@-]", lambda found: f"[{found[0]}]", name).replace("*", ".*"))
    return "|".join(choices)
