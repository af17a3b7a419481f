# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The dashboards as code. `python3 -m dashboards` writes them to roles/grafana/files/dashboards."""

from __future__ import annotations

import warnings

# The classic form on purpose: Grafana 10 to 13 read it, the newer one only 13 does.
warnings.filterwarnings("ignore", "Prefer using dashboardv2", DeprecationWarning)
