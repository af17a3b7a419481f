# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import urllib.error
import urllib.request

import pytest

from tests.tools.model_api import Call, Fail, ModelApi, Say, Usage

KEY = "sk-test"


@pytest.fixture
def api():
    server = ModelApi()
    yield server
    server.close()


def post(api, key=KEY, model="claude-sonnet-4-5-20250929"):
    """The events of one streamed answer."""
    call = urllib.request.Request(
        f"{api.url}/v1/messages?beta=true", data=json.dumps({"model": model}).encode(), headers={"x-api-key": key}
    )
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(call) as answer:
        text = answer.read().decode()
    return [json.loads(line.removeprefix("data: ")) for line in text.splitlines() if line.startswith("data: ")]


def test_an_answer_carries_its_usage_and_is_booked(api):
    account = api.script(KEY, Say("hello", Usage(input=3, output=5, cache_read=7, cache_5m=11, cache_1h=13)))
    events = post(api)
    assert events[0]["type"] == "message_start"
    assert events[-1]["type"] == "message_stop"
    assert events[0]["message"]["usage"]["cache_creation_input_tokens"] == 24
    delta = next(event for event in events if event["type"] == "message_delta")
    assert delta["usage"]["output_tokens"] == 5
    assert account.ledger == {
        "tokens input": 3,
        "tokens output": 5,
        "tokens cacheRead": 7,
        "tokens cacheCreation": 24,
        "cost": 3 * 3000 + 5 * 15000 + 7 * 300 + 11 * 3750 + 13 * 6000,
    }


def test_a_tool_call_stops_for_the_tool(api):
    api.script(KEY, Call("Read", {"file_path": "/x"}, Usage(input=1)))
    events = post(api)
    block = next(event for event in events if event["type"] == "content_block_start")["content_block"]
    assert (block["type"], block["name"]) == ("tool_use", "Read")
    assert next(event for event in events if event["type"] == "message_delta")["delta"]["stop_reason"] == "tool_use"


def test_a_failure_is_not_booked(api):
    account = api.script(KEY, Fail(529), Say("hello", Usage(input=1)))
    with pytest.raises(urllib.error.HTTPError, match="529"):
        post(api)
    assert (account.failures, account.answers, account.ledger) == (1, 0, {})
    post(api)
    assert account.ledger["tokens input"] == 1


def test_each_key_has_a_script_and_a_ledger_of_its_own(api):
    first, second = api.script("a", Say("1", Usage(input=1))), api.script("b", Say("2", Usage(input=20)))
    post(api, "b")
    assert (first.answers, second.ledger["tokens input"]) == (0, 20)


def test_a_request_beyond_the_script_is_remembered(api):
    account = api.script(KEY)
    with pytest.raises(urllib.error.HTTPError, match="400"):
        post(api)
    assert account.unscripted == ["/v1/messages?beta=true claude-sonnet-4-5-20250929"]
