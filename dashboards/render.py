# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A dashboard as the JSON text that is committed."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import Dashboard
from grafana_foundation_sdk.cog.encoder import JSONEncoder


def as_json(dashboard: Dashboard) -> str:
    """The same dashboard always gives the same bytes."""
    return JSONEncoder(sort_keys=True, indent=2).encode(dashboard.build()) + "\n"
