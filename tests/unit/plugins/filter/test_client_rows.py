# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

from ansible_collections.claude_code.observability.plugins.filter.client_rows import client_rows
from ansible_collections.claude_code.observability.plugins.plugin_utils._pseudonyms import pseudonym

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
MANAGED = "/etc/claude-code/managed-settings.json:3"


def client(*users: dict[str, Any], **more: Any) -> dict[str, Any]:
    written = [{"changed": False, "failed": False, **user} for user in users]
    about = {"revision": "new", "developer": "{user}", "variables": [ENDPOINT]}
    return {"host": "laptop", "answer": {"users": written, "changed": False}, **about, **more}


def looked(name: str, source: str = "user", cause: str = "") -> dict[str, Any]:
    key = {"key": ENDPOINT, "source": source, "where": MANAGED if source == "managed" else "settings.json:7"}
    return {"users": [{"name": name, "failed": False, "cause": cause, "verdict": "the verdict", "variables": [key]}]}


def seen(developer: str, revision: str = "new") -> dict[str, str]:
    return {"developer": developer, "settings_revision": revision}


def test_each_user_of_a_host_is_a_row_of_their_own() -> None:
    ada, grace = {"name": "ada"}, {"name": "grace", "changed": True, "keys_added": ["A"], "keys_removed": ["B"]}
    rows = client_rows([client(ada, grace)], [seen("ada"), seen("grace")])
    assert [(row["user"], row["result"], row["detail"]) for row in rows] == [
        ("grace", "not written", "would be set: A, B"),
        ("ada", "arrived", ""),
    ]


def test_the_attributes_of_a_user_say_who_they_are() -> None:
    rows = client_rows([client({"name": "bob"}, attributes={"bob": {"developer": "robert"}})], [seen("robert")])
    assert (rows[0]["developer"], rows[0]["result"]) == ("robert", "arrived")


def test_who_logs_in_arrives_as_the_sender() -> None:
    both = client({"name": "ada"}, {"name": "bob"}, senders={"ada": "ada", "bob": "robert"})
    alone = client({"name": "grace"}, senders={"": "laptop"})
    everybody = client(scope="managed", senders={"": "ci"})
    rows = client_rows([both, alone, everybody], [seen("ada"), seen("bob"), seen("laptop"), seen("ci")])
    assert [(row["user"], row["developer"], row["result"]) for row in rows] == [
        ("bob", "robert", "silent"),
        ("ada", "ada", "arrived"),
        ("grace", "laptop", "arrived"),
        ("(all)", "ci", "arrived"),
    ]


def test_whoever_holds_the_key_finds_people_behind_their_pseudonyms() -> None:
    rows = client_rows([client({"name": "ada"}, {"name": "bob"})], [seen(pseudonym("key", "ada"))], pseudonym_key="key")
    assert [(row["developer"], row["result"]) for row in rows] == [("bob", "silent"), ("ada", "arrived")]


def test_settings_that_others_override_are_not_effective() -> None:
    rows = client_rows([client({"name": "ada"}, closer=looked("ada", "managed"))], [])
    assert (rows[0]["effective"], rows[0]["result"]) == ("no", "silent")
    assert rows[0]["detail"] == f"{ENDPOINT} comes from {MANAGED}"


def test_the_cause_of_silence_goes_first() -> None:
    for source, effective in (("managed", "no"), ("user", "yes")):
        row = client_rows([client({"name": "ada"}, closer=looked("ada", source, "refused"))], [])[0]
        assert (row["effective"], row["detail"]) == (effective, "the verdict")


def test_managed_settings_are_one_row_for_everybody() -> None:
    managed = client(scope="managed", developer="ada", closer=looked("grace", "managed"))
    assert [row["user"] for row in client_rows([managed], [])] == ["(all)"]
    assert client_rows([managed], [])[0]["effective"] == "yes"
    assert client_rows([managed], [seen("ada")])[0]["result"] == "arrived"
    managed["answer"]["changed"] = True
    assert client_rows([managed], [seen("ada")])[0]["result"] == "not written"


def test_a_laptop_that_is_away_is_no_failure() -> None:
    row = client_rows([client(answer={"unreachable": True, "msg": "Task failed: timed out"})], [])[0]
    assert (row["result"], row["detail"]) == ("unreachable", "timed out")


def test_variables_that_are_refused_are_a_row() -> None:
    row = client_rows([client(answer={"failed": True, "msg": "OTEL_LOGS_EXPORTER is foo"})], [])[0]
    assert (row["result"], row["detail"]) == ("not written", "OTEL_LOGS_EXPORTER is foo")
