#!/usr/bin/env python3
# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds the collector, Prometheus, Loki and Mimir from their Go modules into a mirror the roles install from."""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import json
import os
import platform
import re
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import golang
import pack
from golang import BuildError, Report
from programs import PROGRAMS, Program

BUNDLE = Path(__file__).resolve().parent
ROOT = BUNDLE.parent
ARCHITECTURES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
CERTIFICATES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")
MACHINES = {"amd64": 62, "arm64": 183}
KEPT_RESULTS = 2
# What writes the bills of materials, from what Go keeps in every program.
BILL_WRITER = "github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.9.0"


def cache_directory() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "claude_code.observability" / "bundle"


# --- versions -----------------------------------------------------------------------------------


def stated_version(program: Program, root: Path = ROOT) -> str:
    """The version in the role's defaults, the one place that states it."""
    path = root / program.defaults
    pattern = rf"^{program.version_variable}:\s*[\"']?(\d+\.\d+\.\d+)[\"']?\s*(?:#.*)?$"
    found = re.search(pattern, path.read_text(encoding="utf-8"), re.MULTILINE) if path.is_file() else None
    if not found:
        raise BuildError(f'{program.defaults}: no line like {program.version_variable}: "1.2.3"')
    return found.group(1)


def module_version(program: Program, version: str) -> str:
    """The version of the Go module: Prometheus 3.13.5 is v0.313.5, Mimir's a commit's, the others have one number."""
    if program.module_versions:
        # The name of the commit's tag, of which go makes a version.
        return program.module_versions.get(version, f"{program.name}-{version}")
    if program.name != "prometheus":
        return f"v{version}"
    major, minor, patch = version.split(".")
    return f"v0.{major}{int(minor):02d}.{patch}"


def check_go_mod(program: Program, version: str, text: str) -> None:
    """The committed go.mod must build the version that the role's defaults state."""
    wanted = module_version(program, version)
    found = re.search(rf"^(?:require)?\s*{re.escape(program.module)} (v\S+)", text, re.MULTILINE)
    built = found.group(1) if found else "no version"
    if built != wanted:
        packages = " ".join(f"{package}@{wanted}" for package in program.packages.values())
        raise BuildError(
            f"bundle/{program.name}/go.mod builds {program.module} {built}, but {program.version_variable} in "
            f"{program.defaults} is {version}, which is {wanted}.\n"
            f"Copy the replace and exclude lines of {wanted}'s own go.mod, then: "
            f"cd bundle/{program.name} && go get -tool {packages}"
        )


# --- the cache ----------------------------------------------------------------------------------


def digest_of(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


@contextmanager
def locked(cache: Path, name: str, report: Report) -> Iterator[None]:
    """One process at a time for this name; what a killed one left of it is removed."""
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / f".{name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report(f"another run is at {name}: waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        for left in cache.glob(f".new-{name}-*"):
            shutil.rmtree(left)
        yield


def cached(cache: Path, name: str, key: str, produce: Callable[[Path], None], report: Report) -> Path:
    """The directory with this key, produced whole or not at all; older keys of the name go."""
    final = cache / f"{name}-{key}"
    if final.is_dir():
        return final
    with locked(cache, name, report):
        if final.is_dir():
            return final
        with tempfile.TemporaryDirectory(dir=cache, prefix=f".new-{name}-") as staging:
            result = Path(staging) / "result"
            result.mkdir()
            produce(result)
            result.rename(final)
        results = sorted(cache.glob(f"{name}-{'[0-9a-f]' * 16}"), key=lambda path: path.stat().st_mtime)
        for old in results[:-KEPT_RESULTS]:
            if old != final:
                shutil.rmtree(old)
    return final


def publish(source: Path, target: Path) -> None:
    """Puts a result into the mirror by one rename, unless it is there."""
    wanted = source.stat()
    if target.is_file():
        there = target.stat()
        if (there.st_size, there.st_mtime_ns) == (wanted.st_size, wanted.st_mtime_ns):
            return
    target.parent.mkdir(parents=True, exist_ok=True)
    new = target.with_name(f".{target.name}.new")
    new.unlink(missing_ok=True)
    try:
        os.link(source, new)
    except OSError:
        shutil.copy2(source, new)
    new.replace(target)


def publish_text(text: str, target: Path) -> None:
    if target.is_file() and target.read_text(encoding="utf-8") == text:
        return
    new = target.with_name(f".{target.name}.new")
    new.write_text(text, encoding="utf-8")
    new.replace(target)


# --- one program --------------------------------------------------------------------------------


class Build:
    """One program for one architecture, at its stated version or at another one."""

    def __init__(
        self, program: Program, arch: str, cache: Path, mirror: Path, report: Report, version: str = ""
    ) -> None:
        self.program = program
        self.arch = arch
        self.cache = cache
        self.mirror = mirror
        self.report = report
        self.stated = stated_version(program)
        self.version = version or self.stated
        self.label = f"{program.name} {self.version} {arch}"
        self.sources = self.read_sources()
        self.key = digest_of([self.sources, self.build_arguments(), sorted(program.extras.items()), arch])

    def text(self, template: str) -> str:
        return template.format(version=self.version, arch=self.arch)

    def read_sources(self) -> dict[str, str]:
        folder = BUNDLE / self.program.name
        if not self.program.module:
            template = (folder / "builder.yaml.in").read_text(encoding="utf-8")
            return {"builder.yaml": template.replace("@VERSION@", self.version)}
        sources = {name: (folder / name).read_text(encoding="utf-8") for name in ("go.mod", "go.sum")}
        check_go_mod(self.program, self.stated, sources["go.mod"])
        return sources

    def build_arguments(self) -> list[str]:
        flags = "-s -w"
        if self.program.version_symbol:
            flags += f" -X {self.program.version_symbol}={self.version}"
        return ["build", "-v", "-trimpath", "-buildvcs=false", "-ldflags", flags]

    def binaries(self) -> Path:
        return cached(self.cache, f"{self.program.name}-{self.arch}-programs", self.key, self.compile, self.report)

    def compile(self, result: Path) -> None:
        with locked(self.cache, "go", self.report):
            go = golang.find_go(self.cache, self.report)
        env = golang.environment(self.arch)
        folder = result.with_name("sources")
        folder.mkdir()
        for name, text in self.sources.items():
            (folder / name).write_text(text, encoding="utf-8")
        if not self.program.module:
            self.generate(go, folder)
        elif self.version != self.stated:
            wanted = module_version(self.program, self.version)
            argv = [go, "get", "-tool", *(f"{package}@{wanted}" for package in self.program.packages.values())]
            golang.run(argv, folder, env, self.label, self.report)
        self.report(f"{self.label}: fetching modules")
        packages = list(self.program.packages.values())
        listed = golang.run([go, "list", "-deps", *packages], folder, env, self.label, self.report)
        self.report(f"{self.label}: compiling {len(listed)} packages, unless Go's own cache has them")
        for binary, package in self.program.packages.items():
            argv = [go, *self.build_arguments(), "-o", str(result / binary), package]
            golang.run(argv, folder, env, f"{self.label}: {binary}", self.report, len(listed))
            self.check_version(result / binary)
            self.report(f"{self.label}: built {binary}, {megabytes(result / binary)}")
        if self.program.extras:
            argv = [go, "list", "-m", "-f", "{{.Dir}}", self.program.module]
            module = Path(golang.run(argv, folder, env, self.label, self.report)[-1])
            for name, path in self.program.extras.items():
                shutil.copyfile(module / path, result / name)

    def generate(self, go: str, folder: Path) -> None:
        self.report(f"{self.label}: writing sources with the collector builder")
        builder = f"go.opentelemetry.io/collector/cmd/builder@v{self.version}"
        options = ["--config", "builder.yaml", "--skip-compilation", "--skip-strict-versioning"]
        path = f"{Path(go).parent}{os.pathsep}{os.environ.get('PATH', '')}"
        env = {**golang.environment(), "PATH": path}
        golang.run([go, "run", builder, *options], folder, env, self.label, self.report)

    def check_version(self, binary: Path) -> None:
        """Where the program runs on this machine, it must tell the version it was built as."""
        if (sys.platform, ARCHITECTURES.get(platform.machine())) != ("linux", self.arch):
            return
        done = subprocess.run([str(binary), "--version"], capture_output=True, text=True, check=False)
        if not re.search(rf"\bv?{re.escape(self.version)}\b", done.stdout + done.stderr):
            raise BuildError(f"{self.label}: `{binary.name} --version` says {(done.stdout + done.stderr).strip()!r}")

    def packed(self, kind: str, inputs: list[str], produce: Callable[[Path], None]) -> Path:
        recipes = [pack.sha256(BUNDLE / name) for name in ("pack.py", "programs.py")]
        name, key = f"{self.program.name}-{self.arch}-{kind}", digest_of([self.key, recipes, inputs])
        return cached(self.cache, name, key, produce, self.report)

    def archive(self) -> None:
        """Publishes the release archive, then its checksum."""
        target = self.mirror / self.text(self.program.archive.path)

        def produce(result: Path) -> None:
            binaries = self.binaries()
            members = self.program.archive.members.items()
            self.report(f"{self.label}: packing {target.name}")
            pack.write_archive(result / target.name, {self.text(name): binaries / path for name, path in members})
            (result / "sha256").write_text(pack.sha256(result / target.name), encoding="utf-8")

        result = self.packed("archive", [], produce)
        digest = (result / "sha256").read_text(encoding="utf-8")
        checksums = target.with_name(self.text(self.program.archive.checksums))
        with locked(self.cache, "mirror", self.report):
            publish(result / target.name, target)
            if not self.program.archive.bare:
                existing = checksums.read_text(encoding="utf-8") if checksums.is_file() else ""
                digest = pack.merge_checksums(existing, target.name, digest)
            publish_text(digest, checksums)
        self.report(f"{self.label}: {target.relative_to(self.mirror)}, {megabytes(target)}")

    def bill(self) -> None:
        """Publishes for each program a list of the modules in it (CycloneDX), and its checksum, beside the archive."""
        folder = (self.mirror / self.text(self.program.archive.path)).parent

        def produce(result: Path) -> None:
            binaries = self.binaries()
            with locked(self.cache, "go", self.report):
                go = golang.find_go(self.cache, self.report)
            for binary in self.program.packages:
                self.report(f"{self.label}: listing the modules of {binary}")
                name = self.bill_name(binary)
                options = ["bin", "-json", "-output", str(result / name), str(binaries / binary)]
                golang.run([go, "run", BILL_WRITER, *options], result, golang.environment(), self.label, self.report)
                (result / f"{name}.sha256").write_text(f"{pack.sha256(result / name)}  {name}\n", encoding="utf-8")

        result = self.packed("bill", [BILL_WRITER], produce)
        with locked(self.cache, "mirror", self.report):
            for file in sorted(result.iterdir()):
                publish(file, folder / file.name)

    def bill_name(self, binary: str) -> str:
        return f"{binary}-{self.version}.linux-{self.arch}.cdx.json"

    def image(self, shell: str = "required") -> None:
        image = self.program.image
        certificates = find_certificates()
        added = {"/etc/ssl/certs/ca-certificates.crt": certificates}
        # It finds its tools in itself.
        found = find_shell(self.arch) if image.shell and shell != "none" else None
        if found:
            added["/bin/sh"] = found
        elif image.shell and shell == "required":
            raise BuildError(
                f"no busybox of {self.arch} without libraries for the image: install busybox-static, or name its "
                "program in BUSYBOX; or build an image without a shell (--shell optional) and set "
                "prometheus_disk_min_free to 0"
            )
        name = f"{self.program.component.replace('_', '-')}-{self.version}-{self.arch}.tar"
        target = self.mirror / "images" / name

        def produce(result: Path) -> None:
            binaries = self.binaries()
            self.report(f"{self.label}: packing {name}")
            files = {path: binaries / source for path, source in image.files.items()} | added
            pack.write_image(
                result / name,
                tag=self.text(image.tag),
                arch=self.arch,
                entrypoint=image.entrypoint,
                arguments=image.arguments,
                user=image.user,
                ports=image.ports,
                volumes=image.volumes,
                owned=image.owned,
                files=files,
            )

        result = self.packed("image", [pack.sha256(file) for file in added.values()], produce)
        with locked(self.cache, "mirror", self.report):
            publish(result / name, target)
        self.report(f"{self.label}: {target.relative_to(self.mirror)}, {megabytes(target)}, {self.text(image.tag)}")


def find_certificates() -> Path:
    for name in (*CERTIFICATES, ssl.get_default_verify_paths().cafile):
        if name and Path(name).is_file():
            return Path(name)
    raise BuildError(f"no CA certificates for the images at {', '.join(CERTIFICATES)}: install ca-certificates")


def find_shell(arch: str) -> Path | None:
    """A busybox that needs no library, if there is one."""
    for name in (os.environ.get("BUSYBOX", ""), "/bin/busybox", "/usr/bin/busybox"):
        if name and Path(name).is_file():
            head = Path(name).read_bytes()
            # The machine of an ELF file, and whether it names a loader.
            if head[18:20] == MACHINES[arch].to_bytes(2, "little") and b"/ld-" not in head[:4096]:
                return Path(name)
    return None


def megabytes(path: Path) -> str:
    return f"{path.stat().st_size / 1e6:.0f} MB"


# --- command line -------------------------------------------------------------------------------


def parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="build.py", description=__doc__)
    names = [program.name for program in PROGRAMS]
    parser.add_argument(
        "what",
        nargs="?",
        default="all",
        choices=[*names, "images", "all"],
        help="the release archive of one program, the images of all, or everything (default)",
    )
    parser.add_argument("--version", help="another version of this program than the role installs; archive and image")
    parser.add_argument(
        "--shell",
        default="required",
        choices=["required", "optional", "none"],
        help="whether the image of Prometheus has one, which the guard of its disk needs (default: %(default)s)",
    )
    own = ARCHITECTURES.get(platform.machine().lower())
    parser.add_argument("--arch", choices=["amd64", "arm64"], default=own, required=own is None)
    mirror = cache_directory() / "mirror"
    parser.add_argument("--output", type=Path, default=mirror, help="the mirror's directory (default: %(default)s)")
    options = parser.parse_args(argv)
    if options.version and options.what not in names:
        parser.error(f"--version is that of one program: name it, one of {', '.join(names)}")
    if options.version and not re.fullmatch(r"\d+\.\d+\.\d+", options.version):
        parser.error(f"--version {options.version!r} is not like 1.2.3")
    return options


def main(argv: list[str]) -> None:
    options = parse(argv)
    report = Report()
    cache, mirror = cache_directory(), options.output.resolve()
    wanted = [program for program in PROGRAMS if options.what in (program.name, "images", "all")]
    for build in [Build(program, options.arch, cache, mirror, report, options.version) for program in wanted]:
        if options.what != "images":
            build.archive()
            build.bill()
        if options.what in ("images", "all") or options.version:
            build.image(options.shell)
    report(f"mirror: {mirror}")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        main(sys.argv[1:])
    except BuildError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
