# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The real client takes the files as they are meant: what it sends arrives at the collector they name."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from collector import ROWS, Collector
from mdm_files import NAME, variables
from snippets import snippets

from tests.e2e.sessions import SHAPES, Session, play
from tests.tools import client
from tests.tools.model_api import ModelApi

# An /etc of its own, in which the script is run as an administrator would.
NAMESPACE = """
mount -t tmpfs tmpfs "$1"
mkdir "$1/upper" "$1/work"
mount -t overlay overlay -o "lowerdir=/etc,upperdir=$1/upper,workdir=$1/work" /etc
sh "$2"
shift 2
exec "$@"
"""
ONE_TURN = next(shape for shape in SHAPES if shape.name == "one-turn")


@dataclass
class Managed(Session):
    """A session on a machine on which a script was run."""

    script: Path = Path()

    def command(self, *arguments: str) -> list[str]:
        scratch = self.home / "etc"
        scratch.mkdir(exist_ok=True)
        inside = ["unshare", "--mount", "sh", "-ec", NAMESPACE, "sh", str(scratch), str(self.script)]
        return [*inside, *super().command(*arguments)]


@dataclass
class InContainer(Session):
    """A session with further variables in its environment."""

    variables: dict[str, str] = field(default_factory=dict)

    def environment(self) -> dict[str, str]:
        return {**super().environment(), **self.variables}


@pytest.fixture(scope="module")
def api() -> Iterator[ModelApi]:
    api = ModelApi()
    yield api
    api.close()


Start = Callable[..., Session]


@pytest.fixture
def start(api: ModelApi, tmp_path: Path, request: pytest.FixtureRequest) -> Start:
    home, folder = tmp_path / "home", tmp_path / "folder"
    home.mkdir()
    folder.mkdir()
    name = request.node.name.replace("_", "-")[-20:]
    return lambda kind, **more: kind(name, home, folder, client.install(), api, **more)


def arrives(session: Session, collector: Collector) -> dict[str, str]:
    """Play one turn; the resource attributes with which exactly its tokens came."""
    ledger = play(ONE_TURN, session)
    assert session.codes == [0], session.output
    return collector.wait_for(session.id, {row: int(ledger[row]) for row in ROWS.values()})


@pytest.mark.skipif(os.geteuid() != 0, reason="a mount namespace needs root")
def test_the_installed_drop_in_makes_the_client_send(start: Start, written: Path, collector: Collector) -> None:
    session = start(Managed, script=written / "linux" / "install.sh")
    # Whatever the user says.
    settings = session.home / ".claude" / "settings.json"
    settings.parent.mkdir()
    settings.write_text(json.dumps({"env": {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}}))
    assert arrives(session, collector)["team"] == "platform"


def test_the_file_of_variables_makes_the_client_send(start: Start, written: Path, collector: Collector) -> None:
    session = start(InContainer, variables=variables(written / "containers" / f"{NAME}.env"))
    assert arrives(session, collector)["team"] == "platform"


def test_the_documented_devcontainer_makes_the_client_send(start: Start, collector: Collector) -> None:
    env = snippets("en")["json containerEnv"]
    env["OTEL_EXPORTER_OTLP_ENDPOINT"] = collector.http_endpoint
    env["OTEL_RESOURCE_ATTRIBUTES"] = env["OTEL_RESOURCE_ATTRIBUTES"].replace("${localEnv:USER}", "ada")
    resource = arrives(start(InContainer, variables=env), collector)
    assert (resource["developer"], resource["team"]) == ("ada", "platform")
