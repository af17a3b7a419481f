# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host with a stack in either runtime, the versions it can get, and one that never starts."""

from __future__ import annotations

import json
import tarfile
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import yaml

from tests.acceptance.testbed import CACHE, ROOT, run
from tests.backup import senders_and_hosts as backup

SUITE = "upgrade"
MIRROR = CACHE / "bundle" / "mirror"
STATED = {
    name: yaml.safe_load((ROOT / f"roles/{name}/defaults/main.yml").read_text(encoding="utf-8"))[f"{name}_version"]
    for name in ("prometheus", "loki")
}
# What it is upgraded from. Loki's former version is built by `make soak-upgrade` only.
FORMER = {"prometheus": "3.13.0", "loki": "3.7.7"}
# A version whose checker is the real one, and whose program is none.
BROKEN = "3.99.0"
BUILD_INFO = {"prometheus": (9090, "/api/v1/status/buildinfo"), "loki": (3100, "/loki/api/v1/status/buildinfo")}


def former() -> dict[str, str]:
    """The former versions that are built, as variables of the roles."""
    built = {name: version for name, version in FORMER.items() if image(name, version).is_file()}
    return {f"{name}_version": version for name, version in built.items()}


def image(name: str, version: str) -> Path:
    return next(MIRROR.glob(f"images/{name}-{version}-*.tar"), MIRROR / "none")


@dataclass
class Upgraded(backup.Host):
    """A test host on which plays of one runtime run."""

    runtime: str = "systemd"

    @property
    def inventory(self) -> Path:
        text = json.loads(super().inventory.read_text())
        variables = text["claude_code_observability"]["vars"]
        variables["stack_runtime"] = self.runtime
        if self.runtime == "docker":
            # The images of the bundle have no shell.
            variables["prometheus_disk_min_free"] = 0
        path = self.folder / f"{self.name}.yml"
        path.write_text(json.dumps(text))
        return path

    def start(self) -> None:
        kind = "docker" if self.runtime == "docker" else "plain"
        published = (f"--publish=127.0.0.1::{port}" for port in (4318, 8888, 9090, 3100))
        volumes = (f"--volume={MIRROR}:/mirror:ro", f"--volume={self.folder}/broken:/broken:ro")
        run(f"{ROOT}/tests/hosts/run", self.name, SUITE, kind, *volumes, *published)
        if self.runtime == "docker":
            self.sh("for image in /mirror/images/*.tar; do docker load --quiet --input $image || exit 1; done")

    def remove(self) -> None:
        run("docker", "rm", "--force", "--volumes", self.name)

    def site(self, variables: dict[str, Any], fails: bool = False) -> str:
        return self.play("stack", "--extra-vars", json.dumps(variables), fails=fails)

    def version(self, name: str) -> str:
        """What the running program says it is."""
        port, path = BUILD_INFO[name]
        said = json.loads(self.sh(f"curl --silent --fail http://127.0.0.1:{port}{path}"))
        return str(said.get("data", said)["version"])

    def sets(self, name: str) -> tuple[str, str]:
        return self.sh(f"readlink /etc/{name}/current"), self.sh(f"readlink /etc/{name}/applied")

    @cached_property
    def broken(self) -> dict[str, Any]:
        """A Prometheus whose configuration passes its promtool, and which does not start. As variables of the role."""
        good = next(MIRROR.glob(f"prometheus/prometheus/releases/download/v{STATED['prometheus']}/*.tar.gz"))
        name = good.name.replace(STATED["prometheus"], BROKEN)
        archive = self.folder / "broken" / name
        with tarfile.open(good) as source, tarfile.open(archive, "w:gz", compresslevel=1) as target:
            promtool = next(member for member in source.getmembers() if member.name.endswith("/promtool"))
            for program in ("prometheus", "promtool"):
                content = source.extractfile(promtool)
                target.addfile(promtool.replace(name=f"{name.removesuffix('.tar.gz')}/{program}", deep=False), content)
        if self.runtime == "docker":
            self.sh(
                f"tar -xzf /broken/{name} -C /root --strip-components 1 &&"
                f"made=$(docker create prom/prometheus:v{STATED['prometheus']}) &&"
                "docker cp /root/prometheus $made:/bin/prometheus &&"
                f"docker commit $made prom/prometheus:v{BROKEN} && docker rm $made"
            )
            return {"prometheus_version": BROKEN}
        return {
            "prometheus_version": BROKEN,
            "prometheus_download_url": f"file:///broken/{name}",
            "prometheus_checksum": sha256(archive.read_bytes()).hexdigest(),
        }
