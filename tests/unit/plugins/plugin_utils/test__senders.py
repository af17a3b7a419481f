# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import hashlib
import multiprocessing
from pathlib import Path

import pytest
from ansible.errors import AnsibleError
from ansible_collections.claude_code.observability.plugins.plugin_utils._secrets_dir import SecretsDir
from ansible_collections.claude_code.observability.plugins.plugin_utils._senders import Senders


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "secrets"


@pytest.fixture
def senders(path: Path) -> Senders:
    return Senders(SecretsDir(str(path)))


def logins(senders: Senders) -> dict[str, str]:
    """The htpasswd text as hash by login."""
    return dict(line.split(":") for line in senders.hashes().splitlines())


def accepted(senders: Senders, credential: dict[str, str]) -> bool:
    """Whether the collector would let it in."""
    digest = base64.b64encode(hashlib.sha1(credential["token"].encode()).digest()).decode()
    return logins(senders).get(credential["login"]) == "{SHA}" + digest


def test_a_sender_is_made_when_it_is_asked_for_and_stays(senders: Senders) -> None:
    (ada,) = senders.credentials(["ada"])
    assert ada["login"] == "ada"
    assert len(base64.urlsafe_b64decode(ada["token"] + "=")) == 32
    assert base64.b64decode(ada["header"].removeprefix("Basic ")).decode() == f"ada:{ada['token']}"
    assert senders.credentials(["ada", "ada"]) == [ada, ada]
    assert accepted(senders, ada)


def test_answers_come_in_the_order_of_the_names(senders: Senders) -> None:
    names = ["linus", "agent/laptop-1", "ada"]
    assert [each["login"] for each in senders.credentials(names)] == names
    assert [each.name for each in senders.all()] == ["ada", "agent/laptop-1", "linus"]


def test_rotation_leaves_the_old_token_valid_until_it_is_retired(senders: Senders) -> None:
    (old,) = senders.credentials(["ada"])
    assert senders.change(rotate=["ada"])
    (new,) = senders.credentials(["ada"])
    assert (new["login"], accepted(senders, old), accepted(senders, new)) == ("ada~2", True, True)
    assert senders.change(retire=["ada"])
    assert (accepted(senders, old), accepted(senders, new)) == (False, True)
    assert not senders.change(retire=["ada"])
    senders.change(rotate=["ada"])
    assert senders.credentials(["ada"])[0]["login"] == "ada~3"


def test_a_revoked_sender_gets_in_no_more_until_it_is_issued_again(senders: Senders) -> None:
    (old,) = senders.credentials(["ada"])
    senders.change(rotate=["ada"])
    assert senders.change(revoke=["ada"])
    assert logins(senders) == {}
    assert not senders.change(revoke=["ada"])
    with pytest.raises(AnsibleError, match=r"ada: revoked.*senders\.yml -e issue=ada"):
        senders.credentials(["grace", "ada"])
    for kind in ("rotate", "retire"):
        with pytest.raises(AnsibleError, match="ada: revoked"):
            senders.change(**{kind: ["ada"]})
    assert senders.change(issue=["ada"])
    (new,) = senders.credentials(["ada"])
    assert (accepted(senders, old), accepted(senders, new)) == (False, True)
    assert not senders.change(issue=["ada"])


def test_who_is_to_be_present_is_made_and_stays_revoked(senders: Senders) -> None:
    assert senders.change(present=["ada", "bob"])
    senders.change(revoke=["ada"])
    assert not senders.change(present=["ada", "bob"])
    assert set(logins(senders)) == {"bob"}


def test_revoked_tokens_are_not_kept(path: Path, senders: Senders) -> None:
    (ada,) = senders.credentials(["ada"])
    senders.change(revoke=["ada"])
    assert ada["token"] not in (path / "senders.json").read_text()


@pytest.mark.parametrize("kind", ["rotate", "retire", "revoke"])
def test_unknown_senders_are_refused_and_nothing_is_changed(senders: Senders, kind: str) -> None:
    (ada,) = senders.credentials(["ada"])
    with pytest.raises(AnsibleError, match=f"{kind}: there is no sender bob"):
        senders.change(issue=["carol"], **{kind: ["ada", "bob"]})
    assert (senders.credentials(["ada"]), len(senders.all())) == ([ada], 1)


@pytest.mark.parametrize(
    "name",
    ["", "a" * 65, "ada~2", "a:b", "a b", "ada\n", "other/ada", "agent/", "agent/a/b", "é", "{user}"],
)
def test_a_name_that_could_be_taken_for_another_is_refused(path: Path, senders: Senders, name: str) -> None:
    with pytest.raises(AnsibleError, match="can't be the name of a sender"):
        senders.credentials(["ada", name])
    with pytest.raises(AnsibleError, match="can't be the name of a sender"):
        senders.change(issue=[name])
    assert not path.exists()


def test_check_mode_gives_what_is_there_and_writes_nothing(path: Path, senders: Senders) -> None:
    dry = Senders(SecretsDir(str(path), dry=True))
    assert dry.credentials(["ada"])[0]["login"] == "ada"
    assert not path.exists()
    (ada,) = senders.credentials(["ada"])
    assert dry.change(rotate=["ada"])
    assert senders.credentials(["ada"]) == [ada]


def test_a_broken_registry_is_named_without_its_content(path: Path, senders: Senders) -> None:
    (ada,) = senders.credentials(["ada"])
    file = path / "senders.json"
    file.write_text(file.read_text()[:-20])
    with pytest.raises(AnsibleError, match=r"senders\.json is not as it was written") as caught:
        senders.hashes()
    assert ada["token"] not in str(caught.value)


def _make(path: str, name: str) -> None:
    Senders(SecretsDir(path)).credentials(["everybody", name])


def test_processes_at_once_lose_nobody(path: Path, senders: Senders) -> None:
    processes = [multiprocessing.Process(target=_make, args=(str(path), f"sender-{n}")) for n in range(20)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0] * 20
    assert len(senders.all()) == 21
