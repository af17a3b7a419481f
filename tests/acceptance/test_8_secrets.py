# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""No secret shows: not in what plays say, not in what processes show, in no file but those that are for it."""

from __future__ import annotations

import base64
import json
import re
import secrets
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from testbed import COLLECTION, TIMEOUT, Host, Project, run

SAMPLER = Path(__file__).parent / "remote/sample_processes.py"
pytestmark = pytest.mark.one_runtime
USERS = ("ada", "grace")
# Nothing of a play is in there, or it comes from outside.
APART = ("proc", "sys", "mirror", "acceptance")


class SecretsHost(Host):
    """A stack host beside those of the other tests, or a client."""

    def __init__(self, runtime: str) -> None:
        super().__init__(runtime)
        self.name = f"ccobs-acceptance-secrets-{runtime}"

    def stop(self) -> None:
        run("docker", "rm", "--force", "--volumes", self.name)

    def with_input(self, text: str, *argv: str) -> str:
        """What a command on the host prints that reads a text."""
        command = ["docker", "exec", "--interactive", self.name, *argv]
        done = subprocess.run(command, input=text, capture_output=True, text=True, errors="replace", timeout=TIMEOUT)
        return done.stdout

    def holding(self, texts: Mapping[str, str]) -> dict[str, set[str]]:
        """Every file of the host that holds some of the texts, which have names: the names by path.

        The state of the container engine is among the files, with what docker inspect and docker logs show.
        """
        names = {text: name for name, text in texts.items()}
        apart = [f"--exclude-dir={name}" for name in APART]
        options = ["--recursive", "--text", "--fixed-strings", "--only-matching", "--no-messages", "--null", *apart]
        found: dict[str, set[str]] = {}
        for line in self.with_input("\n".join(names), "grep", *options, "--file=-", "/").splitlines():
            path, _null, text = line.partition("\0")
            found.setdefault(path, set()).add(names[text])
        return found

    def access(self, path: str) -> str:
        """Owner, group and mode of a file."""
        return self.sh(f"stat --format '%U:%G %a' '{path}'")


def _basic(login: str, token: str) -> str:
    """The credential of Basic authentication without its padding, which a header of OTLP may spell otherwise."""
    return base64.b64encode(f"{login}:{token}".encode()).decode().rstrip("=")


@contextmanager
def sampled(*starts: list[str]) -> Iterator[list[str]]:
    """Lets samplers run; their command lines begin as given. Afterwards the list holds what they saw."""
    seen: list[str] = []
    running = [
        subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, errors="replace")
        for argv in starts
    ]
    try:
        yield seen
    finally:
        seen += [process.communicate(timeout=TIMEOUT)[0] for process in running]


@dataclass
class Site:
    """A stack beyond loopback with a client, and all that was said and seen while plays ran on them."""

    project: Project
    stack: SecretsHost
    client: SecretsHost
    secrets: dict[str, str] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)

    @property
    def directory(self) -> Path:
        return self.project.folder / f"secrets-{self.stack.runtime}"

    def inventory(self, *more: str) -> Path:
        """With no variable for the safety of the network; and with more groups of the stack, if wished."""
        password = self.secrets.setdefault("alertmanager password", secrets.token_urlsafe(16))
        here: dict[str, Any] = {"hosts": {self.stack.name: {}}}
        inventory = {
            "claude_code_observability": {
                "children": dict.fromkeys(("otel_collector", "prometheus", "loki", *more), here),
                "vars": {
                    "stack_runtime": self.stack.runtime,
                    "stack_mirror": "file:///mirror",
                    "stack_listen_address": "0.0.0.0",
                    "prometheus_alertmanagers": ["https://alerts.example.com"],
                    "prometheus_alertmanager_username": "prometheus",
                    "prometheus_alertmanager_password": password,
                },
            },
            "clients": {"hosts": {self.client.name: {"claude_settings_users": USERS}}},
            "all": {
                "vars": {
                    "ansible_connection": "community.docker.docker",
                    "stack_secrets_dir": str(self.directory),
                    "stack_pseudonyms": True,
                }
            },
        }
        path = self.project.folder / f"secrets-{self.stack.runtime}.yml"
        path.write_text(json.dumps(inventory))
        return path

    def play(self, playbook: str, *options: str, groups: Sequence[str] = (), **variables: Any) -> None:
        """Plays while processes are watched, on the hosts and here, and says as much as it can."""
        # On the command line a value would show by our own doing.
        extra = self.project.folder / "extra.yml"
        extra.write_text(json.dumps(variables))
        talkative = ["-vvv", "--diff", "--extra-vars", f"@{extra}"]
        remote = ["python3", f"/acceptance/{SAMPLER.name}", "cmdline", "environ"]
        hosts = [["docker", "exec", "--interactive", host.name, *remote] for host in (self.stack, self.client)]
        with sampled([sys.executable, str(SAMPLER), "cmdline"], *hosts) as seen:
            played = self.project.play(self.inventory(*groups), f"{COLLECTION}.{playbook}", None, *talkative, *options)
        played.ok()
        self.said.append(played.output)
        self.seen += seen
        self.secrets |= self._kept()

    def _kept(self) -> dict[str, str]:
        """The secrets on the controller by what they are.

        Of a key on the curve P-256 the first two lines hold the private number; the rest is public.
        """
        found = {"pseudonyms": (self.directory / "pseudonyms.key").read_text().strip()}
        for name, sender in json.loads((self.directory / "senders.json").read_text()).items():
            for generation in sender["generations"]:
                login = name if generation["n"] == 1 else f"{name}~{generation['n']}"
                found[f"{login} plain"] = generation["token"]
                found[f"{login} header"] = _basic(login, generation["token"])
        for owner, path in {"authority": "ca", "stack": f"host-{self.stack.name}"}.items():
            _begin, first, second, *_public = (self.directory / f"{path}.key").read_text().splitlines()
            found |= {f"{owner} key 1": first, f"{owner} key 2": second}
        return found

    def shown(self, text: str) -> list[str]:
        """The secrets that a text shows, however it breaks its lines."""
        solid = "".join(text.split())
        return sorted(name for name, secret in self.secrets.items() if secret in solid)


@pytest.fixture(scope="module", params=["systemd", "docker"])
def site(request: pytest.FixtureRequest, project: Project) -> Iterator[Site]:
    site = Site(project, SecretsHost(request.param), SecretsHost("client"))
    try:
        site.stack.start()
        site.client.start()
        site.client.sh(f"for user in {' '.join(USERS)}; do useradd --create-home $user; done")
        site.play("site")
        site.play("senders", rotate="ada")
        site.play("clients")
        if request.param == "systemd":
            # They ask the same of either runtime.
            site.play("verify")
            site.play("doctor")
        # Check mode tells of all that would change: so something would. It has no release of Grafana to install.
        for name in ("grafana_admin_password", "prometheus_alertmanager_password"):
            site.secrets[name] = secrets.token_urlsafe(32)
        kept = site.directory / "grafana_admin_password"
        kept.touch(mode=0o600)
        kept.write_text(site.secrets["grafana_admin_password"])
        site.play(
            "site",
            "--check",
            groups=["grafana"],
            prometheus_alertmanager_password=site.secrets["prometheus_alertmanager_password"],
            claude_settings_credential_helper=True,
        )
        yield site
    finally:
        site.stack.stop()
        site.client.stop()


def test_plays_say_none(site: Site) -> None:
    assert "after: /etc/grafana/current/admin_password" in site.said[-1]
    assert {name for output in site.said for name in site.shown(output)} == set()


def test_processes_show_none(site: Site) -> None:
    assert all(seen for seen in site.seen)
    assert any("otelcol-contrib" in seen for seen in site.seen)
    assert {name for seen in site.seen for name in site.shown(seen)} == set()


def test_hosts_tell_none(site: Site) -> None:
    for host in (site.stack, site.client):
        units = host.sh("systemctl show --all '*'")
        journal = host.sh("journalctl --all --no-pager --output=json")
        containers = host.sh("docker ps --all --quiet | xargs --no-run-if-empty docker inspect")
        assert "ExecStart" in units
        assert "Invoked with" in journal
        assert [site.shown(text) for text in (units, journal, containers)] == [[], [], []]


def test_a_stack_keeps_its_own_for_the_services_and_no_token(site: Site) -> None:
    found = site.stack.holding(site.secrets)
    of_sets: dict[str, set[str]] = {}
    for path, names in found.items():
        of_sets.setdefault(re.sub("/sets/[^/]+/", "/*/", path), set()).update(names)
    key = {"stack key 1", "stack key 2"}
    assert of_sets == {
        "/etc/loki/*/tls/key.pem": key,
        "/etc/otel-collector/*/pseudonyms.yaml": {"pseudonyms"},
        "/etc/otel-collector/*/tls/key.pem": key,
        "/etc/prometheus/*/alertmanager_password": {"alertmanager password"},
        "/etc/prometheus/*/tls/key.pem": key,
    }
    assert {path: site.stack.access(path) for path in found} == {
        path: f"root:{path.split('/')[2]} 640" for path in found
    }


def test_a_client_keeps_the_newest_token_of_each_user_for_that_user(site: Site) -> None:
    found = site.client.holding(site.secrets)
    newest = {"ada": {"ada~2 header"}, "grace": {"grace header"}}
    # The second says what was there before us, and what of it is ours.
    files = ("settings.json", ".claude_code.observability.json")
    assert found == {f"/home/{user}/.claude/{name}": newest[user] for user in USERS for name in files}
    assert {path: site.client.access(path) for path in found} == {
        path: "{0}:{0} 600".format(path.split("/")[2]) for path in found
    }
