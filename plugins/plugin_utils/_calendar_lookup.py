# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the lookups share that write something out for the days of a stack."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible_collections.claude_code.observability.plugins.module_utils._rollups import Calendar


class CalendarLookup(LookupBase):
    """A lookup with the options of the doc fragment `calendar`."""

    def run(self, terms: list[Any], variables: Any = None, **kwargs: Any) -> list[Any]:
        self.set_options(var_options=variables, direct=kwargs)
        try:
            return self.written_out(terms, Calendar.of(self.get_option("late_max"), self.get_option("utc_offset")))
        except ValueError as error:
            raise AnsibleLookupError(str(error)) from error

    def written_out(self, terms: list[Any], calendar: Calendar) -> list[Any]:
        """The answer. Raises ValueError, naming the variable."""
        raise NotImplementedError
