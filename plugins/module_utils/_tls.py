# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a program proves who it is and whom it trusts over TLS, and why that failed, in words that name the option."""

from __future__ import annotations

import ssl
import urllib.error
from dataclasses import dataclass

# OpenSSL's codes of what is wrong with the server's certificate.
NOT_YET_VALID, EXPIRED, WRONG_NAMES = 9, 10, (62, 64)
NO_TLS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG")
# What a server in Go writes, with status 400, to whoever speaks in plain text to its TLS port.
PLAINTEXT_REFUSED = "HTTP request to an HTTPS server"
SPEAKS_TLS = "it speaks TLS only; write https:// into the URL"


class AccessError(Exception):
    """A file of the access cannot be used; the text names its option."""


@dataclass(frozen=True)
class Access:
    """The files by which a server is known, and we to it; the options of modules and lookups."""

    ca_path: str | None = None
    client_cert: str | None = None
    client_key: str | None = None
    validate_certs: bool = True

    def context(self) -> ssl.SSLContext:
        """What the standard library needs for a connection. Raises AccessError."""
        for option in ("ca_path", "client_cert", "client_key"):
            path = getattr(self, option)
            try:
                if path:
                    open(path, "rb").close()
            except OSError as error:
                raise AccessError(f"{option} {path!r} cannot be read: {error.strerror}") from error
        if self.client_key and not self.client_cert:
            raise AccessError("client_key is set, but not client_cert, the certificate it belongs to")
        try:
            context = ssl.create_default_context(cafile=self.ca_path)
        except ssl.SSLError as error:
            raise AccessError(f"ca_path {self.ca_path!r} holds no certificate in PEM") from error
        if not self.validate_certs:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        try:
            if self.client_cert:
                context.load_cert_chain(self.client_cert, self.client_key)
        except ssl.SSLError as error:
            pair = f"client_cert {self.client_cert!r} and client_key {self.client_key!r}"
            raise AccessError(f"{pair} are no certificate in PEM and its key") from error
        return context

    def failure(self, error: BaseException) -> str:
        """What went wrong between the two, and what helps; empty if it was not TLS."""
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        if isinstance(reason, ssl.SSLCertVerificationError):
            return self._untrusted(reason)
        if not isinstance(reason, ssl.SSLError):
            return ""
        if isinstance(reason, (ssl.SSLEOFError, ssl.SSLZeroReturnError)):
            return "it hung up; does it ask for a client certificate (client_cert and client_key), or another one?"
        said = reason.reason or str(reason)
        if any(words in said for words in NO_TLS):
            return "it does not speak TLS; write http:// into the URL"
        if "NO_APPLICATION_PROTOCOL" in said:
            return "it does not speak HTTP/2 over TLS; is this the gRPC port?"
        if self.client_cert and "ALERT_CERTIFICATE_EXPIRED" in said:
            return f"it says that the certificate in client_cert, {self.client_cert!r}, has expired"
        if self.client_cert and "ALERT" in said:
            return f"it does not accept the certificate in client_cert, {self.client_cert!r}: {said}"
        # By TLS 1.3, then by TLS 1.2.
        if any(words in said for words in ("CERTIFICATE_REQUIRED", "HANDSHAKE_FAILURE", "BAD_CERTIFICATE")):
            return "it asks for a client certificate; client_cert and client_key are not set"
        return f"TLS failed: {said}"

    def _untrusted(self, reason: ssl.SSLCertVerificationError) -> str:
        if reason.verify_code == EXPIRED:
            return "its TLS certificate has expired; it needs a new one"
        if reason.verify_code == NOT_YET_VALID:
            return "its TLS certificate is not valid yet; is the clock of this host right?"
        if reason.verify_code in WRONG_NAMES:
            return f"its TLS certificate is for another name: {reason.verify_message}"
        now = f"ca_path is {self.ca_path!r}" if self.ca_path else "ca_path is not set"
        return f"its TLS certificate is not trusted: {reason.verify_message} ({now}; the CA's certificate goes there)"
