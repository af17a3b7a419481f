# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of a report: one file of HTML with its plots, without scripts and without anything from elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

from ansible_collections.claude_code.observability.plugins.module_utils._charts import HALF_WIDTH, spark, stacked
from ansible_collections.claude_code.observability.plugins.module_utils._report import shares
from jinja2 import Environment, FileSystemLoader, StrictUndefined

TEMPLATES = Path(__file__).resolve().parents[2] / "playbooks" / "templates"
# Colours that stay apart; what is left is one group.
COLOURS = 6
OTHERS = "others"
# Below this, cents would say nothing.
SMALL_USD = 10
KINDS = {"input": "input", "cacheCreation": "cache writes", "cacheRead": "cache reads", "output": "output"}


def pages(**filters: Callable[..., str]) -> Environment:
    """Where the templates of pages come from, with these filters."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(filters)
    return environment


def page(report: Mapping[str, Any], files: Mapping[str, str]) -> str:
    """The HTML of a report. `files` names its JSON and CSV."""
    digits = 2 if report["totals"]["cost_usd"] >= SMALL_USD else 4
    unit = 10.0**-digits
    models = _models(report)
    labels = [day_name(day["day"]) for day in report["days"]]
    comparable = report["before"]["comparable"]

    def money(value: float) -> str:
        return f"${value:,.{digits}f}"

    def with_shown_cost(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Each row with the cost that its table shows: rounded so that the column adds up."""
        return [
            {**row, "shown": money(cost)} for row, cost in zip(rows, shares([row["cost_usd"] for row in rows], unit))
        ]

    environment = pages(
        money=money, count=count, short=short, hours=hours, percent=percent, day=day_name, name=_name, moment=moment
    )
    per_day = {
        "cost_usd": [day["cost_usd"] for day in report["days"]],
        "tokens": [day["tokens"]["all"] for day in report["days"]],
        "sessions": [day["sessions"] for day in report["days"]],
        "active_seconds": [day["active_seconds"] for day in report["days"]],
    }
    return environment.get_template("report.html.j2").render(
        report=report,
        files=files,
        heading=_heading(report["period"]),
        tiles=_tiles(report, money, per_day if len(labels) > 1 else {}),
        models=models,
        kinds=list(KINDS.values()),
        cost_by_day=stacked(
            labels,
            [(name, [_of(day, members) for day in report["days"]]) for name, members in models],
            money,
            lambda value: f"${value:,.{digits if value % 1 else 0}f}",
            # Only over whole weeks do weekends lie on weekends.
            [day["cost_usd_before"] for day in report["days"]] if comparable and len(labels) % 7 == 0 else (),
        ),
        tokens_by_day=stacked(
            labels,
            [(name, [day["tokens"][kind] for day in report["days"]]) for kind, name in KINDS.items()],
            short,
            lambda value: short(value, ""),
            width=HALF_WIDTH,
        ),
        sessions_by_day=stacked(labels, [("sessions", per_day["sessions"])], count, count, width=HALF_WIDTH),
        team_rows=[
            {**row, "change": change(row["cost_usd"], row["cost_usd_before"]) if comparable else ""}
            for row in with_shown_cost(report["teams"])
        ],
        model_rows=with_shown_cost(report["models"]),
        day_rows=with_shown_cost(report["days"]),
        developer_rows=with_shown_cost(report["developers"]),
        developers_agree=round(sum(row["cost_usd"] for row in report["developers"]) - report["totals"]["cost_usd"], 6)
        == 0,
        colour=lambda model: next(index for index, (_name, members) in enumerate(models) if model in members),
    )


def _models(report: Mapping[str, Any]) -> list[tuple[str, set[str]]]:
    """The models that have a colour of their own, the dearest first, and all others as one."""
    names = [row["model"] for row in report["models"]]
    if len(names) <= COLOURS:
        return [(_name(name), {name}) for name in names]
    return [(_name(name), {name}) for name in names[: COLOURS - 1]] + [(OTHERS, set(names[COLOURS - 1 :]))]


def _of(day: Mapping[str, Any], models: set[str]) -> float:
    return sum(cost for model, cost in day["cost_usd_by_model"].items() if model in models)


def _name(text: str, kind: str = "model") -> str:
    return text or f"no {kind}"


def _heading(period: Mapping[str, Any]) -> str:
    first, last = date.fromisoformat(period["first"]), date.fromisoformat(period["last"])
    if first == last:
        return f"{last.day} {last:%B %Y}"
    start = f"{first.day}"
    if (first.year, first.month) != (last.year, last.month):
        start += f" {first:%B}" if first.year == last.year else f" {first:%B %Y}"
    return f"{start} \u2013 {last.day} {last:%B %Y}"


def _tiles(
    report: Mapping[str, Any], money: Callable[[float], str], per_day: Mapping[str, Sequence[float]]
) -> list[dict[str, Any]]:
    now, before = report["totals"], report["totals_before"]
    comparable = report["before"]["comparable"]
    spent, sessions = now["cost_usd"], now["sessions"]

    def tile(name: str, key: str, text: str, note: str = "") -> dict[str, Any]:
        this, prior = (each["tokens"]["all"] if key == "tokens" else each[key] for each in (now, before))
        return {
            "name": name,
            "text": text,
            "change": change(this, prior) if comparable else "",
            "note": note,
            "spark": spark(per_day[key]) if key in per_day else None,
        }

    cached = _ratio(now["tokens"]["cacheRead"], now["tokens"]["all"] - now["tokens"]["output"])
    return [
        tile("Cost", "cost_usd", money(spent), f"{money(spent / sessions)} a session" if sessions else ""),
        tile("Tokens", "tokens", short(now["tokens"]["all"]), f"{percent(cached)} of the input cached"),
        tile("Sessions", "sessions", count(sessions)),
        tile("Active time", "active_seconds", hours(now["active_seconds"])),
        tile("Active developers", "active_developers", count(now["active_developers"])),
        tile("Lines added", "lines_added", count(now["lines_added"]), f"{count(now['lines_removed'])} removed"),
        tile("Commits", "commits", count(now["commits"])),
        tile("Pull requests", "pull_requests", count(now["pull_requests"])),
    ]


def change(now: float, before: float) -> str:
    """By which part something grew or shrank; empty where there is nothing to compare with."""
    if not before:
        return ""
    part = round(100 * (now / before - 1))
    return f"+{part} %" if part > 0 else f"\u2212{-part} %" if part < 0 else "±0 %"


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def percent(part: float) -> str:
    """A share; a small one is not shown as none."""
    return "<1 %" if 0 < part < 0.005 else f"{100 * part:.0f} %"


def count(value: float) -> str:
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.1f}"


def short(value: float, digits: str = "#.3") -> str:
    """A large number by three of its digits."""
    for size, letter in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= 0.9995 * size:
            return f"{format(value / size, digits + 'g').rstrip('.')} {letter}"
    return f"{value:g}"


def hours(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.0f} s"
    if seconds < 3600:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:,.1f} h" if seconds < 360000 else f"{seconds / 3600:,.0f} h"


def day_name(text: str) -> str:
    found = date.fromisoformat(text)
    return f"{found.day} {found:%b}"


def moment(text: str) -> str:
    found = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return f"{found.day} {found:%b %Y, %H:%M}"
