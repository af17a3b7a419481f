# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every form says the same, to the letter, and bad values write nothing."""

from __future__ import annotations

import base64
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from mdm_files import (
    DROP_IN,
    ENDPOINT,
    NAME,
    contents,
    drop_in,
    here_string,
    play,
    preferences,
    profile,
    registry,
    said,
    variables,
)

KEY = "HKEY_LOCAL_MACHINE\\SOFTWARE\\Policies\\ClaudeCode"


@pytest.fixture(scope="module")
def expected(written: Path, given: dict[str, Any]) -> dict[str, Any]:
    settings = drop_in(written / "linux" / DROP_IN)
    env = settings["env"]
    attributes = dict(item.split("=") for item in env["OTEL_RESOURCE_ATTRIBUTES"].split(","))
    assert env["OTEL_EXPORTER_OTLP_ENDPOINT"] == given["claude_settings_endpoint"]
    assert (env["HARD"], env["NUMBER"]) == (given["claude_settings_env"]["HARD"], "7")
    assert (attributes["team"], attributes["site"], "developer" in attributes) == ("platform", "paris", False)
    return settings


@pytest.mark.parametrize("platform", ["macos", "windows", "containers"])
def test_drop_ins_are_equal(written: Path, expected: dict[str, Any], platform: str) -> None:
    assert drop_in(written / platform / DROP_IN) == expected


def test_profile_holds_the_settings(written: Path, expected: dict[str, Any]) -> None:
    assert preferences(written / "macos" / f"{NAME}.mobileconfig") == expected


def test_registry_file_holds_the_settings(written: Path, expected: dict[str, Any]) -> None:
    values = registry(written / "windows" / f"{NAME}.reg")
    assert list(values) == [(KEY, "Settings")]
    assert json.loads(values[KEY, "Settings"] or "") == expected
    assert registry(written / "windows" / f"remove-{NAME}.reg") == {(KEY, "Settings"): None}


def test_powershell_script_holds_the_settings(written: Path, expected: dict[str, Any]) -> None:
    assert json.loads(here_string(written / "windows" / f"{NAME}.ps1")) == expected


def test_file_of_variables_holds_the_settings(written: Path, expected: dict[str, Any]) -> None:
    assert variables(written / "containers" / f"{NAME}.env") == expected["env"]


def test_shell_scripts_are_clean(written: Path) -> None:
    scripts = sorted(str(path) for path in written.rglob("*.sh"))
    assert len(scripts) == 4
    subprocess.run(["shellcheck", *scripts], check=True)


def test_second_run_changes_nothing_and_check_mode_writes_nothing(written: Path, given: dict[str, Any]) -> None:
    before = contents(written)
    assert {mode for mode, _content in before.values()} == {0o644, 0o755}
    assert "changed=0" in said(play(written, given))
    assert contents(written) == before
    checked = play(written, {**given, "claude_settings_team": "mobile"}, "--check", "--diff")
    assert checked.returncode == 0 and "changed=1 " in said(checked)
    assert re.search(r"^\+OTEL_RESOURCE_ATTRIBUTES=.*team=mobile", checked.stdout, re.MULTILINE)
    assert contents(written) == before


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ({"claude_settings_env": {"OTEL_METRICS_EXPORTER": "otel"}}, "OTEL_METRICS_EXPORTER is otel"),
        ({"claude_settings_credential": "hush"}, "claude_settings_allow_readable_secrets"),
        ({"claude_settings_endpoint": ""}, "Set claude_settings_endpoint to the collector's URL"),
    ],
)
def test_bad_values_write_nothing(tmp_path: Path, bad: dict[str, Any], reason: str) -> None:
    played = play(tmp_path / "files", {"claude_settings_endpoint": ENDPOINT, **bad})
    assert played.returncode != 0
    assert reason in said(played) and "hush" not in said(played)
    assert not (tmp_path / "files").exists()


@pytest.fixture
def guarded(tmp_path: Path) -> Path:
    """An inventory whose collector asks for tokens, with a certificate of the stack's own authority."""
    inventory = tmp_path / "guarded.json"
    centre = {"stack_listen_address": "0.0.0.0", "ansible_host": "collector.example.com"}
    inventory.write_text(
        json.dumps({"mdm": {"hosts": {"all-laptops": {}}}, "otel_collector": {"hosts": {"centre": centre}}})
    )
    return inventory


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({}, "every user of the host can read the credential in managed settings"),
        ({"claude_settings_allow_readable_secrets": "true"}, "A private authority signed the collector's certificate"),
    ],
)
def test_what_a_guarded_collector_needs_is_refused(
    tmp_path: Path, guarded: Path, given: dict[str, Any], reason: str
) -> None:
    played = play(tmp_path / "files", given, inventory=guarded)
    assert played.returncode != 0 and reason in said(played), said(played)
    assert not (tmp_path / "files").exists()


def test_the_credential_of_a_set_goes_into_its_files(tmp_path: Path, guarded: Path) -> None:
    trusted = {"claude_settings_env": {"NODE_EXTRA_CA_CERTS": "/etc/example/both.pem"}}
    given = {"claude_settings_allow_readable_secrets": "true", **trusted}
    played = play(tmp_path / "files", given, inventory=guarded)
    assert played.returncode == 0, said(played)
    folder = tmp_path / "files" / "all-laptops"
    env = drop_in(folder / "linux" / DROP_IN)["env"]
    kind, encoded = env["OTEL_EXPORTER_OTLP_HEADERS"].rsplit(" ", 1)
    login = base64.b64decode(encoded).decode().partition(":")[0]
    assert (kind, login, env["NODE_EXTRA_CA_CERTS"]) == ("Authorization=Basic", "all-laptops", "/etc/example/both.pem")
    assert encoded not in said(played)
    assert {mode for mode, _content in contents(folder).values()} == {0o600}


def test_each_name_of_the_group_has_a_folder_and_a_credential_stays_with_its_owner(tmp_path: Path) -> None:
    inventory = tmp_path / "fleet.yml"
    teams = {team: {"claude_settings_team": team} for team in ("payments", "mobile")}
    common = {"claude_settings_endpoint": ENDPOINT, "claude_settings_credential": "hush"}
    common["claude_settings_allow_readable_secrets"] = "true"
    inventory.write_text(json.dumps({"mdm": {"hosts": teams, "vars": common}}))
    played = play(tmp_path / "files", {}, "--diff", inventory=inventory)
    assert played.returncode == 0 and "hush" not in said(played), said(played)
    uuids = set()
    for team in teams:
        folder = tmp_path / "files" / team
        env = drop_in(folder / "linux" / DROP_IN)["env"]
        assert f"team={team}" in env["OTEL_RESOURCE_ATTRIBUTES"].split(",")
        assert env["OTEL_EXPORTER_OTLP_HEADERS"] == "Authorization=Bearer hush"
        assert {mode for mode, _content in contents(folder).values()} == {0o600}
        assert "can read OTEL_EXPORTER_OTLP_HEADERS" in (folder / "linux/README.md").read_text()
        found = profile(folder / "macos" / f"{NAME}.mobileconfig")
        assert found["PayloadIdentifier"] == "claude-code.observability.telemetry"
        uuids |= {found["PayloadUUID"], found["PayloadContent"][0]["PayloadUUID"]}
    # Other settings are another version of the same profile.
    assert len(uuids) == 4
