# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules as the roles write them."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from typing import Any

import yaml

from tests.tools.certificate import certificate
from tests.tools.queries import roles

# Every variable that adds an alert.
EVERYTHING = {
    "prometheus_alertmanagers": ["https://alerts.example.com/prefix", "http://alerts:9093"],
    "prometheus_alertmanager_username": "prometheus",
    "prometheus_alertmanager_password": "secret",
    "prometheus_budgets": {
        "total": {"daily": 100, "monthly": 2000},
        "team": {"daily": 50},
        "teams": {"web": {"daily": 80}},
        "developer": {"monthly": 300},
        "developers": {"ada": {"monthly": 600}},
    },
    "prometheus_alert_thresholds": {"minimum_client_version": "2.1.300", "allowed_models": ["claude-sonnet-*"]},
    "prometheus_runbooks": "https://example.com/runbooks",
    "stack_tls": "provided",
    # The tests of the rules begin in 1970.
    "stack_tls_certificate": certificate(datetime(1970, 2, 1)),
}


def written(role: str, **variables: Any) -> dict[str, str]:
    """The files of a role. The variables may hold what a cache cannot look up."""
    common = {"stack_late_max": "72h", "stack_utc_offset": "Z", "stack_runtime": "systemd"}
    return dict(roles.files(role, **{**common, **variables}))


@cache
def alert_groups(everything: bool = True, zone: str = "Z") -> list[dict[str, Any]]:
    """The groups of the alert file."""
    files = written("prometheus", stack_utc_offset=zone, **(EVERYTHING if everything else {}))
    groups: list[dict[str, Any]] = yaml.safe_load(files["rules/claude-code-alerts.yml"])["groups"]
    return groups


def alerts(everything: bool = True) -> dict[str, dict[str, Any]]:
    """The alerts by name."""
    rules = [rule for group in alert_groups(everything) for rule in group["rules"]]
    return {rule["alert"]: rule for rule in rules if "alert" in rule}
