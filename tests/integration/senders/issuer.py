# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An issuer of OpenID Connect: where its keys are, over HTTPS, and tokens signed with one of them."""

from __future__ import annotations

import base64
import json
import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from ansible_collections.claude_code.observability.plugins.plugin_utils._certificates import host_certificate
from ansible_collections.claude_code.observability.plugins.plugin_utils._secrets_dir import SecretsDir
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

AUDIENCE = "telemetry"


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Issuer:
    """Answers from the start on. `ca` is the authority of its certificate, in PEM."""

    def __init__(self, folder: Path) -> None:
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pair = host_certificate(SecretsDir(str(folder / "issuer")), "issuer", ["127.0.0.1"])
        self.ca = pair["ca"]
        (folder / "issuer.pem").write_text(pair["certificate"] + pair["key"])
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = json.dumps(issuer.answers[self.path]).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "issuer.pem")
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.url = f"https://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def answers(self) -> dict[str, dict[str, Any]]:
        """What it says of itself, and its public key."""
        numbers = self._key.public_key().public_numbers()
        parts = {"n": numbers.n, "e": numbers.e}
        key = {name: _base64(each.to_bytes((each.bit_length() + 7) // 8, "big")) for name, each in parts.items()}
        return {
            "/.well-known/openid-configuration": {"issuer": self.url, "jwks_uri": f"{self.url}/keys"},
            "/keys": {"keys": [{"kty": "RSA", "alg": "RS256", "use": "sig", "kid": "one", **key}]},
        }

    def token(self, key: rsa.RSAPrivateKey | None = None, **claims: Any) -> str:
        """A token that is valid but for the claims given; signed by the issuer, or with another key."""
        now = int(time.time())
        usual = {"iss": self.url, "aud": AUDIENCE, "sub": "b7c1", "iat": now, "exp": now + 3600}
        parts = [{"alg": "RS256", "typ": "JWT", "kid": "one"}, {**usual, **claims}]
        text = ".".join(_base64(json.dumps(part).encode()) for part in parts)
        signature = (key or self._key).sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{text}.{_base64(signature)}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
