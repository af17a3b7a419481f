# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A laptop with systemd and git, a repository on it, and the role played on it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]
BIN = Path(sys.executable).parent
NAME = "ccobs-pull"
SUITE = "pull"
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
REPOSITORY = "/srv/fleet.git"
ARCHIVE = "/srv/collection.tar.gz"
TIMEOUT = 600

# What the way to PyPI may need, on a machine whose proxy has a CA of its own too.
ENVIRONMENT = {
    "PIP_CERT": CERTIFICATES,
    **{name: value for name, value in os.environ.items() if name in ("PIP_INDEX_URL", "HTTPS_PROXY", "https_proxy")},
}


def run(*argv: str, data: str = "") -> str:
    """Runs a command on this machine; returns its output."""
    done = subprocess.run(argv, input=data, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    assert done.returncode == 0, f"{' '.join(argv)}\n{done.stdout}{done.stderr}"
    return done.stdout.strip()


class Laptop:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def start(self) -> None:
        """Boots it, with a user, an empty repository and the collection as it would be published."""
        run(f"{ROOT}/tests/hosts/run", NAME, SUITE, "docker", f"--volume={CERTIFICATES}:{CERTIFICATES}:ro")
        run(str(BIN / "ansible-galaxy"), "collection", "build", "--output-path", str(self._folder), str(ROOT))
        (archive,) = self._folder.glob("*.tar.gz")
        run("docker", "cp", str(archive), f"{NAME}:{ARCHIVE}")
        self.sh("useradd --create-home ada")
        # A server would not mind whose the repository is.
        self.sh("git config --system --add safe.directory '*'")
        self.sh(f"git init -q --bare -b main {REPOSITORY} && git clone -q {REPOSITORY} /srv/work")

    @staticmethod
    def clear() -> None:
        """Removes the laptop that this or an interrupted run has left."""
        label = f"label=claude_code.observability.test={SUITE}"
        left = run("docker", "ps", "--all", "--quiet", "--filter", label).split()
        if left:
            run("docker", "rm", "--force", "--volumes", *left)

    def sh(self, script: str, data: str = "") -> str:
        """Runs a shell script as root; returns its output."""
        return run("docker", "exec", "--interactive", NAME, "sh", "-c", script, data=data)

    def push(self, play: Mapping[str, Any]) -> None:
        """Somebody pushes another local.yml to the repository."""
        git = "git -C /srv/work -c user.name=grace -c user.email=grace@example.com"
        self.sh("cat >/srv/work/local.yml", data=json.dumps([play]))
        self.sh(f"{git} add -A && {git} commit -qm change && {git} push -q origin HEAD:main")

    def role(self, variables: Mapping[str, Any], *options: str) -> subprocess.CompletedProcess[str]:
        """Plays client_pull on it, from this machine."""
        playbook, inventory = self._folder / "pull.yml", self._folder / "hosts.yml"
        roles = ["claude_code.observability.client_pull"]
        playbook.write_text(json.dumps([{"hosts": "all", "gather_facts": False, "roles": roles}]))
        reached = {"ansible_connection": "community.docker.docker"}
        inventory.write_text(json.dumps({"all": {"hosts": {NAME: reached}}}))
        given = {
            "client_pull_repository": f"file://{REPOSITORY}",
            "client_pull_collections": [{"name": ARCHIVE}],
            "client_pull_environment": ENVIRONMENT,
            # Nothing of its own accord while the test looks.
            "client_pull_random_delay": "1d",
            **variables,
        }
        argv = [str(BIN / "ansible-playbook"), "-i", str(inventory), str(playbook), "-e", json.dumps(given), *options]
        kept = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
        return subprocess.run(
            argv,
            cwd=self._folder,
            env={
                **kept,
                "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"),
                "ANSIBLE_NOCOLOR": "true",
                "ANSIBLE_PIPELINING": "true",
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )

    def pull(self) -> str:
        """One run of the timer's service, to its end; what it ended with."""
        unit = "claude-code-pull.service"
        return self.sh(f"systemctl start {unit}; systemctl show --property=Result --value {unit}")

    def journal(self) -> str:
        return self.sh("journalctl --no-pager --unit claude-code-pull.service")

    def env_of_ada(self) -> dict[str, str]:
        return dict(json.loads(self.sh("cat /home/ada/.claude/settings.json"))["env"])
