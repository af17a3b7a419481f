# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.claude_code.observability.plugins.module_utils._settings_plan import (
    Plan,
    PlanError,
    Record,
    Wanted,
    dump_record,
    load_record,
    make_plan,
)

PATH = "/home/a/.claude/settings.json"
NOTHING = Wanted()
ONE = Wanted({"A": "1"})
TWO = Wanted({"A": "2", "B": "2"})


def plan(data: bytes | None, wanted: Wanted, record: Record | None = None) -> Plan:
    """A plan, its record gone through its file as in real use."""
    made = make_plan(PATH, data, record, wanted)
    if made.record is not None:
        assert load_record("r", dump_record(made.record)) == made.record
    return made


def env(data: bytes | None) -> dict[str, Any]:
    return json.loads((data or b"").decode("utf-8-sig"))["env"]


@pytest.mark.parametrize(
    "data",
    [
        None,
        b"",
        b"\n\n",
        b"{}",
        b"{ }\n",
        b'{"env":{}}',
        b'{\n  "env": {\n  }\n}',
        b'\xef\xbb\xbf{\r\n\t"model": "opus",\r\n\t"env": { "A" : 0, "Z": [1] }\r\n}\r\n',
        b"\xef\xbb\xbf",
        b"\xff\xfe" + '{"model": "é"}'.encode("utf-16-le"),
        b'{"env": {"A": "\\u0030"}, "big": 1e400}',
        b'{"env": {"OTEL_RESOURCE_ATTRIBUTES": " x = 1 ,developer=old"}}',
    ],
)
def test_absent_brings_the_bytes_back(data: bytes | None) -> None:
    wanted = Wanted({"A": "1", "B": "2"}, {"developer": "alice"})
    done = plan(data, wanted)
    assert done.changed and done.after != data
    again = plan(done.after, wanted, done.record)
    assert not again.changed
    other = plan(done.after, Wanted({"C": "3"}), done.record)
    assert other.changed
    back = plan(other.after, NOTHING, other.record)
    assert (back.after, back.record, back.kept) == (data, None, ())


def test_a_file_that_holds_the_values_is_left_alone() -> None:
    data = b'{"env": {"A": "1", "OTEL_RESOURCE_ATTRIBUTES": "x=1, developer = alice"}}'
    done = plan(data, Wanted({"A": "1"}, {"developer": "alice"}))
    assert (done.changed, done.record, done.changes) == (False, None, ())


@pytest.mark.parametrize("value", [b"1", b"true", b"null", b'["1"]', b'{"1": 1}'])
def test_types_are_strict(value: bytes) -> None:
    data = b'{"env": {"A": ' + value + b"}}"
    done = plan(data, ONE)
    assert done.after == b'{"env": {"A": "1"}}'
    assert plan(done.after, NOTHING, done.record).after == data


def test_a_variable_no_longer_wanted_goes_back() -> None:
    first = plan(b'{"env": {"B": "user"}}', TWO)
    second = plan(first.after, ONE, first.record)
    assert env(second.after) == {"B": "user", "A": "1"}
    assert second.record is not None and list(second.record.values) == ["A"]


def rewritten(data: bytes | None, **changes: str) -> bytes:
    """The file as the client writes it after a /config command."""
    body = json.loads((data or b"{}").decode())
    body["theme"] = "dark"
    body["env"].update(changes)
    return json.dumps(body, indent=2).encode()


def test_after_somebody_elses_write_only_our_values_go_back() -> None:
    first = plan(b'{"env":{"A":"user","K":"k"}}', TWO)
    back = plan(rewritten(first.after), NOTHING, first.record)
    assert json.loads(back.after or b"") == {"env": {"A": "user", "K": "k"}, "theme": "dark"}
    assert (back.record, back.kept) == (None, ())


def test_a_value_changed_since_is_left_and_reported() -> None:
    first = plan(b"{}", TWO)
    back = plan(rewritten(first.after, A="mine"), NOTHING, first.record)
    assert (env(back.after), back.kept) == ({"A": "mine"}, ("A",))


def test_a_value_changed_since_is_what_absent_brings_back_after_another_present() -> None:
    first = plan(b"{}", TWO)
    second = plan(rewritten(first.after, A="mine"), TWO, first.record)
    assert env(second.after) == {"A": "2", "B": "2"}
    back = plan(second.after, NOTHING, second.record)
    assert env(back.after) == {"A": "mine"}


def test_an_env_and_a_file_of_ours_go_when_nothing_else_is_in_them() -> None:
    first = plan(None, ONE)
    reformatted = json.dumps(json.loads(first.after or b"")).encode()
    assert plan(reformatted, NOTHING, first.record).after is None
    with_env = plan(b'{"m": 1}', ONE)
    assert plan(rewritten(with_env.after), NOTHING, with_env.record).after == b'{\n  "m": 1,\n  "theme": "dark"\n}'


def test_a_foreign_write_that_keeps_our_values_needs_no_write() -> None:
    first = plan(b'{"m": 1}', TWO)
    assert not plan(rewritten(first.after), TWO, first.record).changed


def test_a_file_put_back_by_hand_is_a_new_beginning() -> None:
    first = plan(b'{"m": 1}', ONE)
    second = plan(b'{"n": 2}', ONE, first.record)
    assert plan(second.after, NOTHING, second.record).after == b'{"n": 2}'


def test_user_items_survive_whatever_the_user_does_meanwhile() -> None:
    first = plan(
        b'{"env": {"OTEL_RESOURCE_ATTRIBUTES": "x=1,team=old"}}', Wanted({}, {"team": "new", "developer": "d"})
    )
    assert env(first.after) == {"OTEL_RESOURCE_ATTRIBUTES": "x=1,team=new,developer=d"}
    edited = (first.after or b"").replace(b"x=1", b"x=2,y=3")
    second = plan(edited, Wanted({}, {"team": "newer"}), first.record)
    assert env(second.after) == {"OTEL_RESOURCE_ATTRIBUTES": "x=2,y=3,team=newer"}
    back = plan((second.after or b"").replace(b"y=3", b"y=4"), NOTHING, second.record)
    assert env(back.after) == {"OTEL_RESOURCE_ATTRIBUTES": "x=2,y=4,team=old"}


def test_both_states_around_a_write_are_known_to_the_record_written_before_it() -> None:
    first = plan(b'{"env": { }}', TWO)
    second = plan(first.after, Wanted({"A": "3"}), first.record)
    assert first.record is not None and second.record is not None
    both = first.record.joined(second.record)
    for data in (first.after, second.after):
        again = plan(data, Wanted({"A": "3"}), both)
        assert again.after == second.after
        assert plan(data, NOTHING, both).after == b'{"env": { }}'
        assert plan(rewritten(data), NOTHING, both).kept == ()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b'{\n  "env": {"A": 1,}\n}', ":2:17: there is a comma before }"),
        (b'{"env": {"A": 1, "A": 2}}', ':1:18: the key "A" stands here a second time'),
        (b'{"env": {}, "env": {}}', ':1:13: the key "env" stands here a second time'),
        (b'{"env": "x"}', ':1:9: the value of "env" is not an object'),
        (b"[]", ":1:1: the top level is not an object"),
        (b'{"a": "\xff"}', ":1:8: these bytes are not UTF-8 text"),
        (b'\xff\xfe{\x00"', ":1:2: these bytes are not UTF-16-LE text"),
        (b'{"env": {"OTEL_RESOURCE_ATTRIBUTES": 5}}', ":1:10: OTEL_RESOURCE_ATTRIBUTES is 5, not a string"),
    ],
)
def test_what_can_not_be_edited_is_refused_with_its_place(data: bytes, message: str) -> None:
    with pytest.raises(PlanError) as error:
        plan(data, Wanted({"A": "1"}, {"developer": "d"}))
    assert str(error.value).startswith(PATH + message)


def test_duplicates_off_our_path_are_not_our_business() -> None:
    data = b'{"x": 1, "x": 2, "env": {"Z": 1, "Z": 2}}'
    assert plan(data, ONE).after == b'{"x": 1, "x": 2, "env": {"Z": 1, "Z": 2, "A": "1"}}'


def test_absent_without_a_record_does_not_even_read_the_file() -> None:
    assert not plan(b"broken {", NOTHING).changed


def test_an_unreadable_record_is_refused() -> None:
    first = plan(b"{}", ONE)
    assert first.record is not None
    whole = dump_record(first.record)
    mangled = whole.replace(b'"start": ', b'"start": "x", "was": ')
    for data in (b"", b"{}", b"[]", b'{"version": 2}', b"\xff", whole.replace(b"null", b"7"), mangled):
        with pytest.raises(PlanError, match="r: this record"):
            load_record("r", data)


URL = "http://collector:4317"
SENDS = Wanted({"OTEL_EXPORTER_OTLP_ENDPOINT": URL}, refuse_foreign_endpoint=True)
SENDS_ELSEWHERE = Wanted({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://new:4317"}, refuse_foreign_endpoint=True)


@pytest.mark.parametrize("key", ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"])
def test_a_foreign_endpoint_is_refused(key: str) -> None:
    data = f'{{"env": {{"{key}": "https://me:pw@other"}}}}'.encode()
    with pytest.raises(PlanError) as error:
        plan(data, SENDS)
    assert f':1:10: {key} is "https://***@other"' in str(error.value)


def test_our_own_endpoint_is_no_conflict() -> None:
    same = plan(f'{{"env": {{"OTEL_EXPORTER_OTLP_ENDPOINT": "{URL}"}}}}'.encode(), SENDS)
    assert not same.changed
    first = plan(b"{}", SENDS)
    assert plan(rewritten(first.after), SENDS_ELSEWHERE, first.record).changed


def test_an_endpoint_of_one_signal_is_warned_about() -> None:
    data = b'{"env": {"OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": "http://x"}}'
    done = plan(data, Wanted({"OTEL_EXPORTER_OTLP_ENDPOINT": URL}))
    assert done.changed and "beats OTEL_EXPORTER_OTLP_ENDPOINT" in done.warnings[0]


IF_ABSENT = Wanted({"A": "1", "B": "2"}, if_absent=frozenset(["A", "B"]))


def test_what_somebody_else_set_is_left_and_only_the_rest_is_ours() -> None:
    before = b'{"env": {"A": "user"}}'
    done = plan(before, IF_ABSENT)
    assert (env(done.after), done.left) == ({"A": "user", "B": "2"}, ("A",))
    again = plan(done.after, IF_ABSENT, done.record)
    assert (again.changed, again.left) == (False, ("A",))
    assert plan(done.after, NOTHING, done.record).after == before


def test_a_value_of_ours_follows_until_somebody_sets_another() -> None:
    first = plan(b"{}", IF_ABSENT)
    second = plan(first.after, Wanted({"A": "9", "B": "2"}, if_absent=frozenset(["A"])), first.record)
    assert (env(second.after), second.left) == ({"A": "9", "B": "2"}, ())
    third = plan(rewritten(second.after, A="mine"), IF_ABSENT, second.record)
    assert (env(third.after), third.left, third.kept) == ({"A": "mine", "B": "2"}, ("A",), ())
    assert env(plan(third.after, NOTHING, third.record).after) == {"A": "mine"}


def test_the_policy_may_change_either_way() -> None:
    before = b'{"env": {"A": "user"}}'
    enforced = plan(before, Wanted({"A": "1", "B": "2"}))
    assert env(enforced.after) == {"A": "1", "B": "2"}
    yielded = plan(enforced.after, IF_ABSENT, enforced.record)
    assert (env(yielded.after), yielded.left) == ({"A": "user", "B": "2"}, ("A",))
    again = plan(yielded.after, Wanted({"A": "1", "B": "2"}), yielded.record)
    assert env(again.after) == {"A": "1", "B": "2"}
    assert plan(again.after, NOTHING, again.record).after == before


def test_an_equal_value_is_not_reported_as_left() -> None:
    assert plan(b'{"env": {"A": "1"}}', IF_ABSENT).left == ()


def test_items_of_the_user_are_left_one_by_one() -> None:
    before = b'{"env": {"OTEL_RESOURCE_ATTRIBUTES": "team=mine,x=1"}}'
    wanted = Wanted({}, {"team": "ours", "developer": "d"}, if_absent=frozenset(["OTEL_RESOURCE_ATTRIBUTES"]))
    done = plan(before, wanted)
    assert env(done.after) == {"OTEL_RESOURCE_ATTRIBUTES": "team=mine,x=1,developer=d"}
    assert done.left == ("OTEL_RESOURCE_ATTRIBUTES",)
    assert not plan(done.after, wanted, done.record).changed
    assert plan(done.after, NOTHING, done.record).after == before


def test_an_endpoint_that_may_stay_is_no_conflict() -> None:
    before = b'{"env": {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://theirs"}}'
    endpoint = "OTEL_EXPORTER_OTLP_ENDPOINT"
    wanted = Wanted({endpoint: "http://ours"}, refuse_foreign_endpoint=True, if_absent=frozenset([endpoint]))
    done = plan(before, wanted)
    assert (done.changed, done.left) == (False, (endpoint,))
