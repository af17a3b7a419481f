# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import itertools
import json
import os
import re
import stat
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.claude_code.observability.plugins.module_utils._safe_files import FileError
from ansible_collections.claude_code.observability.plugins.module_utils._settings_managed import (
    drop_in,
    update_managed,
)
from ansible_collections.claude_code.observability.plugins.module_utils._settings_plan import PlanError, Wanted

from tests.tools.killed import killed_at

NOTHING = Wanted()
ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
ONE = Wanted({"A": "1", ENDPOINT: "http://ours"}, {"team": "t", "site": "paris"})


@pytest.fixture
def managed(tmp_path: Path) -> Path:
    return tmp_path / "claude-code"


def put(managed: Path, name: str, text: str) -> Path:
    path = managed / name
    for folder in (path.parent.parent, path.parent):
        folder.mkdir(exist_ok=True, mode=0o755)
    path.write_text(text)
    return path


def ours(managed: Path) -> Path:
    return Path(drop_in(str(managed)))


def update(managed: Path, wanted: Wanted, **options: Any) -> Any:
    return update_managed(str(managed), wanted, **options)


def tree(managed: Path) -> list[str]:
    return sorted(str(path.relative_to(managed)) for path in managed.rglob("*"))


def test_a_drop_in_everybody_can_read_and_nobody_else_can_write(managed: Path) -> None:
    before = os.umask(0o077)
    try:
        outcome = update(managed, ONE)
    finally:
        os.umask(before)
    assert outcome.changed and outcome.path == str(ours(managed))
    assert json.loads(ours(managed).read_bytes()) == {
        "env": {"A": "1", ENDPOINT: "http://ours", "OTEL_RESOURCE_ATTRIBUTES": "team=t,site=paris"}
    }
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (managed, ours(managed).parent, ours(managed))]
    assert modes == [0o755, 0o755, 0o644]
    # The client reads every *.json that is not hidden.
    assert [path.name for path in ours(managed).parent.glob("*") if not path.name.startswith(".")] == [
        "50-claude_code.observability.json"
    ]
    assert not update(managed, ONE).changed
    assert update(managed, NOTHING).changed
    assert not managed.exists()
    assert not update(managed, NOTHING).changed


def test_check_says_the_same_and_does_nothing(managed: Path) -> None:
    predicted = update(managed, ONE, check=True)
    assert not managed.exists()
    assert predicted == update(managed, ONE)
    gone = update(managed, NOTHING, check=True)
    assert ours(managed).exists()
    assert gone == update(managed, NOTHING)


def test_directories_of_others_stay(managed: Path) -> None:
    (managed / "managed-settings.d").mkdir(parents=True)
    update(managed, ONE)
    update(managed, NOTHING)
    assert tree(managed) == ["managed-settings.d"]


def test_a_directory_of_ours_stays_for_the_files_of_others(managed: Path) -> None:
    update(managed, ONE)
    put(managed, "managed-settings.d/60-site.json", "{}")
    update(managed, NOTHING)
    assert tree(managed) == ["managed-settings.d", "managed-settings.d/60-site.json"]


def test_a_drop_in_that_somebody_changed_or_broke_or_closed_is_put_right(managed: Path) -> None:
    update(managed, ONE)
    whole = ours(managed).read_bytes()
    ours(managed).write_text('{"env": {"A": "2"}')
    assert [change.key for change in update(managed, ONE).plan.changes] == [
        "A",
        ENDPOINT,
        "OTEL_RESOURCE_ATTRIBUTES",
    ]
    assert ours(managed).read_bytes() == whole
    ours(managed).chmod(0o600)
    assert update(managed, ONE).changed
    assert stat.S_IMODE(ours(managed).stat().st_mode) == 0o644
    ours(managed).rename(managed / "elsewhere")
    ours(managed).symlink_to(managed / "elsewhere")
    update(managed, ONE)
    assert ours(managed).is_file() and not ours(managed).is_symlink()


@pytest.mark.parametrize("name", ["managed-settings.json", "managed-settings.d/10-a.json", "managed-settings.d/x.json"])
@pytest.mark.parametrize("text", ['{"env": {},}', "[]", "{} // note", '{"env"', "1"])
def test_nothing_goes_beside_a_broken_file(managed: Path, name: str, text: str) -> None:
    path = put(managed, name, text)
    before = tree(managed)
    with pytest.raises(PlanError, match=rf"^{re.escape(str(path))}:1:\d+: .*starts for nobody on this host"):
        update(managed, ONE)
    assert (tree(managed), path.read_text()) == (before, text)


@pytest.mark.parametrize("name", [".hidden.json", "notes.txt", "50-x.json.bak", "50-x.json.tmp"])
def test_what_the_client_ignores_is_no_reason_to_stop(managed: Path, name: str) -> None:
    put(managed, f"managed-settings.d/{name}", "{broken")
    assert update(managed, ONE).changed


@pytest.mark.parametrize("text", ["", "\ufeff{}", '{"env": 1}', '{"n": 1e999, "d": ' + "[" * 2000 + "]" * 2000 + "}"])
def test_what_the_client_accepts_is_no_reason_to_stop(managed: Path, text: str) -> None:
    put(managed, "managed-settings.json", text)
    assert update(managed, ONE).changed


def test_ours_goes_though_another_is_broken(managed: Path) -> None:
    update(managed, ONE)
    put(managed, "managed-settings.json", "{")
    update(managed, NOTHING)
    assert tree(managed) == ["managed-settings.json"]


def test_a_pipe_does_not_hold_us(managed: Path) -> None:
    put(managed, "managed-settings.json", "{}").unlink()
    os.mkfifo(managed / "managed-settings.json")
    with pytest.raises(PlanError, match="is not a regular file"):
        update(managed, ONE)


def test_a_later_file_that_wins_is_named(managed: Path) -> None:
    put(managed, "managed-settings.json", '{"env": {"A": "base"}}')
    put(managed, "managed-settings.d/10-early.json", '{"env": {"A": "early"}}')
    late = put(managed, "managed-settings.d/60-late.json", '{"env": {"A": "late"}}')
    assert update(managed, ONE).plan.warnings == (
        f"{late}: sets A too, is read after 50-claude_code.observability.json and wins",
    )


def test_an_endpoint_of_another_managed_file(managed: Path) -> None:
    path = put(managed, "managed-settings.json", json.dumps({"env": {ENDPOINT: "http://u:pw@theirs"}}))
    refusing = Wanted(ONE.env, refuse_foreign_endpoint=True)
    with pytest.raises(PlanError, match=re.escape(f'{path}: {ENDPOINT} is "http://***@theirs", set by somebody else')):
        update(managed, refusing)
    assert not ours(managed).exists()
    assert update(managed, ONE).plan.warnings == ()
    signal = "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT"
    path.write_text(json.dumps({"env": {signal: "http://logs/v1/logs"}}))
    assert update(managed, ONE).plan.warnings == (
        f'{path}: {signal} is "http://logs/v1/logs" and beats {ENDPOINT}: that signal goes there',
    )


def test_what_another_managed_file_sets_is_left_if_asked_for(managed: Path) -> None:
    path = put(managed, "managed-settings.json", '{"env": {"A": "theirs", "B": "2"}}')
    wanted = Wanted({"A": "1", "B": "2", "C": "3"}, if_absent=frozenset("ABC"))
    assert update(managed, wanted).plan.left == ("A",)
    assert json.loads(ours(managed).read_bytes()) == {"env": {"C": "3"}}
    assert not update(managed, wanted).changed
    path.unlink()
    assert update(managed, wanted).plan.left == ()
    assert json.loads(ours(managed).read_bytes()) == {"env": {"A": "1", "B": "2", "C": "3"}}


@pytest.mark.parametrize("place", ["claude-code", "claude-code/managed-settings.d"])
def test_a_directory_that_others_can_write_is_refused(managed: Path, place: str) -> None:
    update(managed, ONE)
    loose = managed.parent / place
    loose.chmod(0o777)
    with pytest.raises(FileError, match=rf"{re.escape(str(loose))}: others than its owner may write there .*mode 0777"):
        update(managed, Wanted({"A": "2"}))
    assert "http://ours" in ours(managed).read_text()


def test_a_directory_that_others_can_not_read_is_warned_about(managed: Path) -> None:
    managed.mkdir()
    managed.chmod(0o700)
    assert update(managed, ONE).plan.warnings == (
        f"{managed}: not every user may read it, whose Claude Code may then miss the managed settings: "
        f"chmod 0755 {managed}",
    )


def test_a_file_in_the_place_of_the_directory_is_refused(managed: Path) -> None:
    managed.write_text("")
    with pytest.raises(FileError, match="is not a directory"):
        update(managed, ONE)


def nothing_before(managed: Path) -> None:
    """No directory, no file."""


def ours_before(managed: Path) -> None:
    update(managed, ONE)


def others_before(managed: Path) -> None:
    put(managed, "managed-settings.d/60-site.json", "{}")


@pytest.mark.parametrize("wanted", [Wanted({"A": "2"}), NOTHING], ids=["present", "absent"])
@pytest.mark.parametrize("prepare", [nothing_before, ours_before, others_before])
def test_killed_at_any_step(tmp_path: Path, prepare: Any, wanted: Wanted) -> None:
    def content(managed: Path) -> bytes | None:
        return ours(managed).read_bytes() if ours(managed).exists() else None

    whole = tmp_path / "whole"
    prepare(whole)
    old = content(whole)
    update(whole, wanted)
    new = content(whole)
    for step in itertools.count():
        managed = tmp_path / f"killed-{step}"
        prepare(managed)
        killed = killed_at(step, lambda: update(managed, wanted))  # noqa: B023 called before the next round
        assert content(managed) in (old, new)
        if not killed:
            break
        for left in managed.rglob("*.tmp.*"):
            os.utime(left, (1, 1))
        update(managed, wanted)
        assert content(managed) == new
        update(managed, NOTHING)
        assert [path for path in tree(managed) if path.endswith(".json")] == (
            ["managed-settings.d/60-site.json"] if prepare is others_before else []
        )
    assert content(managed) == new
    assert step > 3 or old == new
