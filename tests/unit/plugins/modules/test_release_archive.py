# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.claude_code.observability.plugins.modules import release_archive


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    """A mirror on disk with one release, its checksum in both forms."""
    root = tmp_path / "mirror"
    root.mkdir()
    with tarfile.open(root / "prog-1.0.tar.gz", "w:gz") as pack:
        info = tarfile.TarInfo("prog-1.0/prog")
        info.size, info.mode = 3, 0o755
        pack.addfile(info, io.BytesIO(b"ELF"))
    (root / "bare.sha256").write_text(checksum(root))
    (root / "SHA256SUMS").write_text(f"{'0' * 64}  other\n{checksum(root)}  prog-1.0.tar.gz\n")
    return root


def checksum(mirror: Path) -> str:
    return hashlib.sha256((mirror / "prog-1.0.tar.gz").read_bytes()).hexdigest()


@pytest.fixture
def run(tmp_path: Path, mirror: Path, capsys):
    def run(**changes: Any) -> dict[str, Any]:
        args = {
            "name": "prog",
            "version": "1.0",
            "url": f"file://{mirror}/prog-1.0.tar.gz",
            "checksum_url": f"file://{mirror}/SHA256SUMS",
            "dest": str(tmp_path / "opt"),
            "members": {"prog": "prog-1.0/prog"},
            **changes,
        }
        args = {key: value for key, value in args.items() if value is not None}
        with patch_module_args(args), pytest.raises(SystemExit):
            release_archive.main()
        return json.loads(capsys.readouterr().out)

    return run


def test_install_then_nothing_to_do(tmp_path, mirror, run) -> None:
    size = (mirror / "prog-1.0.tar.gz").stat().st_size
    first = run(_ansible_diff=True)
    assert {key: first[key] for key in ("changed", "path", "would_install", "downloaded", "sha256")} == {
        "changed": True,
        "path": str(tmp_path / "opt" / "1.0"),
        "would_install": False,
        "downloaded": size,
        "sha256": checksum(mirror),
    }
    assert (first["diff"]["before"], first["diff"]["after"]) == ("", "1.0\n")
    assert (tmp_path / "opt" / "1.0" / "prog").read_bytes() == b"ELF"

    for path in mirror.iterdir():
        path.unlink()
    second = run()
    assert (second["changed"], second["downloaded"], second["sha256"]) == (False, 0, first["sha256"])
    assert "diff" not in second
    assert run(_ansible_check_mode=True)["would_install"] is False


def test_check_mode_foretells_and_touches_nothing(tmp_path, mirror, run) -> None:
    unreachable = "https://127.0.0.1:9/prog-1.0.tar.gz"
    result = run(_ansible_check_mode=True, url=unreachable, checksum=checksum(mirror))
    assert (result["changed"], result["would_install"], result["downloaded"]) == (True, True, 0)
    assert result["sha256"] == checksum(mirror)
    assert not (tmp_path / "opt").exists()
    assert run()["diff"] == result["diff"]


def test_check_mode_does_not_know_a_checksum_it_has_not_read(run) -> None:
    assert run(_ansible_check_mode=True)["sha256"] == ""


def test_a_new_version_leaves_the_old_one_alone(tmp_path, run) -> None:
    run()
    result = run(version="1.1")
    assert (result["diff"]["before"], result["diff"]["after"]) == ("1.0\n", "1.0\n1.1\n")
    assert (tmp_path / "opt" / "1.0" / "prog").exists()
    assert (tmp_path / "opt" / "1.1" / "prog").exists()


def test_versions_that_no_unit_names_go_when_another_comes(tmp_path, run) -> None:
    units = tmp_path / "etc" / "sets"
    for number in range(3):
        (units / str(number)).mkdir(parents=True)
    for version in ("1.0", "1.0.1", "1.1", "1.2"):
        run(version=version)
    (units / "0" / "prog.service").write_text(f"ExecStart=/bin/sh start {tmp_path}/opt/1.1/prog --now\n")
    (units / "1" / "prog.service").write_text(f"ExecStart={tmp_path}/opt/1.0.1/prog\n")
    (tmp_path / "opt" / "of-the-user").mkdir()
    told = run(_ansible_check_mode=True, version="1.3", used_in=str(units))
    assert sorted(path.name for path in (tmp_path / "opt").glob("1.*")) == ["1.0", "1.0.1", "1.1", "1.2"]
    done = run(version="1.3", used_in=str(units))
    assert told["removed"] == done["removed"] == ["1.0", "1.2"]
    assert told["diff"] == done["diff"]
    kept = sorted(path.name for path in (tmp_path / "opt").iterdir() if not path.name.startswith("."))
    assert kept == ["1.0.1", "1.1", "1.3", "of-the-user"]
    assert not run(version="1.3", used_in=str(tmp_path / "nowhere"))["changed"]


def test_a_broken_version_is_mended_and_the_diff_says_what_was_broken(tmp_path, run) -> None:
    run()
    (tmp_path / "opt" / "1.0" / "prog").unlink()
    foretold = run(_ansible_check_mode=True)
    result = run()
    assert foretold["diff"] == result["diff"]
    assert result["diff"]["before"] == "1.0 (broken: prog is missing)\n"
    assert (tmp_path / "opt" / "1.0" / "prog").read_bytes() == b"ELF"


def test_the_bare_form_of_a_checksum_file(mirror, run) -> None:
    assert run(checksum_url=f"file://{mirror}/bare.sha256")["sha256"] == checksum(mirror)


def test_checksum_wins_over_checksum_url(mirror, run) -> None:
    (mirror / "SHA256SUMS").unlink()
    assert run(checksum=checksum(mirror).upper())["changed"] is True


def test_a_wrong_byte_installs_nothing_and_both_checksums_are_named(tmp_path, mirror, run) -> None:
    promised = checksum(mirror)
    data = bytearray((mirror / "prog-1.0.tar.gz").read_bytes())
    data[-1] ^= 1
    (mirror / "prog-1.0.tar.gz").write_bytes(data)
    result = run()
    assert result["failed"]
    assert result["msg"].startswith("prog 1.0: ")
    assert promised in result["msg"]
    assert checksum(mirror) in result["msg"]
    assert "SHA256SUMS" in result["msg"]
    assert os.listdir(tmp_path / "opt") == [".claude_code.observability.json"]


def test_a_broken_version_survives_a_failed_repair(tmp_path, mirror, run) -> None:
    run(members={}, strip_components=1)
    (tmp_path / "opt" / "1.0" / "notes").touch()
    assert run(checksum="0" * 64)["failed"]
    assert (tmp_path / "opt" / "1.0" / "prog").exists()
    assert (tmp_path / "opt" / "1.0" / "notes").exists()


def test_another_run_may_have_been_faster(tmp_path, mirror, run, monkeypatch) -> None:
    run()
    real, calls = release_archive.inspect, []

    def late(path: str, release: Any) -> Any:
        calls.append(path)
        return release_archive.State("absent") if len(calls) == 1 else real(path, release)

    monkeypatch.setattr(release_archive, "inspect", late)
    (mirror / "prog-1.0.tar.gz").unlink()
    result = run()
    assert (result["changed"], result["downloaded"], len(calls)) == (False, 0, 2)
    assert "diff" not in result


def test_an_archive_that_is_on_the_target_already(mirror, run) -> None:
    result = run(url=None, archive=f"{mirror}/prog-1.0.tar.gz")
    assert (result["changed"], result["downloaded"], result["sha256"]) == (True, 0, checksum(mirror))


def test_the_url_names_the_artifact_of_an_archive(mirror, run) -> None:
    os.rename(mirror / "prog-1.0.tar.gz", mirror / "handed-over.tgz")
    assert run(url="https://127.0.0.1:9/prog-1.0.tar.gz", archive=f"{mirror}/handed-over.tgz")["changed"] is True
    assert run()["changed"] is False


def test_a_full_disk_is_named(tmp_path, run, monkeypatch) -> None:
    def full(*_args: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(release_archive, "save", full)
    assert run()["msg"] == f"prog 1.0: No space left on device: {tmp_path}/opt"
    assert os.listdir(tmp_path / "opt") == [".claude_code.observability.json"]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"checksum_url": None}, "unverifiable: checksum or checksum_url is needed"),
        ({"checksum_url": ""}, "unverifiable"),
        ({"url": None}, "url or archive is needed"),
        ({"url": "ftp://mirror/x"}, "url must be an http, https or file URL"),
        ({"checksum_url": "SHA256SUMS"}, "checksum_url must be an http, https or file URL"),
        ({"checksum": "sha256:abc"}, "checksum must be the 64 hex digits of a SHA-256, not 'sha256:abc'"),
        ({"version": "../1.0"}, "version '../1.0' cannot be a directory's name"),
        ({"version": ".."}, "version '..'"),
        ({"dest": "opt"}, "dest must be an absolute path"),
        ({"members": {"bin/prog": "x"}}, "members: 'bin/prog' is not a plain file name"),
        ({"members": {".claude_code.observability.json": "x"}}, "is not a plain file name"),
        ({"strip_components": 1}, "not with members"),
        ({"members": {}, "strip_components": -1}, "at least 0"),
    ],
)
def test_arguments_that_cannot_work_are_refused_even_in_check_mode(tmp_path, run, changes, why) -> None:
    result = run(_ansible_check_mode=True, **changes)
    assert result["failed"]
    assert why in result["msg"]


def test_secrets_do_not_show(run) -> None:
    result = run(
        url="http://127.0.0.1:9/prog-1.0.tar.gz",
        headers={"Authorization": "Bearer geheim"},
        proxy="http://user:topsecret@127.0.0.1:9",
        checksum="0" * 64,
    )
    assert result["failed"]
    assert "geheim" not in json.dumps(result)
    assert "topsecret" not in json.dumps(result)
