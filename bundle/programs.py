# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is built: each program's Go packages, its release archive and its image, as upstream lays them out."""

from __future__ import annotations

from dataclasses import dataclass, field

# Every text below may hold {version} and {arch}.


@dataclass(frozen=True)
class Archive:
    path: str  # one that is neither .tar.gz nor .zip is the program itself
    checksums: str
    bare: bool  # the checksum file holds only the hex digest, instead of "digest  name" lines
    members: dict[str, str]  # path in the archive → file of the build


@dataclass(frozen=True)
class Image:
    tag: str
    entrypoint: str
    arguments: list[str]
    user: str
    ports: list[int]
    files: dict[str, str]  # path in the image → file of the build
    owned: list[str] = field(default_factory=list)  # directories that belong to the user
    shell: bool = False
    volumes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Program:
    name: str
    component: str  # names the role and, with a hyphen for the underscore, the image's file
    packages: dict[str, str]  # binary → Go package
    archive: Archive
    image: Image
    module: str = ""  # empty: the collector, whose sources come from the collector builder
    module_versions: dict[str, str] = field(default_factory=dict)  # of the module, where it has its own
    version_symbol: str = ""  # the Go variable that `--version` prints
    extras: dict[str, str] = field(default_factory=dict)  # file of the build → path in the module

    @property
    def defaults(self) -> str:
        return f"roles/{self.component}/defaults/main.yml"

    @property
    def version_variable(self) -> str:
        return f"{self.component}_version"


COLLECTOR = Program(
    name="collector",
    component="otel_collector",
    packages={"otelcol-contrib": "."},
    archive=Archive(
        path=(
            "open-telemetry/opentelemetry-collector-releases/releases/download/v{version}/"
            "otelcol-contrib_{version}_linux_{arch}.tar.gz"
        ),
        checksums="otelcol-contrib_{version}_linux_{arch}.tar.gz.sha256",
        bare=True,
        members={"otelcol-contrib": "otelcol-contrib"},
    ),
    image=Image(
        tag="otel/opentelemetry-collector-contrib:{version}",
        entrypoint="/otelcol-contrib",
        arguments=["--config", "/etc/otelcol-contrib/config.yaml"],
        user="10001:10001",
        ports=[4317, 4318],
        files={"/otelcol-contrib": "otelcol-contrib"},
    ),
)

PROMETHEUS = Program(
    name="prometheus",
    component="prometheus",
    module="github.com/prometheus/prometheus",
    packages={
        "prometheus": "github.com/prometheus/prometheus/cmd/prometheus",
        "promtool": "github.com/prometheus/prometheus/cmd/promtool",
    },
    version_symbol="github.com/prometheus/common/version.Version",
    extras={"prometheus.yml": "documentation/examples/prometheus.yml", "LICENSE": "LICENSE", "NOTICE": "NOTICE"},
    archive=Archive(
        path="prometheus/prometheus/releases/download/v{version}/prometheus-{version}.linux-{arch}.tar.gz",
        checksums="sha256sums.txt",
        bare=False,
        members={
            "prometheus-{version}.linux-{arch}/LICENSE": "LICENSE",
            "prometheus-{version}.linux-{arch}/NOTICE": "NOTICE",
            "prometheus-{version}.linux-{arch}/prometheus": "prometheus",
            "prometheus-{version}.linux-{arch}/prometheus.yml": "prometheus.yml",
            "prometheus-{version}.linux-{arch}/promtool": "promtool",
        },
    ),
    image=Image(
        tag="prom/prometheus:v{version}",
        entrypoint="/bin/prometheus",
        arguments=["--config.file=/etc/prometheus/prometheus.yml", "--storage.tsdb.path=/prometheus"],
        user="65534",
        ports=[9090],
        files={
            "/LICENSE": "LICENSE",
            "/NOTICE": "NOTICE",
            "/bin/prometheus": "prometheus",
            "/bin/promtool": "promtool",
            "/etc/prometheus/prometheus.yml": "prometheus.yml",
        },
        owned=["/prometheus"],
        volumes=["/prometheus"],
        shell=True,
    ),
)

LOKI = Program(
    name="loki",
    component="loki",
    module="github.com/grafana/loki/v3",
    packages={"loki": "github.com/grafana/loki/v3/cmd/loki"},
    version_symbol="github.com/grafana/loki/v3/pkg/util/build.Version",
    extras={"local-config.yaml": "cmd/loki/loki-docker-config.yaml"},
    archive=Archive(
        path="grafana/loki/releases/download/v{version}/loki-linux-{arch}.zip",
        checksums="SHA256SUMS",
        bare=False,
        members={"loki-linux-{arch}": "loki"},
    ),
    image=Image(
        tag="grafana/loki:{version}",
        entrypoint="/usr/bin/loki",
        arguments=["-config.file=/etc/loki/local-config.yaml"],
        user="10001",
        ports=[3100],
        files={"/usr/bin/loki": "loki", "/etc/loki/local-config.yaml": "local-config.yaml"},
        owned=["/loki"],
    ),
)

MIMIR = Program(
    name="mimir",
    component="mimir",
    module="github.com/grafana/mimir",
    packages={"mimir": "github.com/grafana/mimir/cmd/mimir"},
    module_versions={"3.0.5": "v1.3.1-0.20260423142704-aced80d74930"},
    version_symbol="github.com/grafana/mimir/pkg/util/version.Version",
    archive=Archive(
        path="grafana/mimir/releases/download/mimir-{version}/mimir-linux-{arch}",
        checksums="mimir-linux-{arch}-sha-256",
        bare=True,
        members={"mimir-linux-{arch}": "mimir"},
    ),
    image=Image(
        tag="grafana/mimir:{version}",
        entrypoint="/bin/mimir",
        arguments=[],
        user="0",
        ports=[8080],
        files={"/bin/mimir": "mimir"},
    ),
)

PROGRAMS = (COLLECTOR, PROMETHEUS, LOKI, MIMIR)
