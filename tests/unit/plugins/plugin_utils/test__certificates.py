# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterable
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from ansible.errors import AnsibleError
from ansible_collections.claude_code.observability.plugins.plugin_utils._certificates import (
    authority,
    end_of,
    host_certificate,
    problem_of,
)
from ansible_collections.claude_code.observability.plugins.plugin_utils._secrets_dir import SecretsDir
from cryptography import x509

NOW = datetime.now(timezone.utc)
NAMES = ("web1", "10.0.0.1", "::1", "")


@pytest.fixture
def secrets(tmp_path: Path) -> SecretsDir:
    return SecretsDir(str(tmp_path / "secrets"))


def issue(secrets: SecretsDir, names: Iterable[str] = NAMES, days: float = 0) -> dict[str, str]:
    return host_certificate(secrets, "web1", names, NOW + timedelta(days=days))


def files(pair: dict[str, str], directory: Path) -> dict[str, Path]:
    directory.mkdir(exist_ok=True)
    for name, text in pair.items():
        (directory / name).write_text(text)
    return {name: directory / name for name in pair}


def context(purpose: ssl.Purpose, at: dict[str, Path]) -> ssl.SSLContext:
    # As strict as Python 3.13 is by default.
    made = ssl.create_default_context(purpose, cafile=str(at["ca"]))
    made.verify_flags |= ssl.VERIFY_X509_STRICT
    made.verify_mode = ssl.CERT_REQUIRED
    made.load_cert_chain(at["certificate"], at["key"])
    return made


def greeting(server: dict[str, Path], client: dict[str, Path], name: str) -> str:
    """What a client hears that calls the server by a name, each with its own certificate."""
    ours, theirs = socket.socketpair()
    ours.settimeout(30)
    theirs.settimeout(30)

    def serve() -> None:
        with contextlib.suppress(OSError):
            context(ssl.Purpose.CLIENT_AUTH, server).wrap_socket(theirs, server_side=True).sendall(b"hello")
        theirs.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with context(ssl.Purpose.SERVER_AUTH, client).wrap_socket(ours, server_hostname=name) as stream:
            return stream.recv(5).decode()
    finally:
        ours.close()
        thread.join()


@pytest.mark.parametrize("name", ["web1", "10.0.0.1", "::1"])
def test_two_hosts_know_each_other_by_every_name(secrets: SecretsDir, tmp_path: Path, name: str) -> None:
    server = files(issue(secrets), tmp_path / "server")
    client = files(host_certificate(secrets, "web2", ["web2"]), tmp_path / "client")
    assert greeting(server, client, name) == "hello"


def test_another_name_or_authority_is_not_believed(secrets: SecretsDir, tmp_path: Path) -> None:
    server = files(issue(secrets), tmp_path / "server")
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        greeting(server, server, "web2")
    stranger = files(host_certificate(SecretsDir(str(tmp_path / "other")), "web1", NAMES), tmp_path / "stranger")
    with pytest.raises(ssl.SSLCertVerificationError, match="verify failed"):
        greeting(server, stranger, "web1")


def test_it_stays_until_a_third_of_its_time_is_left(secrets: SecretsDir) -> None:
    first = issue(secrets)
    assert issue(secrets, days=264) == first
    second = issue(secrets, days=265)
    assert (second["certificate"] != first["certificate"], second["ca"]) == (True, first["ca"])


def test_its_end_is_that_of_the_first_in_the_text(secrets: SecretsDir) -> None:
    pair = issue(secrets)
    assert end_of(pair["certificate"] + pair["ca"]) == int((NOW + timedelta(days=397)).timestamp())
    with pytest.raises(AnsibleError, match="no certificate in PEM"):
        end_of("/etc/ssl/otel.pem")


def test_other_names_make_another(secrets: SecretsDir) -> None:
    first = issue(secrets)
    assert issue(secrets, names=list(reversed(NAMES))) == first
    more = issue(secrets, names=[*NAMES, "web1.example.com"])
    assert more["certificate"] != first["certificate"]
    assert issue(secrets, names=[*NAMES, "web1.example.com"]) == more


def test_another_authority_makes_another(secrets: SecretsDir) -> None:
    first = issue(secrets)
    for name in ("ca.pem", "ca.key"):
        (secrets.path / name).unlink()
    second = issue(secrets)
    assert second["ca"] != first["ca"]
    assert second["certificate"] != first["certificate"]


def test_a_host_whose_key_is_lost_gets_another(secrets: SecretsDir) -> None:
    first = issue(secrets)
    (secrets.path / "host-web1.key").unlink()
    assert issue(secrets)["key"] != first["key"]


def test_half_an_authority_is_refused(secrets: SecretsDir) -> None:
    authority(secrets)
    (secrets.path / "ca.key").unlink()
    with pytest.raises(AnsibleError, match=r"no pair. Bring both back from your backup"):
        authority(secrets)


def test_none_outlives_the_authority(secrets: SecretsDir) -> None:
    issue(secrets)
    late = issue(secrets, days=3600)
    assert issue(secrets, days=3610) == late
    assert x509.load_pem_x509_certificate(late["certificate"].encode()).not_valid_after_utc == (
        x509.load_pem_x509_certificate(late["ca"].encode()).not_valid_after_utc
    )
    with pytest.raises(AnsibleError, match=r"ended on 20\d\d-\d\d-\d\d. Move ca.pem and ca.key away"):
        issue(secrets, days=3660)


def test_a_name_that_is_none_is_named(secrets: SecretsDir) -> None:
    with pytest.raises(AnsibleError, match=r"'bücher' can't stand in a certificate: .* stack_tls_names"):
        issue(secrets, names=["bücher"])


def test_check_mode_issues_a_pair_and_keeps_nothing(tmp_path: Path) -> None:
    dry = SecretsDir(str(tmp_path / "secrets"), dry=True)
    assert issue(dry) == issue(dry)
    assert not dry.path.exists()


def test_a_certificate_of_yours_that_serves_has_no_problem(secrets: SecretsDir) -> None:
    pair = issue(secrets, names=["otel.example.com", "*.corp", "10.0.0.1"])
    for name in ("otel.example.com", "a.corp", "10.0.0.1"):
        assert problem_of(pair["certificate"] + pair["ca"], pair["key"], name) == ""


@pytest.mark.parametrize(
    ("certificate", "key", "name", "text"),
    [
        ("", "own", "web1", "stack_tls_certificate is empty. Give this host's"),
        ("own", "", "web1", "stack_tls_key is empty. Give this host's"),
        ("/etc/ssl/web1.pem", "own", "web1", "stack_tls_certificate is no certificate in PEM"),
        ("own", "/etc/ssl/web1.key", "web1", "stack_tls_key is no private key in PEM without a passphrase"),
        (
            "own",
            "other",
            "web1",
            "stack_tls_key does not belong to stack_tls_certificate, which is for web1, 10.0.0.1, ::1.",
        ),
        (
            "own",
            "own",
            "web2",
            "is for web1, 10.0.0.1, ::1, and not for web2, as this host is called. Set the host's stack_address",
        ),
        ("own", "own", "a.web1", "and not for a.web1"),
        ("old", "old", "web1", "stack_tls_certificate ended on 2"),
    ],
)
def test_what_is_wrong_with_one_of_yours(secrets: SecretsDir, certificate: str, key: str, name: str, text: str) -> None:
    pairs = {"own": issue(secrets), "other": host_certificate(secrets, "web2", ["web2"])}
    pairs["old"] = host_certificate(secrets, "old", ["web1"], NOW - timedelta(days=400))
    said = problem_of(
        pairs[certificate]["certificate"] if certificate in pairs else certificate,
        pairs[key]["key"] if key in pairs else key,
        name,
    )
    assert text in said
