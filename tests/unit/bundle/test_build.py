# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import hashlib
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import build
import pytest
from golang import BuildError
from programs import COLLECTOR, LOKI, MIMIR, PROGRAMS, PROMETHEUS, Program


class Lines(build.Report):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def __call__(self, text: str) -> None:
        self.lines.append(text)


def build_of(program: Program, tmp_path: Path, arch: str = "amd64") -> build.Build:
    cache = tmp_path / "cache"
    cache.mkdir(exist_ok=True)
    return build.Build(program, arch, cache, tmp_path / "mirror", Lines())


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Stands in for the compiler: every file of the build exists; returns what was compiled."""
    done: list[str] = []

    def compile_(self: build.Build, result: Path) -> None:
        done.append(self.label)
        for name in (*self.program.packages, *self.program.extras):
            (result / name).write_text(f"{name} of {self.label}")

    monkeypatch.setattr(build.Build, "compile", compile_)
    return done


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_committed_sources_build_the_version_of_the_role(program: Program, tmp_path: Path) -> None:
    assert build_of(program, tmp_path).version == build.stated_version(program)


@pytest.mark.parametrize("line", ['loki_version: "1.2.3"', "loki_version: 1.2.3", "loki_version: '1.2.3'  # pinned"])
def test_version_is_read_from_the_defaults(tmp_path: Path, line: str) -> None:
    defaults = tmp_path / LOKI.defaults
    defaults.parent.mkdir(parents=True)
    defaults.write_text(f"---\nloki_version_url: 9.9.9\n{line}\nloki_port: 3100\n")
    assert build.stated_version(LOKI, tmp_path) == "1.2.3"


def test_missing_version_names_the_file_and_the_variable(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"roles/loki/defaults/main\.yml: no line like loki_version"):
        build.stated_version(LOKI, tmp_path)


@pytest.mark.parametrize(
    ("program", "version", "expected"),
    [
        (PROMETHEUS, "3.13.5", "v0.313.5"),
        (PROMETHEUS, "3.5.0", "v0.305.0"),
        (LOKI, "3.7.8", "v3.7.8"),
        (MIMIR, "3.0.5", "v1.3.1-0.20260423142704-aced80d74930"),
        (MIMIR, "3.0.4", "mimir-3.0.4"),
    ],
)
def test_module_version(program: Program, version: str, expected: str) -> None:
    assert build.module_version(program, version) == expected


@pytest.mark.parametrize("form", ["require {}\n", "require (\n\tother/module v9.9.9\n\t{} // indirect\n)\n"])
def test_go_mod_that_agrees_is_accepted(form: str) -> None:
    build.check_go_mod(PROMETHEUS, "3.13.5", form.format("github.com/prometheus/prometheus v0.313.5"))


def test_go_mod_that_disagrees_is_refused_with_the_way_out() -> None:
    with pytest.raises(BuildError) as error:
        build.check_go_mod(PROMETHEUS, "3.14.0", "require github.com/prometheus/prometheus v0.313.5\n")
    for part in ("v0.313.5", "prometheus_version", PROMETHEUS.defaults, "3.14.0", "go get -tool", "promtool@v0.314.0"):
        assert part in str(error.value)


def test_go_mod_without_the_module_is_refused() -> None:
    with pytest.raises(BuildError, match="no version"):
        build.check_go_mod(LOKI, "3.7.8", "require github.com/grafana/loki/pkg/push v3.7.8\n")


def test_key_follows_version_architecture_and_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = {build_of(COLLECTOR, tmp_path).key, build_of(COLLECTOR, tmp_path, "arm64").key}
    monkeypatch.setattr(build.Build, "read_sources", lambda self: {"builder.yaml": "changed"})
    keys.add(build_of(COLLECTOR, tmp_path).key)
    monkeypatch.setattr(build, "stated_version", lambda program: "9.9.9")
    keys.add(build_of(LOKI, tmp_path).key)
    monkeypatch.setattr(build, "stated_version", lambda program: "9.9.8")
    keys.add(build_of(LOKI, tmp_path).key)
    assert len(keys) == 5
    assert build_of(LOKI, tmp_path).key in keys


def test_mirror_has_the_layout_and_checksums_of_the_releases(tmp_path: Path, compiled: list[str]) -> None:
    for program in PROGRAMS:
        item = build_of(program, tmp_path)
        item.archive()
        item.image()
    mirror = tmp_path / "mirror"
    files = {str(path.relative_to(mirror)) for path in mirror.rglob("*") if path.is_file()}
    collector, prometheus, loki, mimir = (build.stated_version(program) for program in PROGRAMS)
    releases = "open-telemetry/opentelemetry-collector-releases/releases/download"
    assert files == {
        f"{releases}/v{collector}/otelcol-contrib_{collector}_linux_amd64.tar.gz",
        f"{releases}/v{collector}/otelcol-contrib_{collector}_linux_amd64.tar.gz.sha256",
        f"prometheus/prometheus/releases/download/v{prometheus}/prometheus-{prometheus}.linux-amd64.tar.gz",
        f"prometheus/prometheus/releases/download/v{prometheus}/sha256sums.txt",
        f"grafana/loki/releases/download/v{loki}/loki-linux-amd64.zip",
        f"grafana/loki/releases/download/v{loki}/SHA256SUMS",
        f"images/otel-collector-{collector}-amd64.tar",
        f"images/prometheus-{prometheus}-amd64.tar",
        f"grafana/mimir/releases/download/mimir-{mimir}/mimir-linux-amd64",
        f"grafana/mimir/releases/download/mimir-{mimir}/mimir-linux-amd64-sha-256",
        f"images/loki-{loki}-amd64.tar",
        f"images/mimir-{mimir}-amd64.tar",
    }
    folder = mirror / releases / f"v{collector}"
    bare = (folder / f"otelcol-contrib_{collector}_linux_amd64.tar.gz.sha256").read_bytes()
    archive = (folder / f"otelcol-contrib_{collector}_linux_amd64.tar.gz").read_bytes()
    assert bare.decode() == hashlib.sha256(archive).hexdigest()
    folder = mirror / f"grafana/loki/releases/download/v{loki}"
    digest = hashlib.sha256((folder / "loki-linux-amd64.zip").read_bytes()).hexdigest()
    assert (folder / "SHA256SUMS").read_text() == f"{digest}  loki-linux-amd64.zip\n"
    with zipfile.ZipFile(folder / "loki-linux-amd64.zip") as packed:
        assert packed.namelist() == ["loki-linux-amd64"]
    program = mirror / f"grafana/mimir/releases/download/mimir-{mimir}/mimir-linux-amd64"
    assert program.read_text() == f"mimir of mimir {mimir} amd64"
    assert (
        program.with_name("mimir-linux-amd64-sha-256").read_text() == hashlib.sha256(program.read_bytes()).hexdigest()
    )


def test_another_version_lies_beside_the_stated_one(tmp_path: Path, compiled: list[str]) -> None:
    stated = build_of(PROMETHEUS, tmp_path)
    other = build.Build(PROMETHEUS, "amd64", stated.cache, stated.mirror, Lines(), "3.1.0")
    for one in (stated, other):
        one.archive()
        one.image()
    assert compiled == [stated.label, "prometheus 3.1.0 amd64"]
    releases = stated.mirror / "prometheus/prometheus/releases/download"
    assert (releases / "v3.1.0/prometheus-3.1.0.linux-amd64.tar.gz").is_file()
    assert (releases / f"v{stated.version}/prometheus-{stated.version}.linux-amd64.tar.gz").is_file()
    assert (stated.mirror / "images/prometheus-3.1.0-amd64.tar").is_file()


@pytest.mark.parametrize(
    "argv", [["--version", "3.1.0"], ["images", "--version", "3.1.0"], ["loki", "--version", "main"]]
)
def test_a_version_is_that_of_one_program(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        build.parse(argv)
    assert "--version" in capsys.readouterr().err


def test_second_run_builds_nothing_and_leaves_the_mirror_alone(tmp_path: Path, compiled: list[str]) -> None:
    first = build_of(LOKI, tmp_path)
    first.archive()
    first.image()
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "mirror").rglob("*")}
    second = build_of(LOKI, tmp_path)
    second.archive()
    second.image()
    assert compiled == [first.label]
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "mirror").rglob("*")} == before
    assert not [line for line in second.report.lines if "packing" in line]


def test_archive_damaged_or_gone_from_the_mirror_comes_back(tmp_path: Path, compiled: list[str]) -> None:
    item = build_of(LOKI, tmp_path)
    item.archive()
    target = tmp_path / "mirror" / item.text(LOKI.archive.path)
    whole = target.read_bytes()
    target.unlink()
    target.write_bytes(whole[:-1])
    item.archive()
    assert target.read_bytes() == whole


def test_failure_leaves_nothing_half(tmp_path: Path) -> None:
    def fails(result: Path) -> None:
        (result / "half").write_text("half")
        raise BuildError("no")

    with pytest.raises(BuildError):
        build.cached(tmp_path, "x", "0" * 16, fails, Lines())
    assert [path.name for path in tmp_path.iterdir()] == [".x.lock"]


def test_what_a_killed_run_left_is_removed_but_not_what_another_is_making(tmp_path: Path) -> None:
    for name in (".new-loki-amd64-image-1", ".new-loki-arm64-image-2"):
        (tmp_path / name).mkdir()
    with build.locked(tmp_path, "loki-amd64-image", Lines()):
        assert {path.name for path in tmp_path.iterdir()} == {".loki-amd64-image.lock", ".new-loki-arm64-image-2"}


def test_second_process_waits_and_finds_the_result(tmp_path: Path) -> None:
    started, waiting = threading.Event(), threading.Event()

    class Waits(Lines):
        def __call__(self, text: str) -> None:
            super().__call__(text)
            waiting.set()

    second = Waits()

    def produce(result: Path) -> None:
        (result / "once").touch()
        started.set()
        assert waiting.wait(30)

    with ThreadPoolExecutor() as pool:
        made = pool.submit(build.cached, tmp_path, "x", "0" * 16, produce, Lines())
        assert started.wait(30)
        found = build.cached(tmp_path, "x", "0" * 16, lambda result: pytest.fail("made twice"), second)
        assert made.result() == found
    assert second.lines == ["another run is at x: waiting for it"]
    assert [path.name for path in found.iterdir()] == ["once"]


def test_old_results_go_but_not_another_name_s(tmp_path: Path) -> None:
    def make(name: str, key: str) -> Path:
        return build.cached(tmp_path, name, key, lambda result: None, Lines())

    other = make("loki-amd64-programs", "a" * 16)
    results = [make("loki-amd64", f"{number:016x}") for number in range(4)]
    assert other.is_dir()
    assert results[-1].is_dir()
    assert sum(result.is_dir() for result in results) == build.KEPT_RESULTS


def test_recipe_of_the_archive_is_part_of_its_key(tmp_path: Path, compiled: list[str]) -> None:
    build_of(LOKI, tmp_path).archive()
    extras = {**LOKI.extras, "LICENSE": "LICENSE"}
    build_of(dataclasses.replace(LOKI, extras=extras), tmp_path).archive()
    assert len(compiled) == 2


def test_each_program_has_a_bill_of_materials_beside_its_archive(
    tmp_path: Path, compiled: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stand-in for the writer, which needs the Go module proxy."""

    def run(argv: list[str], *_more: object) -> list[str]:
        Path(argv[argv.index("-output") + 1]).write_text(f"modules of {Path(argv[-1]).read_text()}")
        return []

    monkeypatch.setattr(build.golang, "find_go", lambda *_more: "go")
    monkeypatch.setattr(build.golang, "run", run)
    made = build_of(PROMETHEUS, tmp_path)
    made.archive()
    made.bill()
    folder = (made.mirror / made.text(PROMETHEUS.archive.path)).parent
    for program in ("prometheus", "promtool"):
        bill = folder / f"{program}-{made.version}.linux-amd64.cdx.json"
        assert bill.read_text() == f"modules of {program} of {made.label}"
        digest = hashlib.sha256(bill.read_bytes()).hexdigest()
        assert bill.with_name(f"{bill.name}.sha256").read_text() == f"{digest}  {bill.name}\n"
    made.bill()
    assert compiled == [made.label]
