# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.claude_code.observability.plugins.module_utils import _doctor_sources as sources

NAME = "OTEL_METRICS_EXPORTER"


@pytest.mark.parametrize(
    ("line", "value"),
    [
        (f"export {NAME}=otlp", "otlp"),
        (f"  export {NAME}='otlp'  # mine", "otlp"),
        (f'{NAME}="otlp"; export {NAME}', "otlp"),
        (f"export FOO=1 {NAME}=otlp", "otlp"),
        (f"if true; then export {NAME}=otlp; fi", "otlp"),
        (f"test -f x && export {NAME}=otlp", "otlp"),
        (f"export {NAME}=", ""),
        (f"export {NAME}=~/x", "/home/ada/x"),
        (f"export {NAME}=$HOME/x", "/home/ada/x"),
        (f"{NAME}=otlp", None),
        (f"# export {NAME}=otlp", None),
        (f"echo 'export {NAME}=otlp'", None),
        (f"export {NAME}", None),
        (f"export '{NAME}=otlp", None),
    ],
)
def test_a_line_of_shell(line: str, value: str | None) -> None:
    found = sources.assignments(f"# first\n{line}\n", "/home/ada/.bashrc", "/home/ada")
    expected = {} if value is None else {NAME: sources.Setting(value, "/home/ada/.bashrc:2")}
    assert found == expected


def test_the_last_assignment_counts() -> None:
    text = f"export {NAME}=otlp\n{NAME}=none\n"
    assert sources.assignments(text, "f", "/")[NAME] == sources.Setting("none", "f:2")


@pytest.mark.parametrize("value", ["$(cat endpoint)", "`cat endpoint`", "$COLLECTOR:4317"])
def test_what_the_shell_computes_is_not_taken_for_a_value(value: str) -> None:
    assert sources.assignments(f'export {NAME}="{value}"', "f", "/")[NAME].computed


def test_etc_environment_needs_no_export() -> None:
    assert sources.assignments(f'{NAME}="otlp"', "/etc/environment", "/")[NAME].value == "otlp"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{\n  "env": {},\n}', ":2:12: there is a comma before }, which JSON does not allow"),
        ("[]", ":1:1: the top level is not an object"),
        ('{"env": []}', ":1:2: env is no object"),
        ('{\n "model": 5}', ":2:2: model is no string"),
        ('{"cleanupPeriodDays": "x"}', ":1:2: cleanupPeriodDays is no number"),
        ('{"includeCoAuthoredBy": 1}', ":1:2: includeCoAuthoredBy is no truth value"),
    ],
)
def test_a_file_the_client_ignores(text: str, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    path.write_text(text)
    found = sources.read_settings(sources.USER, str(path))
    assert found is not None and found.problem == f"{path}{problem}"


def test_a_managed_file_loses_only_the_wrong_key(tmp_path: Path) -> None:
    path = tmp_path / "managed-settings.json"
    path.write_text(f'{{"model": 5, "env": {{"{NAME}": "otlp"}}}}')
    found = sources.read_settings(sources.MANAGED, str(path))
    assert found == sources.Source(sources.MANAGED, str(path), {NAME: sources.Setting("otlp", f"{path}:1")})


def test_values_are_taken_as_strings(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    path.write_bytes(
        b"\xef\xbb\xbf"
        + b'{"env": {"OTEL_A": 1, "OTEL_B": true, "OTEL_C": null,\n"OTEL_D": "x", "OTEL_D": "y", "PATH": "z"}}'
    )
    found = sources.read_settings(sources.USER, str(path))
    assert found is not None
    values = {name: (one.value, one.where) for name, one in found.env.items()}
    assert values == {"OTEL_A": ("1", f"{path}:1"), "OTEL_B": ("true", f"{path}:1"), "OTEL_D": ("y", f"{path}:2")}


def test_a_pipe_in_a_home_holds_nobody_up(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    os.mkfifo(path)
    found = sources.read_settings(sources.USER, str(path))
    assert found is not None and "not a regular file" in found.problem


def test_no_file_is_no_source(tmp_path: Path) -> None:
    assert sources.read_settings(sources.USER, str(tmp_path / "settings.json")) is None
