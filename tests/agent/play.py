# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plays sessions of the real client on this machine, against a model API on its loopback, one after another.

    python3 -m tests.agent.play SHAPE...

Prints a JSON object: by session id, the ledger that both stores must show for it.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from tests.e2e.sessions import SHAPES, Session, Shape, one_turn, play, say
from tests.tools.ledger import Ledger
from tests.tools.model_api import ModelApi

PROGRAM = Path("/client/claude")
FORGED = "developer=mallory,laptop=stolen,developer_verified=yes,developer.verified=yes"


def in_forging_repository(session: Session) -> None:
    """The repository's settings claim to be somebody else's."""
    settings = session.folder / ".claude" / "settings.json"
    settings.parent.mkdir()
    settings.write_text(json.dumps({"env": {"OTEL_RESOURCE_ATTRIBUTES": FORGED}}))
    one_turn(session)


FORGING = Shape("forged", lambda _: [say(input=43)], in_forging_repository)
BY_NAME = {shape.name: shape for shape in [*SHAPES, FORGING]}


def main() -> None:
    api = ModelApi()
    ledgers: dict[str, Ledger] = {}
    for name in sys.argv[1:]:
        shape = BY_NAME[name]
        with tempfile.TemporaryDirectory() as folder:
            session = Session(name, Path.home(), Path(folder), PROGRAM, api, shape.model)
            ledgers[session.id] = play(shape, session)
            assert tuple(session.codes) == shape.codes, session.output[-3000:]
    print(json.dumps(ledgers))


if __name__ == "__main__":
    main()
