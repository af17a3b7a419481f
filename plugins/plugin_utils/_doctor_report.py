# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The results of claude_settings_info: as lines for people, the verdict first, and as rows."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.claude_code.observability.plugins.module_utils._table import lines

WIDTH = 110
COLUMNS = ("variable", "value", "source", "where", "state")


def report(result: Mapping[str, Any], host: str) -> list[str]:
    """The whole result of one host."""
    if result.get("unreachable"):
        return [f"{host}: can't be reached, so nothing is known about it."]
    if "users" not in result:
        return [f"{host}: {result.get('msg') or 'the module gave no result'}"]
    return [line for user in result["users"] for line in (*_user(user, host), "")][:-1]


def rows(results: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One row for each host and user. Without a result for a host or user the cause says so."""
    return [row for host, result in results.items() for row in _rows(result, host)]


def _rows(result: Mapping[str, Any], host: str) -> Iterator[dict[str, Any]]:
    if "users" not in result:
        cause = "unreachable" if result.get("unreachable") else "failed"
        yield {"host": host, "user": "", "cause": cause, "severity": "", "msg": str(result.get("msg", ""))}
        return
    for user in result["users"]:
        row = {"host": host, "user": user["name"], "cause": "failed", "severity": "", **user}
        first = user["findings"][0] if user.get("cause") else {}
        yield {**row, "severity": first.get("severity", ""), "where": first.get("where", "")}


def _user(user: Mapping[str, Any], host: str) -> Iterator[str]:
    who = f"{user['name']} on {host}"
    if user["failed"]:
        yield f"{who}: {user['msg']}"
        return
    yield from _wrapped(f"{who}: {user['verdict']}", "")
    rest = user["findings"][1:] if user["cause"] else user["findings"]
    if rest:
        yield ""
        yield "Also found:"
    for finding in rest:
        yield from _wrapped(f"{finding['severity']}: {finding['text']} {finding['fix']}", "- ")
    yield ""
    yield from lines(list(_facts(user)), ("what", "is"))[1:]
    if user["variables"]:
        yield ""
        yield from lines(list(_settings(user)), COLUMNS)


def _facts(user: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    client = user["client"]
    known = f"{client['version'] or 'unknown version'}, {client['path']}" if client["path"] else "not found"
    yield {"what": "Claude Code", "is": known}
    for one in user["endpoints"]:
        signal = "events" if one["signal"] == "logs" else one["signal"]
        yield {"what": signal, "is": f"{one['url']} ({one['protocol']}): {one['detail']}, {one['milliseconds']} ms"}
    for source in user["sources"]:
        what = source["layer"] if source["layer"] == "shell" else f"{source['layer']} settings"
        yield {"what": what, "is": source["path"] + (" (broken)" if source["problem"] else "")}


def _settings(user: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    for key in user["variables"]:
        name = key["key"]
        if key["source"]:
            yield {**_row(name, key), "state": "counts"}
        for other in key["shadows"]:
            yield {**_row(name, other), "state": f"ignored: {other['reason']}" if other["reason"] else "hidden"}


def _row(name: str, setting: Mapping[str, Any]) -> dict[str, str]:
    return {
        "variable": name,
        "value": setting["value"] or "(empty)",
        "source": setting["source"],
        "where": setting["where"],
    }


def _wrapped(text: str, bullet: str) -> list[str]:
    return textwrap.wrap(
        bullet + text, WIDTH, subsequent_indent=" " * len(bullet), break_long_words=False, break_on_hyphens=False
    )
