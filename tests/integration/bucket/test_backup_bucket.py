# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups in a bucket of a real S3 server."""

from __future__ import annotations

import json
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.claude_code.observability.plugins.modules import backup_bucket

sys.path.insert(0, str(Path(__file__).parents[3]))

from tests.tools import s3

NAMES = ["20261126T010000Z", "20261127T010000Z", "20261128T010000Z", "20261129T010000Z"]
FILES = {"manifest.json": b"{}", "web1/loki.tar.gz": b"chunks" * 1000, "web1/prometheus.tar.gz": b"blocks"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[s3.Server]:
    with s3.served(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture
def bucket(server: s3.Server, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """An empty one, named after the test."""
    for name, value in {**s3.CREDENTIALS, "AWS_DEFAULT_REGION": "us-east-1", "NO_PROXY": "127.0.0.1"}.items():
        monkeypatch.setenv(name, value)
    name = str(request.node.originalname).replace("_", "-")[:60].strip("-")
    (server.directory / name).mkdir()
    return name


@pytest.fixture
def call(server: s3.Server, bucket: str, capsys: pytest.CaptureFixture[str]) -> Any:
    def run(check: bool = False, **arguments: Any) -> dict[str, Any]:
        options = {"bucket": bucket, "prefix": "claude/", "endpoint": server.url, **arguments}
        with patch_module_args({**options, "_ansible_check_mode": check}), pytest.raises(SystemExit):
            backup_bucket.main()
        answer: dict[str, Any] = json.loads(capsys.readouterr().out)
        return answer

    return run


def backup(directory: Path, name: str) -> Path:
    for file, content in FILES.items():
        path = directory / name / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return directory


def objects(*names: str) -> set[str]:
    return {f"claude/{name}/{file}" for name in names for file in FILES}


def test_a_backup_goes_and_comes_back(tmp_path: Path, server: s3.Server, bucket: str, call: Any) -> None:
    there, here = backup(tmp_path / "there", NAMES[0]), tmp_path / "here"
    assert call(directory=str(there), name=NAMES[0], check=True)["changed"] is True
    assert server.files(bucket) == set()
    answer = call(directory=str(there), name=NAMES[0])
    assert (answer["changed"], answer["place"]) == (True, f"s3://{bucket}/claude/{NAMES[0]}")
    assert server.files(bucket) == objects(NAMES[0])
    assert call(directory=str(there), name=NAMES[0])["changed"] is False

    assert call(directory=str(here), name="latest", state="pulled", check=True)["changed"] is True
    assert not here.exists()
    assert call(directory=str(here), name="latest", state="pulled")["name"] == NAMES[0]
    found = {str(path.relative_to(here / NAMES[0])): path for path in (here / NAMES[0]).rglob("*") if path.is_file()}
    assert {file: path.read_bytes() for file, path in found.items()} == FILES
    assert {stat.S_IMODE(path.stat().st_mode) for path in found.values()} == {0o600}
    assert call(directory=str(here), name="latest", state="pulled")["changed"] is False


def test_the_newest_whole_ones_stay(tmp_path: Path, server: s3.Server, bucket: str, call: Any) -> None:
    others = server.directory / bucket / "claude" / "of-somebody-else"
    others.mkdir(parents=True)
    (others / "file").write_text("kept")
    for name in NAMES[:3]:
        assert call(directory=str(backup(tmp_path, name)), name=name, keep=3)["deleted"] == []
    # One that was cut off.
    (server.directory / bucket / "claude" / NAMES[1] / "manifest.json").unlink()
    assert call(directory=str(backup(tmp_path, NAMES[3])), name=NAMES[3], keep=2)["deleted"] == NAMES[:2]
    assert server.files(bucket) == objects(*NAMES[2:]) | {"claude/of-somebody-else/file"}


def test_what_was_cut_off_is_no_backup_until_it_is_whole(
    tmp_path: Path, server: s3.Server, bucket: str, call: Any
) -> None:
    directory = str(backup(tmp_path / "there", NAMES[0]))
    call(directory=directory, name=NAMES[0])
    stored = server.directory / bucket / "claude" / NAMES[0]
    (stored / "manifest.json").unlink()
    (stored / "web1/loki.tar.gz").write_bytes(b"chun")
    here = str(tmp_path / "here")
    assert call(directory=here, name="latest", state="pulled")["msg"].endswith("has no whole backup")
    assert call(directory=directory, name=NAMES[0])["changed"] is True
    assert server.files(bucket) == objects(NAMES[0])
    assert (stored / "web1/loki.tar.gz").read_bytes() == FILES["web1/loki.tar.gz"]


def test_what_is_wrong_is_said(tmp_path: Path, call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = str(backup(tmp_path, NAMES[0]))
    assert "there is no whole backup 20261127T010000Z in" in call(directory=directory, name=NAMES[1])["msg"]
    assert "It has none." in call(directory=directory, name=NAMES[1], state="pulled")["msg"]
    assert "backup_keep is 0" in call(directory=directory, name=NAMES[0], keep=0)["msg"]
    said = call(directory=directory, name=NAMES[0], bucket="nowhere")["msg"]
    assert "NoSuchBucket" in said and "Make the bucket first" in said
    said = call(directory=directory, name=NAMES[0], endpoint="http://127.0.0.1:9")["msg"]
    assert "Is backup_s3_endpoint right?" in said
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another")
    assert "AWS_SECRET_ACCESS_KEY, AWS_PROFILE" in call(directory=directory, name=NAMES[0])["msg"]
