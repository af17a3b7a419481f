# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One developer is forgotten while another sends; whoever is not asked for keeps every token and event."""

from __future__ import annotations

import re
import threading

HOURS_AGO = (0, 1, 30, 60)


def test_alice_is_forgotten_and_bob_is_whole(stack):
    for hours in HOURS_AGO:
        stack.send("alice", hours)
        stack.send("bob", hours)
    stack.wait_for(stack.tokens, {"alice": 28, "bob": 28})
    stack.wait_for(stack.events, {"alice": 4, "bob": 4})
    # Path (b) and what the stack records of it.
    stack.wait_for(lambda: stack.names().get("alice", 0) > 4, True)

    code, output = stack.play("forget", "-e", "developer=alice")
    assert code != 0 and "Nothing was deleted" in output
    fewest = stack.names()["alice"]
    code, output = stack.play("forget", "-e", "developer=alice", "--check")
    assert code == 0, output
    told = re.search(r"alice: (\d+) series, 4 log entries", output)
    # The days are being recorded meanwhile.
    assert told and fewest <= int(told[1]) <= stack.names()["alice"], output
    assert stack.tokens() == {"alice": 28, "bob": 28}

    sent, done = [4], threading.Event()

    def bob_goes_on() -> None:
        while not done.wait(0.5):
            stack.send("bob")
            sent[0] += 1

    traffic = threading.Thread(target=bob_goes_on)
    traffic.start()
    try:
        code, output = stack.play("forget", "-e", "developer=alice", "-e", "confirm=yes")
    finally:
        done.set()
        traffic.join()
    assert code == 0, output
    assert "No query finds alice any more" in output
    stack.wait_for(stack.tokens, {"bob": 7 * sent[0]})
    stack.wait_for(stack.events, {"bob": sent[0]})
    assert "alice" not in stack.names()


def test_nobody_comes_back_after_a_restart(stack):
    before = stack.tokens(), stack.events()
    for verb in ("stop", "start"):
        code, output = stack.play(verb)
        assert code == 0, output
    stack.wait_for(lambda: (stack.tokens(), stack.events()), before)
    assert "alice" not in stack.names()
