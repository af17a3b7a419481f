# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bundle: all that an installation without a network takes, with its checksums and bill of materials."""

from __future__ import annotations

import email
import gzip
import hashlib
import io
import json
import os
import re
import tarfile
import uuid
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ansible_collections.claude_code.observability.plugins.module_utils._util import COLLECTION

SUMS = "SHA256SUMS"
MANIFEST = "manifest.json"
SBOM = "sbom.cdx.json"
FORMAT = 1
# The directories of what says itself what it is. Of the others the index is told.
SELF_DESCRIBED = {"collections": "collection", "wheels": "wheel", "docs": "document"}
TOLD = ("releases", "images")
CYCLONEDX_TYPES = {"archive": "application", "image": "container", "collection": "library", "wheel": "library"}
SUMS_LINE = re.compile(r"([0-9a-f]{64})  (.+)")


class BundleError(Exception):
    """A bundle that cannot be made or trusted; the text says which and what to do."""


@dataclass(frozen=True)
class Artifact:
    """A file of a bundle. Version, platform, source (a URL) and licence (SPDX) are empty where there is none."""

    path: str
    kind: str
    name: str
    version: str = ""
    platform: str = ""
    source: str = ""
    license: str = ""


# --- the files ----------------------------------------------------------------------------------


def sha256_of(path: str) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        for chunk in iter(lambda: stream.read(1 << 20), b""):
            digest.update(chunk)
    return digest.hexdigest()


def replace_file(path: str, content: bytes, dry: bool = False) -> bool:
    """Gives a file this content by one rename, unless it is a dry run; whether that changes it."""
    if os.path.exists(path):
        with open(path, "rb") as old:
            if old.read() == content:
                return False
    if dry:
        return True
    os.makedirs(os.path.dirname(path), exist_ok=True)
    new = f"{path}.new"
    with open(new, "wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
    os.replace(new, path)
    return True


def files_below(directory: str, folders: Iterable[str]) -> list[str]:
    """The paths of all files of these folders, relative to the directory, in order."""
    return sorted(
        os.path.relpath(os.path.join(folder, name), directory)
        for top in folders
        for folder, _below, names in os.walk(os.path.join(directory, top))
        for name in names
    )


# --- what they are ------------------------------------------------------------------------------


def described(directory: str, path: str) -> Artifact:
    """An artifact that says itself what it is: a collection, a wheel or a document."""
    kind = SELF_DESCRIBED[path.split("/")[0]]
    file = os.path.join(directory, path)
    try:
        if kind == "collection":
            with tarfile.open(file) as archive:
                content = archive.extractfile("MANIFEST.json")
                told = json.load(content)["collection_info"] if content else {}
            licence = " AND ".join(told["license"] or [])
            return Artifact(path, kind, f"{told['namespace']}.{told['name']}", told["version"], license=licence)
        if kind == "wheel" and path.endswith(".whl"):
            with zipfile.ZipFile(file) as wheel:
                name = next(name for name in wheel.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", name))
                metadata = email.message_from_bytes(wheel.read(name))
            licence = metadata["License-Expression"] or ""
            return Artifact(path, kind, metadata["Name"], metadata["Version"], license=licence)
    except (OSError, KeyError, StopIteration, ValueError, tarfile.TarError, zipfile.BadZipFile) as exc:
        raise BundleError(f"{file} is no {kind}: remove it, and make the bundle again") from exc
    return Artifact(path, "document", path)


def artifacts_of(directory: str, told: Iterable[Artifact]) -> list[Artifact]:
    """Everything in the bundle: what this run and earlier ones brought, as far as it is there."""
    known = {artifact.path: artifact for artifact in [*earlier(directory), *told]}
    there = [known[path] for path in files_below(directory, TOLD) if path in known]
    return there + [described(directory, path) for path in files_below(directory, SELF_DESCRIBED)]


def earlier(directory: str) -> list[Artifact]:
    """What the manifest of an earlier run lists; nothing without one."""
    try:
        with open(os.path.join(directory, MANIFEST), encoding="utf-8") as handle:
            return read_manifest(handle.read())
    except FileNotFoundError:
        return []
    except ValueError as exc:
        raise BundleError(f"{os.path.join(directory, MANIFEST)} is damaged: {exc}. Choose another directory") from exc


def read_manifest(text: str) -> list[Artifact]:
    content = json.loads(text)
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ValueError(f"its format is not {FORMAT}")
    return [Artifact(**entry) for entry in content["artifacts"]]


# --- the index ----------------------------------------------------------------------------------


def write_index(directory: str, told: Iterable[Artifact], version: str) -> tuple[bool, list[Artifact], str]:
    """Writes manifest, bill of materials and checksums; returns whether that changed any, what is in the bundle, and
    the SHA-256 of the checksums. Another run with the same files writes the same bytes."""
    artifacts = artifacts_of(directory, told)
    sums = {artifact.path: sha256_of(os.path.join(directory, artifact.path)) for artifact in artifacts}
    texts = {
        MANIFEST: as_json({"format": FORMAT, "artifacts": [asdict(artifact) for artifact in artifacts]}),
        SBOM: as_json(bill_of_materials(artifacts, sums, version)),
    }
    sums.update((name, hashlib.sha256(text.encode()).hexdigest()) for name, text in texts.items())
    texts[SUMS] = "".join(f"{checksum}  {path}\n" for path, checksum in sorted(sums.items()))
    written = [replace_file(os.path.join(directory, name), text.encode()) for name, text in texts.items()]
    return any(written), artifacts, hashlib.sha256(texts[SUMS].encode()).hexdigest()


def as_json(content: Any) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def bill_of_materials(artifacts: Iterable[Artifact], sums: Mapping[str, str], version: str) -> dict[str, Any]:
    """CycloneDX 1.6. It has no time of its own, so that equal bundles have equal bills."""
    components = [
        component(artifact, sums[artifact.path]) for artifact in artifacts if artifact.kind in CYCLONEDX_TYPES
    ]
    identity = json.dumps([version, components], sort_keys=True)
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, identity)}",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": "bundle",
                "name": f"{COLLECTION} bundle",
                "version": version,
            }
        },
        "components": components,
    }


def component(artifact: Artifact, checksum: str) -> dict[str, Any]:
    facts = {"path": artifact.path, "platform": artifact.platform}
    made = {
        "type": CYCLONEDX_TYPES[artifact.kind],
        "bom-ref": artifact.path,
        "name": artifact.name,
        "version": artifact.version,
        "hashes": [{"alg": "SHA-256", "content": checksum}],
        "purl": package_url(artifact),
        "properties": [{"name": f"{COLLECTION}:{name}", "value": value} for name, value in facts.items() if value],
    }
    if artifact.license:
        made["licenses"] = [{"expression": artifact.license}]
    if artifact.source:
        made["externalReferences"] = [{"type": "distribution", "url": artifact.source}]
    return made


def package_url(artifact: Artifact) -> str:
    if artifact.kind == "wheel":
        return f"pkg:pypi/{re.sub('[-_.]+', '-', artifact.name).lower()}@{artifact.version}"
    if artifact.kind == "image":
        arch = artifact.platform.rpartition("_")[2]
        return f"pkg:docker/{artifact.name.rpartition(':')[0]}@{artifact.version}?arch={arch}"
    return f"pkg:generic/{artifact.name.replace('.', '/', 1)}@{artifact.version}"


# --- what an installation takes from it ---------------------------------------------------------


class Bundle:
    """A bundle as it was carried over. Its checksums vouch for everything else in it."""

    def __init__(self, directory: str) -> None:
        self.directory = os.path.abspath(os.path.expanduser(directory))
        try:
            self.sums = {found.group(2): found.group(1) for found in SUMS_LINE.finditer(self._read(SUMS))}
            manifest = self._read(MANIFEST)
        except OSError as exc:
            raise BundleError(
                f"stack_bundle is {directory}, where there is no {os.path.basename(exc.filename)} ({exc.strerror}). "
                "Set it to a directory that playbooks/bundle.yml has filled"
            ) from exc
        if hashlib.sha256(manifest.encode()).hexdigest() != self.sums.get(MANIFEST):
            raise self._tampered(MANIFEST)
        try:
            self.artifacts = read_manifest(manifest)
        except ValueError as exc:
            raise BundleError(
                f"stack_bundle is {directory}, which another version of the collection has made: {exc}. "
                "Install with the collection that is in the bundle"
            ) from exc

    def _read(self, name: str) -> str:
        with open(os.path.join(self.directory, name), encoding="utf-8") as handle:
            return handle.read()

    def _tampered(self, path: str) -> BundleError:
        return BundleError(
            f"stack_bundle is {self.directory}, whose {path} is not what its {SUMS} says: nothing was changed. "
            "Carry the bundle over again, and find out who changed it"
        )

    def find(self, kind: str, name: str, version: str = "", platform: str = "") -> Artifact:
        """The one artifact of this kind and name, and of this version and platform where given; it must be there."""
        alike = [artifact for artifact in self.artifacts if (artifact.kind, artifact.name) == (kind, name)]
        for artifact in alike:
            if version in ("", artifact.version) and platform in ("", artifact.platform):
                if not os.path.isfile(os.path.join(self.directory, artifact.path)):
                    raise self._tampered(artifact.path)
                return artifact
        wanted = " ".join(filter(None, (kind, name, version, platform)))
        others = alike or [artifact for artifact in self.artifacts if artifact.kind == kind]
        has = ", ".join(" ".join(filter(None, (one.name, one.version, one.platform))) for one in others)
        raise BundleError(
            f"stack_bundle is {self.directory}, which holds no {wanted}; of that kind it holds {has or 'nothing'}. "
            "Ask for what it holds, or add this with playbooks/bundle.yml, by the same variables"
        )

    def path(self, artifact: Artifact) -> str:
        return os.path.join(self.directory, artifact.path)

    def checksum(self, artifact: Artifact) -> str:
        """What the bundle says the artifact's SHA-256 is."""
        return self.sums[artifact.path]


# --- collections --------------------------------------------------------------------------------


def pack_collection(source: str, folder: str) -> tuple[str, bytes]:
    """An installed collection as the archive that ansible-galaxy installs: the archive's path, and its content.

    What a distributor has left out is not missed; what somebody has changed is refused.
    The same files give the same bytes.
    """
    try:
        with open(os.path.join(source, "MANIFEST.json"), encoding="utf-8") as handle:
            manifest = json.load(handle)
        with open(os.path.join(source, "FILES.json"), encoding="utf-8") as handle:
            listed = json.load(handle)
    except FileNotFoundError as exc:
        raise BundleError(f"{source} is no installed collection: there is no {os.path.basename(exc.filename)}") from exc
    contents = dict(_unchanged(source, listed["files"]))
    listed["files"] = [entry for entry in listed["files"] if entry["name"] == "." or entry["name"] in contents]
    files = json.dumps(listed, indent=1).encode()
    manifest["file_manifest_file"]["chksum_sha256"] = hashlib.sha256(files).hexdigest()
    contents = {"MANIFEST.json": json.dumps(manifest, indent=1).encode(), "FILES.json": files, **contents}
    told = manifest["collection_info"]
    return os.path.join(folder, f"{told['namespace']}-{told['name']}-{told['version']}.tar.gz"), _tarball(
        source, contents
    )


def _unchanged(source: str, entries: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, bytes | None]]:
    """The listed files that are there, with their content, and the listed directories, with None."""
    for entry in entries:
        path = os.path.join(source, entry["name"])
        if entry["name"] == "." or not os.path.exists(path):
            continue
        if entry["ftype"] == "dir":
            yield entry["name"], None
            continue
        with open(path, "rb") as handle:
            content = handle.read()
        if hashlib.sha256(content).hexdigest() != entry["chksum_sha256"]:
            raise BundleError(f"{path} is not as it was published: install the collection again with --force")
        yield entry["name"], content


def _tarball(source: str, contents: Mapping[str, bytes | None]) -> bytes:
    packed = io.BytesIO()
    with gzip.GzipFile("", "wb", 9, packed, mtime=0) as stream, tarfile.open(mode="w", fileobj=stream) as archive:
        for name, content in contents.items():
            info = tarfile.TarInfo(name)
            info.mode = 0o755 if content is None or os.access(os.path.join(source, name), os.X_OK) else 0o644
            if content is None:
                info.type = tarfile.DIRTYPE
                archive.addfile(info)
            else:
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    return packed.getvalue()
