# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import hashlib
import json
import os
import tarfile
import zipfile
from pathlib import Path

import pack
import pytest


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "program"
    path.write_bytes(b"\x7fELF program")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("name", ["a.tar.gz", "a.zip"])
def test_archive_does_not_depend_on_time(
    tmp_path: Path, program: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = tmp_path / "1" / name, tmp_path / "2" / name
    for target, mtime in ((first, 1_000_000_000), (second, 1_700_000_000)):
        target.parent.mkdir()
        monkeypatch.setattr("time.time", lambda now=mtime: now)
        os.utime(program, (mtime, mtime))
        pack.write_archive(target, {"dir/program": program})
    assert first.read_bytes() == second.read_bytes()


def test_tar_member_is_executable_and_root_s(tmp_path: Path, program: Path) -> None:
    pack.write_archive(tmp_path / "a.tar.gz", {"dir/program": program})
    with tarfile.open(tmp_path / "a.tar.gz") as archive:
        (member,) = archive.getmembers()
        stream = archive.extractfile(member)
        assert stream is not None and stream.read() == program.read_bytes()
    assert (member.name, member.mode, member.uid, member.gid) == ("dir/program", 0o755, 0, 0)


def test_zip_member_is_executable(tmp_path: Path, program: Path) -> None:
    pack.write_archive(tmp_path / "a.zip", {"loki-linux-amd64": program})
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        (member,) = archive.infolist()
        assert archive.read(member) == program.read_bytes()
    assert (member.filename, member.external_attr >> 16) == ("loki-linux-amd64", 0o100755)


def test_checksum_list_keeps_the_other_architecture_and_replaces_its_own_line() -> None:
    text = pack.merge_checksums("", "x-arm64.zip", "a" * 64)
    text = pack.merge_checksums(text, "x-amd64.zip", "b" * 64)
    text = pack.merge_checksums(text, "x-amd64.zip", "c" * 64)
    assert text == f"{'c' * 64}  x-amd64.zip\n{'a' * 64}  x-arm64.zip\n"


def image_of(target: Path, program: Path) -> None:
    pack.write_image(
        target,
        tag="prom/prometheus:v1.2.3",
        arch="arm64",
        entrypoint="/bin/prometheus",
        arguments=["--flag"],
        user="10001:10002",
        ports=[9090],
        volumes=["/data"],
        owned=["/data"],
        files={"/bin/prometheus": program},
    )


def test_image_s_names_are_the_digests_that_load_checks(tmp_path: Path, program: Path) -> None:
    image_of(tmp_path / "image.tar", program)
    with tarfile.open(tmp_path / "image.tar") as image:
        content = {member.name: image.extractfile(member) for member in image.getmembers() if member.isfile()}
        files = {name: stream.read() for name, stream in content.items() if stream}
    (manifest,) = json.loads(files["manifest.json"])
    config = json.loads(files[manifest["Config"]])
    (layer,) = manifest["Layers"]
    assert manifest["RepoTags"] == ["prom/prometheus:v1.2.3"]
    assert manifest["Config"] == f"{hashlib.sha256(files[manifest['Config']]).hexdigest()}.json"
    assert config["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(files[layer]).hexdigest()}"]
    assert (config["architecture"], config["os"]) == ("arm64", "linux")
    assert config["config"]["Entrypoint"] == ["/bin/prometheus"]
    assert config["config"]["User"] == "10001:10002"
    assert not list(tmp_path.glob("layer*"))


def test_layer_gives_the_user_only_its_data_directory(tmp_path: Path, program: Path) -> None:
    pack.write_layer(tmp_path / "layer.tar", {"/bin/prometheus": program}, ["/data"], "10001:10002")
    with tarfile.open(tmp_path / "layer.tar") as layer:
        found = {member.name: (member.mode, member.uid, member.gid) for member in layer.getmembers()}
    assert found == {
        "bin": (0o755, 0, 0),
        "bin/prometheus": (0o755, 0, 0),
        "data": (0o755, 10001, 10002),
        "tmp": (0o1777, 0, 0),
    }
