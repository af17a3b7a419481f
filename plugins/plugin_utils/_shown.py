# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines in the form that the result format of the callback keeps."""

from __future__ import annotations

from collections.abc import Sequence

from ansible import constants as C


def shown(lines: Sequence[str]) -> str | list[str]:
    """One text for the result format yaml, a list otherwise: each keeps the columns of one of them only."""
    result_format = C.config.get_config_value("result_format", plugin_type="callback", plugin_name="default")
    return "\n".join(lines) if result_format == "yaml" else list(lines)
