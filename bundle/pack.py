# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Release archives, checksum files and images, the same bytes for the same input."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import shutil
import tarfile
import zipfile
from pathlib import Path, PurePosixPath
from typing import IO

# The earliest time a zip can hold.
TIMESTAMP = 315532800
ZIP_TIME = (1980, 1, 1, 0, 0, 0)


def sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        for block in iter(lambda: stream.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def mode_of(path: Path) -> int:
    return 0o755 if path.stat().st_mode & 0o100 else 0o644


def write_archive(target: Path, members: dict[str, Path]) -> None:
    """Packs the files as .tar.gz or .zip, by the target's name; else the target is the one file itself."""
    if target.suffix not in (".zip", ".gz"):
        (path,) = members.values()
        shutil.copy2(path, target)
        return
    if target.suffix == ".zip":
        write_zip(target, members)
        return
    with target.open("wb") as raw, gzip.GzipFile("", "wb", 6, raw, mtime=0) as packed, tar(packed) as archive:
        for name, path in sorted(members.items()):
            add_file(archive, name, path)


def tar(stream: IO[bytes] | gzip.GzipFile) -> tarfile.TarFile:
    return tarfile.open(mode="w", fileobj=stream, format=tarfile.PAX_FORMAT)


def write_zip(target: Path, members: dict[str, Path]) -> None:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, path in sorted(members.items()):
            info = zipfile.ZipInfo(name, ZIP_TIME)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.create_system = 3
            info.external_attr = (0o100000 | mode_of(path)) << 16
            info.file_size = path.stat().st_size
            with path.open("rb") as source, archive.open(info, "w") as packed:
                shutil.copyfileobj(source, packed, 1 << 20)


def add_file(archive: tarfile.TarFile, name: str, path: Path) -> None:
    info = tarfile.TarInfo(name)
    info.size = path.stat().st_size
    info.mtime = TIMESTAMP
    info.mode = mode_of(path)
    with path.open("rb") as stream:
        archive.addfile(info, stream)


def add_directory(archive: tarfile.TarFile, name: str, mode: int, owner: tuple[int, int]) -> None:
    info = tarfile.TarInfo(name)
    info.type = tarfile.DIRTYPE
    info.mtime = TIMESTAMP
    info.mode = mode
    info.uid, info.gid = owner
    archive.addfile(info)


def add_bytes(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    info.mtime = TIMESTAMP
    archive.addfile(info, io.BytesIO(content))


def merge_checksums(existing: str, name: str, digest: str) -> str:
    """The list form with this file's line set and the other files' lines kept."""
    lines = {line.split()[-1].lstrip("*"): line for line in existing.splitlines() if line.strip()}
    lines[name] = f"{digest}  {name}"
    return "".join(f"{lines[key]}\n" for key in sorted(lines))


def write_image(
    target: Path,
    *,
    tag: str,
    arch: str,
    entrypoint: str,
    arguments: list[str],
    user: str,
    ports: list[int],
    volumes: list[str],
    owned: list[str],
    files: dict[str, Path],
) -> None:
    """An image of one layer, in the format of `docker save`: no engine is needed to write it."""
    layer = target.with_name("layer.tar")
    write_layer(layer, files, owned, user)
    digest = sha256(layer)
    config = {
        "architecture": arch,
        "os": "linux",
        "created": "1980-01-01T00:00:00Z",
        "config": {
            "User": user,
            "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
            "Entrypoint": [entrypoint],
            "Cmd": arguments,
            "WorkingDir": "/",
            "ExposedPorts": {f"{port}/tcp": {} for port in ports},
            "Volumes": {path: {} for path in volumes} or None,
        },
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
        "history": [{"created": "1980-01-01T00:00:00Z", "created_by": "bundle/build.py"}],
    }
    text = json.dumps(config, sort_keys=True).encode()
    config_name = f"{hashlib.sha256(text).hexdigest()}.json"
    manifest = [{"Config": config_name, "RepoTags": [tag], "Layers": [f"{digest}/layer.tar"]}]
    with target.open("wb") as stream, tar(stream) as image:
        add_bytes(image, config_name, text)
        add_directory(image, digest, 0o755, (0, 0))
        add_file(image, f"{digest}/layer.tar", layer)
        add_bytes(image, "manifest.json", json.dumps(manifest).encode())
    layer.unlink()


def write_layer(target: Path, files: dict[str, Path], owned: list[str], user: str) -> None:
    numbers = [int(part) for part in user.split(":")]
    owner = (numbers[0], numbers[-1])
    directories = {str(parent) for name in files for parent in PurePosixPath(name).parents}
    with target.open("wb") as stream, tar(stream) as layer:
        for name in sorted(directories - {"/"}):
            add_directory(layer, name.lstrip("/"), 0o755, (0, 0))
        add_directory(layer, "tmp", 0o1777, (0, 0))
        for name in owned:
            add_directory(layer, name.lstrip("/"), 0o755, owner)
        for name, path in sorted(files.items()):
            add_file(layer, name.lstrip("/"), path)
