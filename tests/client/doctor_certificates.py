# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A private certificate authority, and server certificates good and bad."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAY = timedelta(days=1)
LOOPBACK: list[x509.GeneralName] = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]


@dataclass(frozen=True)
class Files:
    """A certificate and its key."""

    certificate: Path
    key: Path


class Certificates:
    """`authority` signs them all; `servers` are certificates a collector can use, by what is the matter with them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._now = datetime.now(timezone.utc)
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name("Test authority")
        self.authority = self._authority("authority", self._now + 30 * DAY)
        # Of the same key, as it was before it was renewed.
        self.expired_authority = self._authority("expired-authority", self._now - DAY)
        self.servers = {
            "tls": self._server("tls", LOOPBACK, self._now + 30 * DAY),
            "expired": self._server("expired", LOOPBACK, self._now - DAY),
            "other-name": self._server("other-name", [x509.DNSName("elsewhere.example.com")], self._now + 30 * DAY),
        }

    def _authority(self, name: str, end: datetime) -> Path:
        builder = (
            self._builder("Test authority", self._key, end)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_USES_OF_AUTHORITY, critical=True)
        )
        return self._save(name, builder, self._key).certificate

    def _server(self, name: str, names: list[x509.GeneralName], end: datetime) -> Files:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = (
            self._builder(name, key, end)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        )
        return self._save(name, builder, key)

    def _builder(self, name: str, key: ec.EllipticCurvePrivateKey, end: datetime) -> x509.CertificateBuilder:
        issuer = self._key.public_key()
        return (
            x509.CertificateBuilder()
            .subject_name(_name(name))
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(self._now - 30 * DAY)
            .not_valid_after(end)
            # Python 3.13 refuses a chain without these two.
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer), critical=False)
        )

    def _save(self, name: str, builder: x509.CertificateBuilder, key: ec.EllipticCurvePrivateKey) -> Files:
        files = Files(self._folder / f"{name}.pem", self._folder / f"{name}.key")
        certificate = builder.sign(self._key, hashes.SHA256())
        files.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        files.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return files


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


_USES_OF_AUTHORITY = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)
