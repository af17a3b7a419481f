# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes every dashboard to the folder the grafana role provisions from."""

from __future__ import annotations

from pathlib import Path

from dashboards import overview, render

OUTPUT = Path(__file__).parent.parent / "roles" / "grafana" / "files" / "dashboards"
DASHBOARDS = {"overview": overview.build}


def main() -> None:
    OUTPUT.mkdir(parents=True, exist_ok=True)
    for name, build in DASHBOARDS.items():
        (OUTPUT / f"{name}.json").write_text(render.as_json(build()), encoding="utf-8")


if __name__ == "__main__":
    main()
