# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes every dashboard to the folder the grafana role provisions from."""

from __future__ import annotations

from pathlib import Path

from dashboards import (
    accounting,
    cost,
    developers,
    fleet,
    governance,
    overview,
    productivity,
    reliability,
    render,
    session,
    stack_health,
    tools,
)

OUTPUT = Path(__file__).parent.parent / "roles" / "grafana" / "files" / "dashboards"
# By file; those below people/ go to the folder that Viewers do not see.
DASHBOARDS = {
    "accounting": accounting.build,
    "cost": cost.build,
    "governance": governance.build,
    "overview": overview.build,
    "productivity": productivity.build,
    "reliability": reliability.build,
    "stack-health": stack_health.build,
    "tools": tools.build,
    "people/developers": developers.build,
    "people/fleet": fleet.build,
    "people/session": session.build,
}


def main() -> None:
    for name, build in DASHBOARDS.items():
        file = OUTPUT / f"{name}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(render.as_json(build()), encoding="utf-8")


if __name__ == "__main__":
    main()
