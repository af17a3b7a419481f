# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import hashlib
import json
import tarfile
from pathlib import Path

import pytest
from ansible_collections.claude_code.observability.plugins.filter.requirements_for import requirements_for
from ansible_collections.claude_code.observability.plugins.module_utils._bundle import (
    Artifact,
    Bundle,
    BundleError,
    pack_collection,
    write_index,
)

ARCHIVE = Artifact("releases/a/loki.zip", "archive", "loki", "3.7.8", "linux_amd64", "https://example.com/loki.zip")
IMAGE = Artifact("images/loki.tar", "image", "grafana/loki:3.7.8", "3.7.8", "linux_amd64")


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    for artifact in (ARCHIVE, IMAGE):
        path = tmp_path / artifact.path
        path.parent.mkdir(parents=True)
        path.write_text(artifact.name)
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "README.md").write_text("read me")
    write_index(str(tmp_path), [ARCHIVE, IMAGE], "1.0.0")
    return tmp_path


def test_the_checksums_vouch_for_every_file(bundle: Path) -> None:
    lines = (bundle / "SHA256SUMS").read_text().splitlines()
    files = sorted(path for path in bundle.rglob("*") if path.is_file() and path.name != "SHA256SUMS")
    assert lines == [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(bundle)}" for path in files]


def test_another_run_adds_and_the_same_run_changes_nothing(bundle: Path) -> None:
    changed, _artifacts, before = write_index(str(bundle), [IMAGE], "1.0.0")
    assert not changed
    more = Artifact("images/prometheus.tar", "image", "prom/prometheus:v3.13.5", "v3.13.5", "linux_amd64")
    (bundle / more.path).write_text("more")
    changed, artifacts, after = write_index(str(bundle), [more], "1.0.0")
    assert changed
    assert after != before
    assert {ARCHIVE, IMAGE, more} <= set(artifacts)


def test_what_nobody_told_of_is_not_vouched_for(bundle: Path) -> None:
    (bundle / "images" / "stray.tar").write_text("whose?")
    assert not write_index(str(bundle), [], "1.0.0")[0]


def test_the_bill_of_materials_is_that_of_the_programs(bundle: Path) -> None:
    bill = json.loads((bundle / "sbom.cdx.json").read_text())
    assert [(one["type"], one["purl"]) for one in bill["components"]] == [
        ("container", "pkg:docker/grafana/loki@3.7.8?arch=amd64"),
        ("application", "pkg:generic/loki@3.7.8"),
    ]
    assert bill["components"][1]["externalReferences"] == [{"type": "distribution", "url": ARCHIVE.source}]


def test_an_artifact_is_found_with_its_checksum(bundle: Path) -> None:
    there = Bundle(str(bundle))
    found = there.find("archive", "loki", "3.7.8", "linux_amd64")
    assert (there.path(found), there.checksum(found)) == (
        str(bundle / ARCHIVE.path),
        hashlib.sha256(b"loki").hexdigest(),
    )


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (
            ("archive", "loki", "3.8.0", "linux_amd64"),
            "holds no archive loki 3.8.0 linux_amd64; of that kind",
        ),
        (("archive", "loki", "3.7.8", "linux_arm64"), "it holds loki 3.7.8 linux_amd64"),
        (("image", "my/loki:1"), "it holds grafana/loki:3.7.8 3.7.8 linux_amd64"),
        (("archive", "grafana", "1"), "it holds loki 3.7.8 linux_amd64"),
    ],
)
def test_what_is_missing_is_said_with_what_there_is(bundle: Path, wanted: tuple[str, ...], said: str) -> None:
    with pytest.raises(BundleError) as failed:
        Bundle(str(bundle)).find(*wanted)
    assert said in str(failed.value)
    assert f"stack_bundle is {bundle}" in str(failed.value)


def test_a_changed_manifest_is_refused(bundle: Path) -> None:
    manifest = bundle / "manifest.json"
    manifest.write_text(manifest.read_text().replace("3.7.8", "3.7.9"))
    with pytest.raises(BundleError, match=r"manifest\.json is not what its SHA256SUMS says"):
        Bundle(str(bundle))


def test_a_directory_that_is_no_bundle_is_named(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="where there is no SHA256SUMS"):
        Bundle(str(tmp_path))


@pytest.fixture
def collection(tmp_path: Path) -> Path:
    contents = {"README.md": b"hello", "tests/left_out.py": b"x"}
    files = [{"name": ".", "ftype": "dir", "chksum_sha256": None}]
    files += [
        {"name": name, "ftype": "file", "chksum_sha256": hashlib.sha256(content).hexdigest()}
        for name, content in contents.items()
    ]
    manifest = {
        "collection_info": {"namespace": "a", "name": "b", "version": "1.2.3", "license": ["MIT"]},
        "file_manifest_file": {"name": "FILES.json", "chksum_sha256": ""},
    }
    (tmp_path / "README.md").write_bytes(contents["README.md"])
    (tmp_path / "FILES.json").write_text(json.dumps({"files": files, "format": 1}))
    (tmp_path / "MANIFEST.json").write_text(json.dumps(manifest))
    return tmp_path


def test_a_collection_is_packed_as_it_is_here(collection: Path, tmp_path: Path) -> None:
    path, content = pack_collection(str(collection), "/out")
    assert path == "/out/a-b-1.2.3.tar.gz"
    assert pack_collection(str(collection), "/out") == (path, content)
    (tmp_path / "packed.tar.gz").write_bytes(content)
    with tarfile.open(tmp_path / "packed.tar.gz") as archive:
        assert archive.getnames() == ["MANIFEST.json", "FILES.json", "README.md"]


def test_a_collection_that_somebody_changed_is_refused(collection: Path) -> None:
    (collection / "README.md").write_text("other")
    with pytest.raises(BundleError, match=r"README\.md is not as it was published"):
        pack_collection(str(collection), "/out")


def test_requirements_are_those_of_the_python_meant() -> None:
    text = 'a==1; python_version < "3.12"\na==2; python_version >= "3.12"\n# note\nb==3  # why\n'
    assert requirements_for(text, "3.11") == ["a==1", "b==3"]
    assert requirements_for(text, "3.13") == ["a==2", "b==3"]
