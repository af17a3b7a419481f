# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import ipaddress
import socket
import ssl
import threading
from datetime import datetime, timedelta, timezone

import pytest
from ansible_collections.claude_code.observability.plugins.module_utils._tls import Access, AccessError
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

DAY = timedelta(days=1)
NOW = datetime.now(timezone.utc)


def issue(folder, name, issuer=None, end=NOW + DAY, begin=NOW - 3 * DAY, address="127.0.0.1"):
    """Writes NAME.pem and NAME.key: an authority, or what `issuer` (name and key) signs. Returns its name and key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    signer, signing_key = issuer or (subject, key)
    builder = (
        x509.CertificateBuilder(signer, subject, key.public_key(), x509.random_serial_number(), begin, end)
        .add_extension(x509.BasicConstraints(issuer is None, None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signing_key.public_key()), critical=False)
    )
    if issuer:
        names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))])
        builder = builder.add_extension(names, critical=False)
    else:
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        builder = builder.add_extension(usage, critical=True)
    pem = serialization.Encoding.PEM
    (folder / f"{name}.pem").write_bytes(builder.sign(signing_key, hashes.SHA256()).public_bytes(pem))
    (folder / f"{name}.key").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return subject, key


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    ours, other = issue(folder, "ca"), issue(folder, "other")
    issue(folder, "host", ours)
    issue(folder, "expired", ours, end=NOW - DAY)
    issue(folder, "early", ours, begin=NOW + DAY / 2)
    issue(folder, "elsewhere", ours, address="192.0.2.1")
    issue(folder, "foreign", other)
    (folder / "text").write_text("no PEM\n")
    return folder


@contextlib.contextmanager
def serving(folder, name="host", mutual=False, newest=ssl.TLSVersion.TLSv1_3):
    """A server that says hello over TLS; in plain text without a name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.maximum_version = newest
    if name:
        context.load_cert_chain(folder / f"{name}.pem", folder / f"{name}.key")
    if mutual:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(folder / "ca.pem")
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        connection, _peer = listener.accept()
        with (
            connection,
            contextlib.suppress(OSError),
            context.wrap_socket(connection, server_side=True) if name else connection as opened,
        ):
            opened.recv(1)
            opened.sendall(b"hello")
            # A reset would take the answer from the client.
            while opened.recv(4096):
                pass

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        thread.join(30)
        listener.close()


def asked(port, access):
    """The greeting, or why there is none."""
    with socket.create_connection(("127.0.0.1", port), 20) as plain:
        try:
            with access.context().wrap_socket(plain, server_hostname="127.0.0.1") as opened:
                opened.sendall(b"x")
                return opened.recv(5)
        except OSError as error:
            return access.failure(error)


def files(folder, ca="ca", own=None):
    return Access(*(str(folder / name) for name in (f"{ca}.pem", *([f"{own}.pem", f"{own}.key"] if own else []))))


# By TLS 1.3 a server of Python may hang up without a word; one of Go, as in tests/integration/queries, says why.
def test_a_client_certificate(folder):
    version = ssl.TLSVersion.TLSv1_2
    with serving(folder, mutual=True, newest=version) as port:
        assert asked(port, files(folder, own="host")) == b"hello"
    with serving(folder, mutual=True, newest=version) as port:
        assert asked(port, files(folder)) == "it asks for a client certificate; client_cert and client_key are not set"
    with serving(folder, mutual=True, newest=version) as port:
        assert asked(port, files(folder, own="foreign")).startswith(
            f"it does not accept the certificate in client_cert, '{folder}/foreign.pem': "
        )
    with serving(folder, mutual=True, newest=version) as port:
        said = asked(port, files(folder, own="expired"))
        assert said == f"it says that the certificate in client_cert, '{folder}/expired.pem', has expired"


def test_a_server_that_may_hang_up(folder):
    with serving(folder, mutual=True) as port:
        assert asked(port, files(folder, own="host")) == b"hello"
    with serving(folder, mutual=True) as port:
        said = asked(port, files(folder))
    # Nothing, where the reset overtakes the alert.
    assert said == "" or "a client certificate" in said


@pytest.mark.parametrize(
    ("server", "ca", "said"),
    [
        ("host", "other", "certificate is not trusted: "),
        ("expired", "ca", "certificate has expired; it needs a new one"),
        ("early", "ca", "certificate is not valid yet; is the clock of this host right?"),
        ("elsewhere", "ca", "certificate is for another name: IP address mismatch"),
    ],
)
def test_a_server_that_cannot_be_trusted(folder, server, ca, said):
    with serving(folder, server) as port:
        answer = asked(port, files(folder, ca))
    assert answer.startswith("its TLS " + said)
    assert answer.endswith(f"(ca_path is '{folder}/other.pem'; the CA's certificate goes there)") == (server == "host")


def test_without_a_ca_of_ours(folder):
    with serving(folder) as port:
        assert asked(port, Access()).endswith("(ca_path is not set; the CA's certificate goes there)")
    with serving(folder, "expired") as port:
        assert asked(port, Access(validate_certs=False)) == b"hello"


def test_a_server_without_tls(folder):
    with serving(folder, name="") as port:
        assert asked(port, files(folder)) == "it does not speak TLS; write http:// into the URL"


@pytest.mark.parametrize(
    ("access", "said"),
    [
        (("no.pem",), "ca_path '{}/no.pem' cannot be read: No such file or directory"),
        (("text",), "ca_path '{}/text' holds no certificate in PEM"),
        (("ca.pem", "no.pem", "host.key"), "client_cert '{}/no.pem' cannot be read: No such file or directory"),
        (
            ("ca.pem", "host.pem", "foreign.key"),
            "client_cert '{0}/host.pem' and client_key '{0}/foreign.key' are no certificate in PEM and its key",
        ),
    ],
)
def test_files_that_cannot_be_used(folder, access, said):
    with pytest.raises(AccessError) as error:
        Access(*(str(folder / name) for name in access)).context()
    assert str(error.value) == said.format(folder)


def test_a_key_without_its_certificate(folder):
    with pytest.raises(AccessError, match="client_key is set, but not client_cert"):
        Access(client_key=str(folder / "host.key")).context()


def test_what_is_no_failure_of_tls():
    assert Access().failure(ConnectionRefusedError(111, "Connection refused")) == ""
