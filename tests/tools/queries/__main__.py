# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prints every fault. Exit code 1: there is one."""

from __future__ import annotations

import sys

from tests.tools.queries.check import check, everything
from tests.tools.queries.vocabulary import Vocabulary


def main() -> int:
    queries = everything()
    faults = check(queries, Vocabulary.load())
    print("\n".join(map(str, faults)) or f"{len(queries)} queries, no fault")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
