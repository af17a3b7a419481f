# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

from ansible_collections.claude_code.observability.plugins.plugin_utils._doctor_report import report, rows

FINDING = {"cause": "refused", "severity": "error", "text": "It is so.", "fix": "Do that.", "where": "f:3"}
NOTE = {"cause": "content-logged", "severity": "note", "text": "X is 1.", "fix": "Take it out.", "where": "f:4"}
SHADOW = {"value": "b", "source": "shell", "where": "g:1", "reason": ""}
BARRED = {"value": "c", "source": "project", "where": "h:1", "reason": "a repository may not set it"}
ADA: dict[str, Any] = {
    "name": "ada",
    "failed": False,
    "verdict": "It is so. Do that.",
    "cause": "refused",
    "findings": [FINDING, NOTE],
    "variables": [{"key": "OTEL_X", "value": "a", "source": "user", "where": "f:1", "shadows": [BARRED, SHADOW]}],
    "sources": [
        {"layer": "user", "path": "f", "problem": ""},
        {"layer": "shell", "path": "g", "problem": ""},
        {"layer": "managed", "path": "m", "problem": "m:1:1: no"},
    ],
    "endpoints": [{"signal": "logs", "protocol": "grpc", "url": "http://c", "detail": "accepted", "milliseconds": 2}],
    "client": {"path": "/bin/claude", "version": "2.1.330"},
}
BOB = {"name": "bob", "failed": True, "msg": "there is no such user on this host"}


def test_the_verdict_comes_first_and_the_rest_in_columns() -> None:
    assert report({"users": [ADA, BOB]}, "laptop") == [
        "ada on laptop: It is so. Do that.",
        "",
        "Also found:",
        "- note: X is 1. Take it out.",
        "",
        "Claude Code       2.1.330, /bin/claude",
        "events            http://c (grpc): accepted, 2 ms",
        "user settings     f",
        "shell             g",
        "managed settings  m (broken)",
        "",
        "VARIABLE  VALUE  SOURCE   WHERE  STATE",
        "OTEL_X    a      user     f:1    counts",
        "OTEL_X    c      project  h:1    ignored: a repository may not set it",
        "OTEL_X    b      shell    g:1    hidden",
        "",
        "bob on laptop: there is no such user on this host",
    ]


def test_a_host_without_a_result() -> None:
    assert report({"unreachable": True}, "away") == ["away: can't be reached, so nothing is known about it."]
    assert report({"msg": "sudo: a password is required"}, "odd") == ["odd: sudo: a password is required"]


def test_rows_for_machines() -> None:
    found = rows({"laptop": {"users": [ADA, BOB]}, "away": {"unreachable": True, "msg": "no route"}})
    short = [(row["host"], row["user"], row["cause"], row["severity"], row.get("where")) for row in found]
    assert short == [
        ("laptop", "ada", "refused", "error", "f:3"),
        ("laptop", "bob", "failed", "", ""),
        ("away", "", "unreachable", "", None),
    ]
    assert found[0]["variables"] == ADA["variables"]
