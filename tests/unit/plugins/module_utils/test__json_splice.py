# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.claude_code.observability.plugins.module_utils._json_splice import (
    JsonError,
    edit_object,
    find_object,
    json_string,
    line_column,
    read_document,
    remove_key,
)

A = {"A": '"1"'}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", '{\n  "env": {\n    "A": "1"\n  }\n}\n'),
        ("\r\n", '{\r\n  "env": {\r\n    "A": "1"\r\n  }\r\n}\r\n'),
        ("{}", '{\n  "env": {\n    "A": "1"\n  }\n}'),
        ("{ }\n", '{\n  "env": {\n    "A": "1"\n  }\n}\n'),
        ('{"m":1}', '{"m":1,"env":{"A":"1"}}'),
        ('{"m": 1}', '{"m": 1, "env": {"A": "1"}}'),
        ('{ "m": 1 }', '{ "m": 1, "env": {"A": "1"} }'),
        ('{\n\t"m": 1\n}', '{\n\t"m": 1,\n\t"env": {\n\t\t"A": "1"\n\t}\n}'),
        ('{\r\n    "m" : [\r\n]\r\n}', '{\r\n    "m" : [\r\n],\r\n    "env" : {\r\n        "A" : "1"\r\n    }\r\n}'),
        ('{"m":1,"env":{}}', '{"m":1,"env":{"A":"1"}}'),
        ('{\n  "env": {}\n}', '{\n  "env": {\n    "A": "1"\n  }\n}'),
        ('{\n  "env": {"B": "2"}\n}', '{\n  "env": {"B": "2", "A": "1"}\n}'),
        ('{\n  "env": {\n\n    "B": 2\n  }, "z": 0\n}', '{\n  "env": {\n\n    "B": 2,\n    "A": "1"\n  }, "z": 0\n}'),
        ('{"env":{"B":2, "C":3}}', '{"env":{"B":2, "C":3, "A":"1"}}'),
        ('{"env":{"A" :  1 , "C":3}}', '{"env":{"A" :  "1" , "C":3}}'),
        ('{"\\u0065nv":{"\\u0041":null}}', '{"\\u0065nv":{"\\u0041":"1"}}'),
        ('{"env":{"B":2},"n":{"env":{"A":0}}}', '{"env":{"B":2,"A":"1"},"n":{"env":{"A":0}}}'),
    ],
)
def test_setting_a_member_keeps_everything_else(before: str, after: str) -> None:
    assert edit_object(before, "env", A) == after


@pytest.mark.parametrize(
    "text",
    [
        '{"m":1}',
        '{\n  "env": {\n    "B": 2\n  }\n}\n',
        '{"env": {"B": 2, "C": 3}}',
        '{"env":\n{ "B" : 2\n}}',
        '{"env":{}}',
    ],
)
def test_taking_a_member_out_is_the_reverse_of_setting_it(text: str) -> None:
    changed = edit_object(text, "env", A)
    back = edit_object(changed, "env", {"A": None})
    if find_object(text, "env") is None:
        back = remove_key(back, "env")
    assert back == text


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('{"env":{"A":1,"B":2}}', '{"env":{"B":2}}'),
        ('{"env":{ "B":2 , "A":1 }}', '{"env":{ "B":2 }}'),
        ('{"env":{"B":2}}', '{"env":{"B":2}}'),
        ('{"env": {\n "A":1\n}}', '{"env": {}}'),
    ],
)
def test_taking_a_member_out(before: str, after: str) -> None:
    assert edit_object(before, "env", {"A": None}) == after


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ('{\n  "a": 1,\n}', (2, 9), "a comma before }"),
        ('{"a": [1,]}', (1, 9), "a comma before ]"),
        ('{\n  // note\n  "a": 1\n}', (2, 3), "a comment"),
        ('{"a": 1 /* x */}', (1, 9), "a comment"),
        ('{"a": ', (1, 7), "the text ends where a value should stand"),
        ('{"a": "b', (1, 7), "unterminated string"),
        ('{"a": 1', (1, 8), "the text ends where a comma or } should stand"),
        ("[]", (1, 1), "the top level is not an object"),
        ('\n "x"', (2, 2), "the top level is not an object"),
        ("{} {}", (1, 4), "more text after the end"),
        ('{"a": NaN}', (1, 7), 'expected a value, found "NaN"'),
        ('{"a": Infinity}', (1, 7), 'expected a value, found "Infinity"'),
        ('{"a": 01}', (1, 8), 'expected a comma or }, found "1"'),
        ('{"a": 1.}', (1, 8), "expected a comma"),
        ('{"a": +1}', (1, 7), "expected a value"),
        ('{"a": .5}', (1, 7), "expected a value"),
        ('{"a" 1}', (1, 6), "expected a colon"),
        ("{'a': 1}", (1, 2), "expected a string in double quotes"),
        ("{a: 1}", (1, 2), "expected a string in double quotes"),
        ('{"a": "\t"}', (1, 8), "invalid control character"),
        ('{"a": "\\x"}', (1, 8), "invalid \\escape"),
        ('{"a":\u00a01}', (1, 6), "expected a value"),
        ('{"a": {"b": }}', (1, 13), "expected a value"),
        ('{"a": [1 2]}', (1, 10), "expected a comma or ]"),
        ('{"a": [}', (1, 8), "expected a value"),
        ('{"a": {"b"]}', (1, 11), "expected a colon"),
        ('{"env": []}', (1, 9), 'the value of "env" is not an object'),
        ('{"env": null}', (1, 9), 'the value of "env" is not an object'),
        ('{"env": {},\r\n "\\u0065nv": {}}', (2, 2), 'the key "env" stands here a second time'),
    ],
)
def test_broken_text_is_refused_with_its_place(text: str, place: tuple[int, int], message: str) -> None:
    with pytest.raises(JsonError) as error:
        edit_object(text, "env", A)
    assert message in error.value.message
    assert line_column(text, error.value.position) == place


@pytest.mark.parametrize("value", ["1e400", "-0", "9" * 5000, "1.0E+2", '"\\ud800"', '"\U0001f600"', '"\x7f\u2028"'])
def test_values_python_would_not_bring_back_are_kept(value: str) -> None:
    text = f'{{"a": {value}, "env": {{"B": {value}}}}}'
    assert edit_object(text, "env", A) == f'{{"a": {value}, "env": {{"B": {value}, "A": "1"}}}}'


def test_depth_is_no_limit() -> None:
    deep = "[" * 100_000 + "]" * 100_000
    assert edit_object(f'{{"a":{deep}}}', "env", A) == f'{{"a":{deep},"env":{{"A":"1"}}}}'


def test_five_megabytes() -> None:
    body = ",".join(f'"k{part}": [{",".join([chr(34) + "x" * 100 + chr(34)] * 5000)}]' for part in range(10))
    text = f'{{"env": {{}}, {body}}}'
    assert len(text) > 5_000_000
    assert edit_object(text, "env", A) == f'{{"env": {{"A": "1"}}, {body}}}'


@pytest.mark.parametrize(
    ("position", "place"), [(0, (1, 1)), (1, (1, 2)), (3, (2, 1)), (5, (3, 1)), (6, (4, 1)), (7, (4, 2))]
)
def test_lines_end_with_crlf_lf_or_cr(position: int, place: tuple[int, int]) -> None:
    assert line_column("a\r\nb\n\rc", position) == place


def test_a_blank_text_has_no_object() -> None:
    assert read_document(" \r\n\t") is None


@pytest.mark.parametrize(
    ("value", "raw"), [("é", '"é"'), ("\ud800", '"\\ud800"'), ('"\\', '"\\"\\\\"'), ("\n", '"\\n"')]
)
def test_strings_are_written_readably(value: str, raw: str) -> None:
    assert json_string(value) == raw
