# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds every query of dashboards, rules and docs, parses it, and checks it against the vocabulary.

python -m tests.tools.queries          prints each fault: file, place, what is wrong, and the query
"""
