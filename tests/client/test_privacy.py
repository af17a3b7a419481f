# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nothing that a person or a model wrote is kept in strict, wherever one looks; in full it is in one stream only."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from plugins.plugin_utils._pseudonyms import key, pseudonym
from plugins.plugin_utils._secrets_dir import SecretsDir
from tests.client.privacy_runs import CANARIES, CHUNKS, DEVELOPER, NOWHERE, QUEUE, Run, found, run

PROFILES: dict[str, dict[str, Any]] = {
    "strict": {"stack_privacy": "strict"},
    "full": {"stack_privacy": "full"},
    "pseudonyms": {"stack_privacy": "full", "stack_pseudonyms": True},
}
# Where the developer's name must be found, to show that the search sees what is there.
SEARCHED = {"prometheus", "events", QUEUE, "data/prometheus/wal/00000000", "data/loki/wal/00000000"}
# What only content may be in.
OPEN = {"content", QUEUE, "data/loki/wal/00000000", "data/otel-collector/queue/exporter_otlp_http_loki_logs"}


@pytest.fixture(scope="module")
def play(claude: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Run]]:
    """The sessions of a profile, played once."""
    played: dict[str, Run] = {}

    def of(profile: str) -> Run:
        if profile not in played:
            folder = tmp_path_factory.mktemp(profile)
            played[profile] = run(folder, claude, PROFILES[profile] | {"stack_secrets_dir": str(folder / "secrets")})
        return played[profile]

    yield of
    for each in played.values():
        each.stack.stop()


@pytest.mark.parametrize("profile", ["strict", "full"])
def test_the_search_sees_what_is_there(play, profile):
    places = found({"developer": DEVELOPER}, play(profile).everything())["developer"]
    assert places >= SEARCHED
    assert any(place.startswith(CHUNKS) for place in places)


def test_no_content_is_kept_in_strict(play):
    assert found(CANARIES, play("strict").everything()) == {}


def test_content_is_in_a_stream_of_its_own_in_full(play):
    places = found(CANARIES, play("full").everything())
    assert set(places) == set(CANARIES) - NOWHERE
    content = [stream["stream"] for stream in play("full").entries("content")]
    assert {stream["content"] for stream in content} == {"claude-code"}
    assert not any("service_name" in stream for stream in content)
    for name, where in places.items():
        chunks = {place for place in where if place.startswith(CHUNKS)}
        # One chunk, and the other stream has at least one of its own.
        assert len(chunks) == 1, name
        assert where - chunks == OPEN, name


@pytest.mark.parametrize("profile", ["strict", "full"])
def test_everything_is_counted_once(play, profile):
    expected, *stores = play(profile).ledgers()
    for store in stores:
        assert {row: store[row] for row in expected if row in store} == {
            row: count for row, count in expected.items() if row in store
        }
    assert stores[1]["event api_request"] == expected["event api_request"]
    assert stores[0]["cost"] == stores[1]["cost"] == expected["cost"]


@pytest.mark.parametrize("profile", ["strict", "full"])
def test_events_say_what_was_disclosed_and_are_their_names(play, profile):
    entries = play(profile).entries("events")
    said = {
        (entry["stream"]["event_name"], entry["stream"]["disclosed"])
        for entry in entries
        if "disclosed" in entry["stream"]
    }
    assert said == {
        ("user_prompt", "OTEL_LOG_USER_PROMPTS"),
        ("assistant_response", "OTEL_LOG_ASSISTANT_RESPONSES"),
        ("tool_decision", "OTEL_LOG_TOOL_DETAILS"),
        ("tool_result", "OTEL_LOG_TOOL_DETAILS"),
        ("api_request_body", "OTEL_LOG_RAW_API_BODIES"),
        ("api_response_body", "OTEL_LOG_RAW_API_BODIES"),
    }
    for entry in entries:
        stream = entry["stream"]
        line = f"claude_code.{stream['event_name']} {stream['session_id']} {stream['event_sequence']}"
        assert {value[1] for value in entry["values"]} == {line}


@pytest.mark.parametrize("profile", ["strict", "full"])
def test_names_stay(play, profile):
    """The repository, the client's version, the tools."""
    stored = play(profile).everything()
    assert set(found({"repository": "zqrepository", "tool": '"tool_name":"Bash"'}, stored)) == {"repository", "tool"}
    assert "prometheus" in found({"repository": "zqrepository"}, stored)["repository"]


def test_a_person_is_one_pseudonym_everywhere(play):
    """In both signals, of both protocols, in the content too. The repository's owner may be a person."""
    played = play("pseudonyms")
    stored = played.everything()
    assert found({"developer": DEVELOPER, "account": CANARIES["account"], "owner": "zqowner"}, stored) == {}
    secret = key(SecretsDir(str(played.stack.folder.parent / "secrets")))
    assert found({"key": secret}, stored) == {}
    places = found({"developer": pseudonym(secret, DEVELOPER)}, stored)["developer"]
    assert places >= SEARCHED | {"content"}
    for name in ("events", "content"):
        assert {entry["stream"]["developer"] for entry in played.entries(name)} == {pseudonym(secret, DEVELOPER)}
    for role in ("otel_collector", "prometheus", "loki"):
        texts = played.files("config", role)
        assert {name for name in texts if secret.encode() in texts[name]} <= {"config/otel_collector/pseudonyms.yaml"}
