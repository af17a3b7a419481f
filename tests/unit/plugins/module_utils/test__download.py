# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.claude_code.observability.plugins.module_utils._download import (
    DownloadError,
    Transport,
    artifact_name,
    check_url,
    find_checksum,
    origin,
    password_of,
    save,
    shown,
    stream,
)

A = "a" * 64
B = "b" * 64


@pytest.mark.parametrize(
    "text",
    [
        A,
        A + "\n",
        A.upper(),
        f"{A}  x.tar.gz\n",
        f"{A} *x.tar.gz\n",
        f"{A}  ./x.tar.gz\n",
        f"{B}  y.tar.gz\r\n{A}  x.tar.gz\r\n",
        f"{B}  not-x.tar.gz\n{B}  x.tar.gz.sbom\n{A}  x.tar.gz\n",
        f"{A}  x.tar.gz\n{A}  x.tar.gz\n",
        f"# sums\n\n{A}  x.tar.gz",
    ],
)
def test_both_forms_of_a_checksum_file_are_understood(text: str) -> None:
    assert find_checksum(text, "x.tar.gz") == A


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "neither lists"),
        ("<html>404</html>", "neither lists"),
        (A[:-1], "neither lists"),
        (f"{A}\n{B}\n", "neither lists"),
        (f"{A}  dir/x.tar.gz\n", "neither lists"),
        (f"{A}  X.tar.gz\n", "neither lists"),
        (f"{A}  x.tar.gz.old\n", "neither lists"),
        (f"{A}  x.tar.gz\n{B}  x.tar.gz\n", "different checksums"),
        (f"{A}{B}  x.tar.gz\n", "not a SHA-256"),
    ],
)
def test_a_checksum_file_that_does_not_settle_it_is_refused(text: str, why: str) -> None:
    with pytest.raises(DownloadError, match=why):
        find_checksum(text, "x.tar.gz")


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://h/v1/x.tar.gz", "x.tar.gz"),
        ("https://h/v1/x.tar.gz?token=1#f", "x.tar.gz"),
        ("file:///srv/a%20b.zip", "a b.zip"),
    ],
)
def test_the_artifact_is_the_last_part_of_the_path(url: str, name: str) -> None:
    assert artifact_name(url) == name


@pytest.mark.parametrize("url", ["https://h/", "https://h", "https://h/%2e%2e", "https://h/a%2Fb"])
def test_a_url_without_a_file_name_is_refused(url: str) -> None:
    with pytest.raises(DownloadError, match="names no file"):
        artifact_name(url)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("ftp://h/x", "http, https or file"),
        ("/srv/x", "http, https or file"),
        ("https://u:geheim@h/x", "use headers"),
        ("file://srv/x", "three slashes"),
        ("https:///x", "names no host"),
    ],
)
def test_an_unusable_url_is_refused_without_its_secrets(url: str, why: str) -> None:
    with pytest.raises(DownloadError, match=why) as error:
        check_url(url, "url")
    assert "geheim" not in str(error.value)


def test_messages_show_no_credentials_of_a_url() -> None:
    assert shown("https://u:geheim@h:1/x?sig=geheim#geheim") == "https://h:1/x"
    assert password_of("http://u:ge%40heim@proxy:3128") == {"ge%40heim", "ge@heim"}
    assert password_of("http://proxy:3128") == set()


def test_an_origin_is_scheme_host_and_port() -> None:
    assert origin("https://h/x") == origin("https://H:443/y")
    assert origin("https://h/x") != origin("http://h/x")
    assert origin("https://h/x") != origin("https://h:8443/x")
    assert origin("https://h/x") != origin("https://h.example/x")


def test_a_stream_is_saved_with_its_checksum(tmp_path) -> None:
    sha256, size = save([b"a", b"bc"], str(tmp_path / "x"))
    assert (tmp_path / "x").read_bytes() == b"abc"
    assert (sha256[:8], size) == ("ba7816bf", 3)


def test_an_endless_stream_is_cut_off(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("ansible_collections.claude_code.observability.plugins.module_utils._download.MAX_BYTES", 5)
    with pytest.raises(DownloadError, match="larger than 5 bytes"):
        save(iter(lambda: b"xx", b""), str(tmp_path / "x"))


def test_a_file_url_is_read_and_a_missing_file_named(tmp_path) -> None:
    (tmp_path / "a b").write_bytes(b"content")
    assert b"".join(stream(f"file://{tmp_path}/a%20b", Transport())) == b"content"
    with pytest.raises(DownloadError, match="nope cannot be read: No such file"):
        list(stream(f"file://{tmp_path}/nope", Transport()))


def test_an_unusable_ca_path_is_named(tmp_path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    for path, why in (("none.pem", "No such file"), ("ca.pem", "ca.pem")):
        with pytest.raises(DownloadError, match=f"ca_path .*{why}"):
            list(stream("https://127.0.0.1:9/x", Transport(ca_path=str(tmp_path / path))))
