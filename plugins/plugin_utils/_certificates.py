# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The private certificate authority in the directory of secrets, and what it issues."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, NamedTuple, TypeVar, Union
from urllib.parse import quote

from ansible.errors import AnsibleError
from ansible_collections.claude_code.observability.plugins.plugin_utils._secrets_dir import SecretsDir

try:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
        PublicFormat,
        load_pem_private_key,
    )
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
except ImportError:  # ansible-core brings it, but ansible-test imports plugins without
    pass

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

    Name = Union[x509.DNSName, x509.IPAddress]
    Extension = TypeVar("Extension", bound=x509.ExtensionType)

AUTHORITY_TIME = timedelta(days=3653)
HOST_TIME = timedelta(days=397)
# The clock of a host may be behind the controller's.
BACKDATED = timedelta(hours=1)


class Pair(NamedTuple):
    """A certificate and its private key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    def pem(self) -> tuple[bytes, bytes]:
        """Both in PEM."""
        key = self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return self.certificate.public_bytes(Encoding.PEM), key


def authority(secrets: SecretsDir, now: datetime | None = None) -> str:
    """The authority's certificate in PEM, made on first use. AnsibleError if it has expired or is broken."""
    return _pem(_authority(secrets, now or datetime.now(timezone.utc)).certificate)


def host_certificate(
    secrets: SecretsDir, host: str, names: Iterable[str], now: datetime | None = None
) -> dict[str, str]:
    """A host's `certificate`, its `key` and the `ca`, in PEM; for servers and clients.

    It is made anew when a third of its time is left, when it shall have other names, or when the authority is another.
    """
    now = now or datetime.now(timezone.utc)
    issuer = _authority(secrets, now)
    wanted = _names(names)
    stem = f"host-{quote(host, safe='')}"
    found = _read(secrets, stem)
    if found is None or not _serves(found, issuer, wanted, now):
        with secrets.lock():
            found = _read(secrets, stem)
            if found is None or not _serves(found, issuer, wanted, now):
                found = _issue(host, wanted, issuer, now)
                _write(secrets, stem, found)
    certificate, key = found.pem()
    return {"certificate": certificate.decode(), "key": key.decode(), "ca": _pem(issuer.certificate)}


def _authority(secrets: SecretsDir, now: datetime) -> Pair:
    found = _read(secrets, "ca")
    if found is None:
        with secrets.lock():
            found = _read(secrets, "ca")
            if found is None:
                found = _found(now)
                _write(secrets, "ca", found)
    if _end(found.certificate) <= now:
        raise AnsibleError(
            f"The certificate authority in {secrets.path} ended on {_end(found.certificate):%Y-%m-%d}. Move ca.pem and "
            "ca.key away and run site.yml for all hosts and clients: they get a new one."
        )
    return found


def _serves(pair: Pair, issuer: Pair, wanted: set[Name], now: datetime) -> bool:
    has = set(_extension(pair.certificate, x509.SubjectAlternativeName))
    signed_by = _extension(pair.certificate, x509.AuthorityKeyIdentifier).key_identifier
    ours = signed_by == _extension(issuer.certificate, x509.SubjectKeyIdentifier).digest
    # One that ends with its authority has less time from the beginning.
    fresh = _end(pair.certificate) - now > min(HOST_TIME, _end(issuer.certificate) - now) / 3
    return ours and fresh and has == wanted


def _found(now: datetime) -> Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "claude_code.observability")])
    builder = (
        _builder(name, name, key, now, now + AUTHORITY_TIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(authority=True), critical=True)
    )
    return Pair(builder.sign(key, hashes.SHA256()), key)


def _issue(host: str, names: set[Name], issuer: Pair, now: datetime) -> Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host[:64])])
    end = min(now + HOST_TIME, _end(issuer.certificate))
    signer = _extension(issuer.certificate, x509.SubjectKeyIdentifier)
    usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    builder = (
        _builder(subject, issuer.certificate.subject, key, now, end)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(signer), critical=False)
        .add_extension(x509.SubjectAlternativeName(sorted(names, key=str)), critical=False)
    )
    return Pair(builder.sign(issuer.key, hashes.SHA256()), key)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime, end: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _usage(authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _names(names: Iterable[str]) -> set[Name]:
    found: set[Name] = set()
    for name in filter(None, names):
        try:
            found.add(x509.IPAddress(ipaddress.ip_address(name)))
        except ValueError:
            try:
                found.add(x509.DNSName(name))
            except ValueError as error:
                raise AnsibleError(
                    f"{name!r} can't stand in a certificate: {error}. "
                    "If it is in stack_tls_names, write it as DNS has it."
                ) from error
    return found


def _read(secrets: SecretsDir, stem: str) -> Pair | None:
    pem, key_pem = secrets.read(f"{stem}.pem"), secrets.read(f"{stem}.key")
    if pem is None:
        return None
    try:
        certificate, key = x509.load_pem_x509_certificate(pem), load_pem_private_key(key_pem or b"", None)
        if isinstance(key, ec.EllipticCurvePrivateKey) and _public(certificate.public_key()) == _public(
            key.public_key()
        ):
            return Pair(certificate, key)
    except ValueError:
        pass
    if stem != "ca":
        return None
    raise AnsibleError(
        f"ca.pem and ca.key in {secrets.path} are no pair. Bring both back from your backup; or move them away and run "
        "site.yml for all hosts and clients, which then get a new authority."
    )


def _write(secrets: SecretsDir, stem: str, pair: Pair) -> None:
    certificate, key = pair.pem()
    # The key first: without its certificate it counts for nothing.
    secrets.write(f"{stem}.key", key)
    secrets.write(f"{stem}.pem", certificate)


def _end(certificate: x509.Certificate) -> datetime:
    if hasattr(certificate, "not_valid_after_utc"):
        return certificate.not_valid_after_utc
    # cryptography before 42
    return certificate.not_valid_after.replace(tzinfo=timezone.utc)


def _extension(certificate: x509.Certificate, kind: type[Extension]) -> Extension:
    return certificate.extensions.get_extension_for_class(kind).value


def _public(key: CertificatePublicKeyTypes) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()


def end_of(certificate_pem: str) -> int:
    """When a certificate ends, in seconds since 1970. AnsibleError if it is none."""
    try:
        return int(_end(x509.load_pem_x509_certificate(certificate_pem.encode())).timestamp())
    except ValueError:
        raise AnsibleError("stack_tls_certificate is no certificate in PEM. Give its text, not its path.") from None


def problem_of(certificate_pem: str, key_pem: str, name: str, now: datetime | None = None) -> str:
    """What is wrong with the certificate that a user gives for a host called so. Empty if nothing is."""
    if not certificate_pem or not key_pem:
        variable = "stack_tls_key" if certificate_pem else "stack_tls_certificate"
        return f"{variable} is empty. Give this host's as text in PEM, or set stack_tls: private."
    try:
        certificate = x509.load_pem_x509_certificate(certificate_pem.encode())
    except ValueError:
        return "stack_tls_certificate is no certificate in PEM. Give its text, not its path."
    try:
        key = load_pem_private_key(key_pem.encode(), None)
    except (TypeError, ValueError):
        return "stack_tls_key is no private key in PEM without a passphrase. Give its text, not its path."
    if _public(certificate.public_key()) != _public(key.public_key()):
        return f"stack_tls_key does not belong to stack_tls_certificate, which is for {_called(certificate)}."
    if _end(certificate) <= (now or datetime.now(timezone.utc)):
        return f"stack_tls_certificate ended on {_end(certificate):%Y-%m-%d}. Give a new one."
    if not _covers(certificate, name):
        return (
            f"stack_tls_certificate is for {_called(certificate)}, and not for {name}, as this host is called. "
            "Set the host's stack_address to a name in the certificate."
        )
    return ""


def _covers(certificate: x509.Certificate, name: str) -> bool:
    wanted = next(iter(_names([name])), None)
    above = x509.DNSName("*." + name.partition(".")[2])
    return any(each in (wanted, above) for each in _alternatives(certificate))


def _alternatives(certificate: x509.Certificate) -> list[x509.GeneralName]:
    try:
        return list(_extension(certificate, x509.SubjectAlternativeName))
    except x509.ExtensionNotFound:
        return []


def _called(certificate: x509.Certificate) -> str:
    return ", ".join(str(each.value) for each in _alternatives(certificate)) or "no name (it has no subjectAltName)"
