# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs claude_settings_info in a process of its own, without the second that Ansible takes to start it.

python doctor_ask.py OPTIONS-AS-JSON
"""

from __future__ import annotations

import json
import sys

from ansible.module_utils.testing import patch_module_args
from ansible_collections.claude_code.observability.plugins.modules import claude_settings_info

with patch_module_args(json.loads(sys.argv[1])):
    claude_settings_info.main()
