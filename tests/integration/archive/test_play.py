# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""release_archive in a real play: two architectures, each verified; what runs on a target is counted there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from archive_mirror import flip_a_byte, sha256, tarball

COLLECTIONS = Path(__file__).parents[3] / ".collections"
RELEASES = {
    arch: tarball({f"prog-1.0.linux-{arch}/prog": f"program for {arch}".encode()}) for arch in ("amd64", "arm64")
}

PLAY = """
- hosts: all
  gather_facts: false
  vars:
    artifact: "prog-1.0.linux-{{ arch }}"
  tasks:
    - name: The version is staged from the mirror
      claude_code.observability.release_archive:
        name: prog
        version: "1.0"
        url: "{{ mirror }}/{{ artifact }}.tar.gz"
        checksum_url: "{{ mirror }}/sha256sums.txt"
        ca_path: "{{ ca }}"
        dest: "{{ root }}/prog"
        members:
          prog: "{{ artifact }}/prog"
"""

PLAY_WITH_ARCHIVE = """
- hosts: all
  gather_facts: false
  tasks:
    - name: The version is staged from a file on the controller
      claude_code.observability.release_archive:
        name: prog
        version: "1.0"
        archive: "prog-1.0.linux-{{ arch }}.tar.gz"
        checksum: "{{ checksum }}"
        dest: "{{ root }}/prog"
        strip_components: 1
"""


class Site:
    """Two hosts on this machine, one per architecture, each with a directory and a Python of its own."""

    def __init__(self, folder: Path, variables: dict[str, str]) -> None:
        self.folder = folder
        hosts = {}
        for arch, release in RELEASES.items():
            root = folder / arch
            root.mkdir()
            python = root / "python"
            python.write_text(f'#!/bin/sh\necho run >> {root}/executions\nexec {sys.executable} "$@"\n')
            python.chmod(0o755)
            hosts[f"host-{arch}"] = {
                "ansible_connection": "local",
                "ansible_python_interpreter": str(python),
                "ansible_remote_tmp": str(root / "tmp"),
                "arch": arch,
                "checksum": sha256(release),
                "root": str(root),
                **variables,
            }
        (folder / "hosts.json").write_text(json.dumps({"all": {"hosts": hosts}}))

    def play(self, text: str, *options: str) -> dict[str, dict[str, Any]]:
        """Runs a play of one task; returns its result for each architecture."""
        (self.folder / "ansible.cfg").touch()
        (self.folder / "play.yml").write_text(text)
        (self.folder / "results").write_text("")
        for arch in RELEASES:
            (self.folder / arch / "executions").write_text("")
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "LC_ALL": "C.UTF-8",
            "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
            "ANSIBLE_CALLBACK_PLUGINS": str(Path(__file__).parent / "callback"),
            "ANSIBLE_CALLBACKS_ENABLED": "results",
            "RESULTS": str(self.folder / "results"),
        }
        command = [sys.executable, "-m", "ansible", "playbook", "-i", "hosts.json", "play.yml", *options]
        done = subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=120)
        results = dict(json.loads(line) for line in (self.folder / "results").read_text().splitlines())
        assert len(results) == len(RELEASES), done.stdout + done.stderr
        return {arch: results[f"host-{arch}"] for arch in RELEASES}

    def executions(self) -> list[int]:
        return [len((self.folder / arch / "executions").read_text().split()) for arch in RELEASES]

    def programs(self) -> dict[str, str]:
        paths = {arch: self.folder / arch / "prog" / "1.0" / "prog" for arch in RELEASES}
        return {arch: path.read_text() for arch, path in paths.items() if path.exists()}


@pytest.fixture
def site(tmp_path, mirror, authority) -> Site:
    mirror.pages = {f"/prog-1.0.linux-{arch}.tar.gz": release for arch, release in RELEASES.items()}
    lines = (f"{sha256(release)}  prog-1.0.linux-{arch}.tar.gz\n" for arch, release in RELEASES.items())
    mirror.pages["/sha256sums.txt"] = "".join(lines).encode()
    return Site(tmp_path, {"mirror": mirror.url, "ca": str(authority.ca)})


BOTH = {arch: f"program for {arch}" for arch in RELEASES}


def test_two_architectures_in_one_play(site, mirror) -> None:
    first = site.play(PLAY)
    assert [result["changed"] for result in first.values()] == [True, True]
    assert [result["sha256"] for result in first.values()] == [sha256(release) for release in RELEASES.values()]
    assert site.programs() == BOTH
    assert site.executions() == [1, 1]
    assert sorted(mirror.requests) == [
        "/prog-1.0.linux-amd64.tar.gz",
        "/prog-1.0.linux-arm64.tar.gz",
        "/sha256sums.txt",
        "/sha256sums.txt",
    ]

    mirror.requests.clear()
    second = site.play(PLAY)
    assert [result["changed"] for result in second.values()] == [False, False]
    assert site.executions() == [1, 1]
    assert mirror.requests == []


def test_each_architecture_is_verified_by_itself(site, mirror) -> None:
    mirror.pages["/prog-1.0.linux-arm64.tar.gz"] = flip_a_byte(RELEASES["arm64"])
    results = site.play(PLAY)
    assert results["amd64"]["changed"] is True
    assert "nothing was installed" in results["arm64"]["msg"]
    assert site.programs() == {"amd64": "program for amd64"}


def test_an_archive_on_the_controller_is_transferred_only_when_needed(site, mirror) -> None:
    files = site.folder / "files"
    files.mkdir()
    for arch, release in RELEASES.items():
        (files / f"prog-1.0.linux-{arch}.tar.gz").write_bytes(release)

    foretold = site.play(PLAY_WITH_ARCHIVE, "--check", "--diff")
    assert [result["would_install"] for result in foretold.values()] == [True, True]
    assert site.programs() == {}

    first = site.play(PLAY_WITH_ARCHIVE, "--diff")
    assert [result["changed"] for result in first.values()] == [True, True]
    assert [result["diff"] for result in first.values()] == [result["diff"] for result in foretold.values()]
    assert site.programs() == BOTH
    assert site.executions() == [2, 2]

    for file in files.iterdir():
        file.unlink()
    second = site.play(PLAY_WITH_ARCHIVE)
    assert [result["changed"] for result in second.values()] == [False, False]
    assert site.executions() == [1, 1]
    assert mirror.requests == []
