# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import multiprocessing
import stat
from pathlib import Path

import pytest
from ansible.errors import AnsibleError
from ansible_collections.claude_code.observability.plugins.plugin_utils._secrets_dir import SecretsDir


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "above" / "secrets"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_what_is_written_is_read_again_and_only_by_its_owner(path: Path) -> None:
    secrets = SecretsDir(str(path))
    assert secrets.read("ca.key") is None
    with secrets.lock():
        secrets.write("ca.key", b"one")
        secrets.write("ca.key", b"two")
    assert secrets.read("ca.key") == b"two"
    assert (mode(path), mode(path / "ca.key")) == (0o700, 0o600)


def test_git_leaves_it_alone(path: Path) -> None:
    SecretsDir(str(path)).write("ca.key", b"one")
    assert (path / ".gitignore").read_text() == "*\n"


def test_reading_makes_nothing(path: Path) -> None:
    SecretsDir(str(path)).read("ca.key")
    assert not path.exists()


def test_check_mode_writes_nothing(path: Path) -> None:
    secrets = SecretsDir(str(path), dry=True)
    with secrets.lock():
        secrets.write("ca.key", b"one")
    assert secrets.read("ca.key") == b"one"
    assert not path.exists()
    assert SecretsDir(str(path)).read("ca.key") is None


def test_a_directory_that_others_may_read_is_refused(path: Path) -> None:
    path.mkdir(parents=True, mode=0o755)
    with pytest.raises(AnsibleError, match=rf"mode 0755\). Close it: chmod 700 {path}"):
        SecretsDir(str(path)).read("ca.key")
    with pytest.raises(AnsibleError, match="chmod 700"), SecretsDir(str(path)).lock():
        pass


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(AnsibleError, match=f"stack_secrets_dir is {tmp_path}/file/secrets, which can't be written"):
        SecretsDir(str(tmp_path / "file" / "secrets")).write("ca.key", b"one")


def add_one(path: str, times: int) -> None:
    secrets = SecretsDir(path)
    for _time in range(times):
        with secrets.lock():
            secrets.write("count", str(int(secrets.read("count") or 0) + 1).encode())


def test_forks_take_turns(path: Path) -> None:
    forks = [multiprocessing.get_context("fork").Process(target=add_one, args=(str(path), 50)) for _fork in range(4)]
    for fork in forks:
        fork.start()
    for fork in forks:
        fork.join()
    assert SecretsDir(str(path)).read("count") == b"200"
