# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""release_archive against a real HTTPS server: what is installed, what is refused, what the server sees."""

from __future__ import annotations

import os
import threading
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from archive_mirror import flip_a_byte, redirect, sha256, tarball, zipball

RELEASE = tarball({"prog-1.0/README": b"read me", "prog-1.0/prog": os.urandom(50_000)})
SUM = sha256(RELEASE)
NAME = "/v1.0/prog-1.0.linux-amd64.tar.gz"
LIST = f"{'0' * 64}  prog-1.0.linux-arm64.tar.gz\n{SUM}  prog-1.0.linux-amd64.tar.gz\n".encode()


@pytest.fixture
def release(mirror) -> dict[str, str]:
    """The release is on the mirror; the arguments that install it."""
    mirror.pages = {NAME: RELEASE, f"{NAME}.sha256": SUM.encode(), "/v1.0/sha256sums.txt": LIST}
    return {"url": mirror.url + NAME, "checksum_url": f"{mirror.url}/v1.0/sha256sums.txt"}


def nothing_installed(tmp_path: Path) -> bool:
    return not (tmp_path / "opt").exists() or os.listdir(tmp_path / "opt") == [".claude_code.observability.json"]


@pytest.mark.parametrize("form", ["v1.0/sha256sums.txt", "v1.0/prog-1.0.linux-amd64.tar.gz.sha256"])
def test_both_checksum_forms_install_and_a_second_run_asks_nobody(tmp_path, mirror, release, run, form) -> None:
    release["checksum_url"] = f"{mirror.url}/{form}"
    first = run(**release)
    assert (first["changed"], first["downloaded"], first["sha256"]) == (True, len(RELEASE), SUM)
    assert mirror.requests == [f"/{form}", NAME]
    assert os.access(tmp_path / "opt" / "1.0" / "prog", os.X_OK)

    mirror.requests.clear()
    second = run(**release)
    assert (second["changed"], second["downloaded"]) == (False, 0)
    assert mirror.requests == []


def test_check_mode_asks_nobody(tmp_path, mirror, release, run) -> None:
    assert run(_ansible_check_mode=True, **release)["would_install"] is True
    assert mirror.requests == []
    assert not (tmp_path / "opt").exists()


@pytest.mark.parametrize("form", ["v1.0/sha256sums.txt", "v1.0/prog-1.0.linux-amd64.tar.gz.sha256"])
def test_one_wrong_byte_installs_nothing(tmp_path, mirror, release, run, form) -> None:
    release["checksum_url"] = f"{mirror.url}/{form}"
    mirror.pages[NAME] = flip_a_byte(RELEASE)
    result = run(**release)
    assert result["failed"]
    assert SUM in result["msg"]
    assert sha256(flip_a_byte(RELEASE)) in result["msg"]
    assert nothing_installed(tmp_path)

    mirror.pages[NAME] = RELEASE
    assert run(**release)["changed"] is True


def test_a_checksum_list_without_the_artifact_stops_before_the_download(tmp_path, mirror, release, run) -> None:
    mirror.pages["/v1.0/sha256sums.txt"] = LIST.split(b"\n")[0]
    result = run(**release)
    assert "neither lists 'prog-1.0.linux-amd64.tar.gz' nor is a bare SHA-256" in result["msg"]
    assert mirror.requests == ["/v1.0/sha256sums.txt"]
    assert nothing_installed(tmp_path)


def test_a_zip_with_one_program(tmp_path, mirror, run) -> None:
    content = zipball({"loki-linux-amd64": b"ELF"})
    mirror.pages["/loki-linux-amd64.zip"] = content
    members = {"loki": "loki-linux-amd64"}
    result = run(url=f"{mirror.url}/loki-linux-amd64.zip", checksum=sha256(content), members=members)
    assert result["changed"] is True
    assert (tmp_path / "opt" / "1.0" / "loki").stat().st_mode & 0o777 == 0o755


# --- broken transfers ---


def half(handler: BaseHTTPRequestHandler) -> None:
    """Promises the whole archive, sends half of it and hangs up."""
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(RELEASE)))
    handler.end_headers()
    handler.wfile.write(RELEASE[: len(RELEASE) // 2])


def half_in_chunks(handler: BaseHTTPRequestHandler) -> None:
    """The same without a length: one chunk, and no last one."""
    handler.protocol_version = "HTTP/1.1"
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    part = RELEASE[: len(RELEASE) // 2]
    handler.wfile.write(f"{len(part):x}\r\n".encode() + part + b"\r\n")


def half_unannounced(handler: BaseHTTPRequestHandler) -> None:
    """The same as HTTP/1.0 knows it: the end of the connection is the end of the file."""
    handler.send_response(200)
    handler.end_headers()
    handler.wfile.write(RELEASE[: len(RELEASE) // 2])


@pytest.mark.parametrize(
    ("page", "why"),
    [
        (half, f"the transfer broke off after {len(RELEASE) // 2} of {len(RELEASE)} bytes"),
        (half_in_chunks, "the transfer broke off"),
        (half_unannounced, f"says {SUM}: nothing was installed"),
    ],
)
def test_a_transfer_that_breaks_off_installs_nothing(tmp_path, mirror, release, run, page, why) -> None:
    mirror.pages[NAME] = page
    result = run(**release)
    assert result["failed"]
    assert why in result["msg"]
    assert nothing_installed(tmp_path)

    mirror.pages[NAME] = RELEASE
    assert run(**release)["changed"] is True


def test_a_transfer_that_breaks_off_leaves_a_broken_version_as_it_was(tmp_path, mirror, release, run) -> None:
    run(**release)
    (tmp_path / "opt" / "1.0" / "prog").write_bytes(b"broken")
    mirror.pages[NAME] = half
    assert run(**release)["failed"]
    assert (tmp_path / "opt" / "1.0" / "prog").read_bytes() == b"broken"

    mirror.pages[NAME] = RELEASE
    assert run(**release)["diff"]["before"] == "1.0 (broken: prog was changed)\n"
    assert len((tmp_path / "opt" / "1.0" / "prog").read_bytes()) == 50_000


def test_a_silent_server_is_given_up(mirror, release, run, request) -> None:
    end = threading.Event()
    request.addfinalizer(end.set)
    mirror.pages[NAME] = lambda _handler: end.wait()
    assert "no answer within 1 s (timeout)" in run(timeout=1, **release)["msg"]


# --- who is trusted ---


def test_without_the_ca_the_server_is_refused(tmp_path, mirror, release, run) -> None:
    result = run(**{**release, "ca_path": None})
    assert "TLS certificate is not trusted" in result["msg"]
    assert "ca_path is not set" in result["msg"]
    assert mirror.requests == []
    assert nothing_installed(tmp_path)


def test_a_certificate_for_another_host_is_refused(start, run) -> None:
    other = start("127.0.0.3")
    result = run(url=f"{other.url}{NAME}", checksum=SUM)
    assert "TLS certificate is not trusted" in result["msg"]
    assert other.requests == []


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_redirect_to_another_host_is_followed_without_the_headers(start, mirror, release, run, code) -> None:
    storage = start("127.0.0.2")
    storage.pages["/signed"] = RELEASE
    mirror.pages[NAME] = redirect(f"{storage.url}/signed", code)
    result = run(headers={"Authorization": "Bearer geheim", "X-Token": "geheim"}, **release)
    assert (result["changed"], result["sha256"]) == (True, SUM)
    assert [(sent["Authorization"], sent["X-Token"]) for sent in mirror.headers] == [("Bearer geheim", "geheim")] * 2
    assert storage.requests == ["/signed"]
    assert "geheim" not in str(storage.headers)


def test_a_redirect_on_the_same_host_keeps_the_headers(mirror, release, run) -> None:
    mirror.pages[NAME] = redirect("/moved")
    mirror.pages["/moved"] = RELEASE
    assert run(headers={"X-Token": "geheim"}, **release)["changed"] is True
    assert [sent["X-Token"] for sent in mirror.headers] == ["geheim"] * 3


def test_a_checksum_file_on_another_host_does_not_see_the_headers(start, mirror, release, run) -> None:
    other = start("127.0.0.2")
    other.pages["/sums"] = LIST
    assert run(headers={"X-Token": "geheim"}, **{**release, "checksum_url": f"{other.url}/sums"})["changed"] is True
    assert "geheim" not in str(other.headers)
    assert [sent["X-Token"] for sent in mirror.headers] == ["geheim"]


def test_a_redirect_to_plain_http_is_refused(start, mirror, release, run) -> None:
    plain = start(tls=False)
    plain.pages[NAME] = RELEASE
    mirror.pages[NAME] = redirect(plain.url + NAME)
    assert "less safe: refused" in run(**release)["msg"]
    assert plain.requests == []


def test_a_redirect_to_a_file_is_refused(tmp_path, mirror, release, run) -> None:
    (tmp_path / "secret").write_bytes(RELEASE)
    mirror.pages[NAME] = redirect(f"file://{tmp_path}/secret")
    assert run(**release)["failed"]
    assert nothing_installed(tmp_path)


def test_a_redirect_loop_ends(mirror, release, run) -> None:
    mirror.pages[NAME] = redirect(NAME)
    assert "HTTP 302" in run(**release)["msg"]


@pytest.mark.parametrize(
    ("code", "why"), [(401, "credentials go in headers"), (404, "check the version"), (500, "HTTP 500")]
)
def test_a_refusal_of_the_server_says_what_to_do(tmp_path, mirror, release, run, code, why) -> None:
    mirror.pages[NAME] = lambda handler: handler.send_error(code)
    result = run(**release)
    assert f"{mirror.url}{NAME}: HTTP {code}" in result["msg"]
    assert why in result["msg"]
    assert nothing_installed(tmp_path)


def test_a_server_that_is_not_there(mirror, release, run) -> None:
    mirror.close()
    assert "Connection refused" in run(**release)["msg"]
    # The fixture closes it once more.
    mirror.close = lambda: None


# --- proxies ---


def test_http_goes_through_the_proxy(start, run) -> None:
    proxy = start(tls=False)
    proxy.pages["http://mirror.invalid/x-1.0.tar.gz"] = RELEASE
    assert run(url="http://mirror.invalid/x-1.0.tar.gz", checksum=SUM, proxy=proxy.url)["changed"] is True


def test_https_goes_through_the_proxy(start, mirror, release, run) -> None:
    proxy = start(tls=False)
    assert "403" in run(**release, proxy=proxy.url)["msg"]
    assert proxy.requests == [mirror.url.removeprefix("https://")]
    assert mirror.requests == []


def test_the_proxy_of_the_environment_counts_unless_one_is_given(start, run, monkeypatch) -> None:
    proxy = start(tls=False)
    proxy.pages["http://mirror.invalid/x-1.0.tar.gz"] = RELEASE
    monkeypatch.setenv("http_proxy", proxy.url)
    assert run(url="http://mirror.invalid/x-1.0.tar.gz", checksum=SUM)["changed"] is True
    args: dict[str, Any] = {"url": "http://mirror.invalid/x-1.1.tar.gz", "version": "1.1", "checksum": SUM}
    assert "Connection refused" in run(proxy="http://127.0.0.1:9", **args)["msg"]
    assert len(proxy.requests) == 1


def test_no_proxy_holds_for_a_given_proxy_too(mirror, release, run, monkeypatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert run(proxy="http://127.0.0.1:9", **release)["changed"] is True
