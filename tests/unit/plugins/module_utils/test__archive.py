# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import io
import os
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest
from ansible_collections.claude_code.observability.plugins.module_utils import _archive
from ansible_collections.claude_code.observability.plugins.module_utils._archive import (
    ArchiveError,
    Release,
    clean_if_idle,
    extract,
    inspect,
    install,
    installed_versions,
    workspace,
)

LINK, HARD, FIFO, CHAR = tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE
DIRECTORY = tarfile.DIRTYPE


def entry(name: str, content: bytes = b"", mode: int = 0o644, kind: bytes = tarfile.REGTYPE, target: str = ""):
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.type, info.linkname = len(content), mode, kind, target
    return info, content


def tar(path: Path, *entries, form: str = "w:gz") -> str:
    with tarfile.open(path, form) as pack:
        for info, content in entries:
            pack.addfile(info, io.BytesIO(content))
    return str(path)


def zipped(path: Path, *entries: tuple[str, bytes, int], system: int = 3) -> str:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as pack:
        for name, content, mode in entries:
            info = zipfile.ZipInfo(name)
            info.create_system, info.external_attr = system, mode << 16
            pack.writestr(info, content)
    return str(path)


def release(**changes) -> Release:
    return Release(**{"name": "prog", "version": "1.0", "artifact": "prog.tar.gz", **changes})


def tree(path: Path) -> dict[str, tuple[str, object]]:
    found: dict[str, tuple[str, object]] = {}
    for item in sorted(path.rglob("*")):
        name, mode = str(item.relative_to(path)), f"{stat.S_IMODE(item.lstat().st_mode):04o}"
        if item.is_symlink():
            found[name] = ("link", os.readlink(item))
        elif item.is_dir():
            found[name] = (mode, None)
        else:
            found[name] = (mode, item.read_bytes())
    return found


@pytest.fixture
def out(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


PROGRAM = entry("prog-1.0/prog", b"ELF", 0o755)


# --- extraction ---


@pytest.mark.parametrize("form", ["w:gz", "w"])
def test_members_become_programs_under_their_own_names(tmp_path, out, form) -> None:
    archive = tar(tmp_path / "a", entry("prog-1.0/README"), entry("./prog-1.0/tool", b"T"), PROGRAM, form=form)
    extract(archive, str(out), release(members={"prog": "prog-1.0/prog", "checker": "./prog-1.0/tool"}))
    assert tree(out) == {"prog": ("0755", b"ELF"), "checker": ("0755", b"T")}


def test_a_member_of_a_zip_without_modes_becomes_a_program(tmp_path, out) -> None:
    archive = zipped(tmp_path / "a", ("loki-linux-amd64", b"ELF", 0))
    extract(archive, str(out), release(members={"loki": "loki-linux-amd64"}))
    assert tree(out) == {"loki": ("0755", b"ELF")}


@pytest.mark.parametrize("members", [{"mimir": "mimir-linux-amd64"}, {}], ids=["member", "whole"])
def test_a_program_alone_is_what_its_name_says(tmp_path, out, members) -> None:
    path = tmp_path / "transferred-under-another-name"
    path.write_bytes(b"\x7fELF program")
    extract(str(path), str(out), release(artifact="mimir-linux-amd64", members=members))
    assert tree(out) == {next(iter(members), "mimir-linux-amd64"): ("0755", b"\x7fELF program")}


def test_a_page_in_place_of_a_program_is_refused(tmp_path, out) -> None:
    (tmp_path / "a").write_bytes(b"<html>not found</html>")
    with pytest.raises(ArchiveError, match=r"mimir-linux-amd64"):
        extract(
            str(tmp_path / "a"), str(out), release(artifact="mimir-linux-amd64", members={"mimir": "mimir-linux-amd64"})
        )


def test_a_missing_member_is_named(tmp_path, out) -> None:
    with pytest.raises(ArchiveError, match=r"prog\.tar\.gz: no such member: prog-1.0/gone"):
        extract(tar(tmp_path / "a", PROGRAM), str(out), release(members={"prog": "prog-1.0/gone"}))


@pytest.mark.parametrize(
    ("members", "why"),
    [
        ({"a": "prog-1.0/prog", "b": "prog-1.0/prog"}, "same file"),
        ({"a": "prog-1.0"}, "not a plain file"),
        ({"a": "prog-1.0/link"}, "not a plain file"),
        ({"a": "../prog"}, "leads out of it"),
    ],
)
def test_members_that_are_no_plain_files_are_refused(tmp_path, out, members, why) -> None:
    link = entry("prog-1.0/link", kind=LINK, target="/etc/passwd")
    archive = tar(tmp_path / "a", entry("prog-1.0", kind=DIRECTORY), link, PROGRAM)
    with pytest.raises(ArchiveError, match=why):
        extract(archive, str(out), release(members=members))
    assert tree(out) == {}


def test_a_whole_archive_keeps_links_and_executable_bits_and_nothing_else_of_modes(tmp_path, out) -> None:
    archive = tar(
        tmp_path / "a",
        entry("./", kind=DIRECTORY),
        entry("g-1/", kind=DIRECTORY, mode=0o777),
        entry("g-1/bin/latest", kind=LINK, target="g"),
        entry("g-1/bin/g", b"ELF", 0o4775),
        entry("g-1/conf/ini", b"c", 0o666),
        entry("g-1/conf/hard", kind=HARD, target="g-1/conf/ini"),
        entry("g-1/public", kind=LINK, target="./share/public"),
        entry("g-1/share/public/", kind=DIRECTORY, mode=0o700),
    )
    with workspace(str(out), "g") as work:
        os.mkdir(f"{work}/tree")
        extract(archive, f"{work}/tree", release(strip_components=1))
        assert tree(Path(work, "tree")) == {
            "bin": ("0755", None),
            "bin/g": ("0755", b"ELF"),
            "bin/latest": ("link", "g"),
            "conf": ("0755", None),
            "conf/ini": ("0644", b"c"),
            "conf/hard": ("0644", b"c"),
            "public": ("link", "./share/public"),
            "share": ("0755", None),
            "share/public": ("0755", None),
        }


def test_a_whole_zip_keeps_links_and_executable_bits(tmp_path, out) -> None:
    archive = zipped(
        tmp_path / "a",
        ("g/", b"", stat.S_IFDIR | 0o755),
        ("g/run", b"ELF", stat.S_IFREG | 0o755),
        ("g/doc", b"d", stat.S_IFREG | 0o600),
        ("g/go", b"run", stat.S_IFLNK | 0o777),
    )
    extract(archive, str(out), release(strip_components=1))
    assert tree(out) == {"run": ("0755", b"ELF"), "doc": ("0644", b"d"), "go": ("link", "run")}


@pytest.mark.parametrize(
    ("evil", "why"),
    [
        ([entry("../x", b"x")], "leads out of it"),
        ([entry("a/../../x", b"x")], "leads out of it"),
        ([entry("/tmp/x", b"x")], "leads out of it"),
        ([entry("a\nb", b"x")], "unprintable"),
        ([entry("x", kind=FIFO)], "neither file, directory nor link"),
        ([entry("x", kind=CHAR)], "neither file, directory nor link"),
        ([entry("x", kind=LINK, target="/etc")], "is not safe"),
        ([entry("x", kind=LINK, target="../..")], "leads out of it"),
        ([entry("d/x", kind=LINK, target="../../out2")], "leads out of it"),
        ([entry("x", kind=LINK, target="."), entry("x/y", kind=LINK, target="z")], "is not safe"),
        (
            # Harmless one by one; together the second one points beside the tree.
            [entry("d/up", kind=LINK, target=".."), entry("y", kind=LINK, target="d/up/../z")],
            "leads out of it",
        ),
        ([entry("x", kind=LINK, target="d"), entry("d", kind=DIRECTORY), entry("x/evil", b"x")], "stands twice"),
        ([entry("x", b"1"), entry("x", b"2")], "stands twice"),
        ([entry("x", b"1"), entry("x/y", b"2")], "stands twice"),
        ([entry("x/y", b"1"), entry("x", b"2")], "stands twice"),
        ([entry("x", b"1"), entry("x", kind=DIRECTORY)], "stands twice"),
        ([entry("x", kind=HARD, target="/etc/passwd")], "links to nothing"),
    ],
)
def test_nothing_leaves_the_tree(tmp_path, out, evil, why) -> None:
    before = set(tmp_path.rglob("*")) | {tmp_path / "a"}
    with pytest.raises(ArchiveError, match=why):
        extract(tar(tmp_path / "a", *evil), str(out), release())
    assert {path for path in tmp_path.rglob("*") if out not in path.parents} == before


@pytest.mark.parametrize(
    ("name", "mode", "why"),
    [("../x", 0, "leads out"), ("/x", 0, "leads out"), ("x", stat.S_IFIFO, "neither"), ("x", stat.S_IFLNK, "not safe")],
)
def test_nothing_leaves_the_tree_from_a_zip(tmp_path, out, name, mode, why) -> None:
    with pytest.raises(ArchiveError, match=why):
        extract(zipped(tmp_path / "a", (name, b"/etc/passwd", mode)), str(out), release())
    assert tree(out) == {}


def test_too_much_stripping_is_named(tmp_path, out) -> None:
    with pytest.raises(ArchiveError, match="nothing is left after strip_components=2"):
        extract(tar(tmp_path / "a", PROGRAM), str(out), release(strip_components=2))


@pytest.mark.parametrize(("limit", "why"), [("MAX_BYTES", "more than 2 bytes"), ("MAX_ENTRIES", "more than 2 entries")])
def test_an_archive_beyond_the_limits_is_refused(tmp_path, out, monkeypatch, limit, why) -> None:
    monkeypatch.setattr(_archive, limit, 2)
    with pytest.raises(ArchiveError, match=why):
        extract(tar(tmp_path / "a", *(entry(f"{n}", b"x") for n in range(3))), str(out), release())


@pytest.mark.parametrize("content", [b"", b"hello", b"\x1f\x8b\x08garbage", b"PK\x03\x04garbage"])
def test_what_is_no_archive_is_said_to_be_none(tmp_path, out, content) -> None:
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(ArchiveError, match=r"prog\.tar\.gz cannot be unpacked"):
        extract(str(tmp_path / "a"), str(out), release())


def test_a_cut_archive_is_said_to_be_broken(tmp_path, out) -> None:
    whole = Path(tar(tmp_path / "a", entry("x", os.urandom(9000)))).read_bytes()
    (tmp_path / "a").write_bytes(whole[:-500])
    with pytest.raises(ArchiveError, match="cannot be unpacked"):
        extract(str(tmp_path / "a"), str(out), release())


# --- installing and inspecting ---


def put(dest: Path, archive: str, wanted: Release) -> Path:
    path = dest / wanted.version
    with workspace(str(dest), wanted.name) as work:
        install(archive, "0" * 64, wanted, work, str(path))
    return path


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    archive = tar(tmp_path / "a", PROGRAM, entry("prog-1.0/d/l", kind=LINK, target="../prog"))
    return put(tmp_path / "opt" / "prog", archive, release(strip_components=1))


WANTED = release(strip_components=1)


def test_an_installed_version_is_whole_and_only_that_stands_in_dest(installed) -> None:
    assert inspect(str(installed), WANTED) == ("", "0" * 64)
    assert inspect(str(installed), release(strip_components=1, checksum="0" * 64)).flaw == ""
    assert sorted(os.listdir(installed.parent)) == [".claude_code.observability.json", "1.0"]
    assert installed_versions(str(installed.parent)) == ["1.0"]


def test_services_may_enter_whatever_the_umask(tmp_path) -> None:
    before = os.umask(0o077)
    try:
        path = put(tmp_path / "x" / "y", tar(tmp_path / "a", PROGRAM), WANTED)
    finally:
        os.umask(before)
    modes = [stat.S_IMODE(p.stat().st_mode) for p in (path.parent.parent, path.parent, path, path / "prog")]
    assert modes == [0o755] * 4
    assert os.umask(before) == before


def rewrite(path: Path) -> None:
    # Same size; the clock of the file system may be too coarse to tell this write from the first.
    before = path.stat().st_mtime_ns
    path.write_bytes(b"ELG")
    os.utime(path, ns=(before + 1, before + 1))


def relink(path: Path) -> None:
    path.unlink()
    path.symlink_to("elsewhere")


@pytest.mark.parametrize(
    ("name", "damage", "flaw"),
    [
        ("prog", Path.unlink, "prog is missing"),
        ("prog", rewrite, "prog was changed"),
        ("prog", lambda path: path.chmod(0o777), "prog was changed"),
        ("prog", relink, "prog was changed"),
        ("d/l", relink, "d/l was changed"),
        ("d", lambda path: path.chmod(0o777), "d was changed"),
        ("", lambda path: path.chmod(0o700), ". was changed"),
        (".claude_code.observability.json", lambda path: path.write_text("{"), "is not JSON"),
        (".claude_code.observability.json", lambda path: path.write_text("{}"), "another artifact"),
    ],
)
def test_any_damage_is_seen_and_mended(tmp_path, installed, name, damage, flaw) -> None:
    damage(installed / name)
    assert flaw in inspect(str(installed), WANTED).flaw
    put(installed.parent, str(tmp_path / "a"), WANTED)
    assert inspect(str(installed), WANTED).flaw == ""
    assert (installed / "prog").read_bytes() == b"ELF"
    assert sorted(os.listdir(installed.parent)) == [".claude_code.observability.json", "1.0"]


@pytest.mark.parametrize(
    ("change", "flaw"),
    [
        ({"checksum": "1" * 64}, "another sha256"),
        ({"artifact": "prog-arm64.tar.gz"}, "another artifact"),
        ({"members": {"prog": "prog-1.0/prog"}}, "another members"),
        ({"strip_components": 0}, "another strip_components"),
    ],
)
def test_a_version_that_came_from_something_else_is_not_whole(installed, change, flaw) -> None:
    assert flaw in inspect(str(installed), release(**{"strip_components": 1, **change})).flaw


def test_extra_files_do_no_harm(installed) -> None:
    (installed / "notes").write_text("mine")
    assert inspect(str(installed), WANTED).flaw == ""


def test_what_is_not_ours_is_refused(tmp_path) -> None:
    (tmp_path / "1.0").mkdir()
    assert inspect(str(tmp_path / "1.0"), WANTED).flaw == "empty"
    (tmp_path / "1.0" / "theirs").touch()
    with pytest.raises(ArchiveError, match="was not installed by this collection"):
        inspect(str(tmp_path / "1.0"), WANTED)
    (tmp_path / "link").symlink_to("1.0")
    with pytest.raises(ArchiveError, match="is not a directory"):
        inspect(str(tmp_path / "link"), WANTED)


def test_the_old_version_comes_back_if_the_new_one_cannot_be_moved_in(tmp_path, installed, monkeypatch) -> None:
    rename = os.rename

    def failing(source: str, target: str) -> None:
        if source.endswith("tree"):
            raise OSError("no")
        rename(source, target)

    (installed / "prog").unlink()
    monkeypatch.setattr(os, "rename", failing)
    with pytest.raises(OSError, match="no"):
        put(installed.parent, str(tmp_path / "a"), WANTED)
    assert (installed / "d").is_dir()


def test_many_files_are_synced_at_once(tmp_path, monkeypatch) -> None:
    calls: list[str] = []
    monkeypatch.setattr(os, "sync", lambda: calls.append("sync"))
    many = tar(tmp_path / "a", *(entry(f"prog-1.0/{n}", b"x") for n in range(101)))
    put(tmp_path / "opt", many, WANTED)
    assert calls == ["sync"]


def test_leftovers_go_but_not_those_of_a_run_at_work(tmp_path) -> None:
    (tmp_path / ".release_archive-dead").mkdir()
    with workspace(str(tmp_path), "prog") as work:
        assert not (tmp_path / ".release_archive-dead").exists()
        assert stat.S_IMODE(os.stat(work).st_mode) == 0o700
        clean_if_idle(str(tmp_path))
        assert os.path.isdir(work)
    (tmp_path / ".release_archive-dead").mkdir()
    clean_if_idle(str(tmp_path))
    assert os.listdir(tmp_path) == [".claude_code.observability.json"]


def test_a_directory_with_someone_elses_files_is_not_marked_as_ours(tmp_path) -> None:
    (tmp_path / "theirs").touch()
    put(tmp_path, tar(tmp_path / "a", PROGRAM), WANTED)
    assert not (tmp_path / ".claude_code.observability.json").exists()
