# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of a rollout: one file of HTML, without scripts and without anything from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.claude_code.observability.plugins.plugin_utils._report_page import count, moment, pages
from ansible_collections.claude_code.observability.plugins.plugin_utils._rollout import STATES, span

KEYS = (("keys_added", "+"), ("keys_changed", "~"), ("keys_removed", "\u2212"), ("keys_kept", "="))


def page(report: Mapping[str, Any], stem: str) -> str:
    """The HTML of a report. `stem` is the name of its files without their endings."""
    environment = pages(count=count, moment=moment, span=span, keys=keys)
    return environment.get_template("rollout.html.j2").render(report=report, stem=stem, states=STATES)


def keys(user: Mapping[str, Any]) -> str:
    """The variables that were added (+), changed (~), removed (minus) or left to somebody else (=)."""
    return ", ".join(sign + key for name, sign in KEYS for key in user.get(name, []))
