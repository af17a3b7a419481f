# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""With OpenID Connect whoever has a token of the issuer sends as the one it names, and nobody else sends."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.integration.senders.guarded import MALLORY, TEAM, Guarded
from tests.integration.senders.issuer import AUDIENCE, Issuer
from tests.integration.senders.test_forgery import ATTEMPTS, request, shows_as

TRANSPORTS = ("grpc", "http")
REFUSED: dict[str, Callable[[Issuer], str]] = {
    "none": lambda _issuer: "",
    "no token": lambda _issuer: "Bearer nonsense",
    "of another key": lambda issuer: f"Bearer {issuer.token(rsa.generate_private_key(65537, 2048), email=MALLORY)}",
    "for somebody else": lambda issuer: f"Bearer {issuer.token(aud='wiki', email=MALLORY)}",
    "of another issuer": lambda issuer: f"Bearer {issuer.token(iss='https://login.example.com', email=MALLORY)}",
    "expired": lambda issuer: f"Bearer {issuer.token(exp=int(time.time()) - 600, email=MALLORY)}",
    "without the claim": lambda issuer: f"Bearer {issuer.token()}",
}


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Issuer]:
    issuer = Issuer(tmp_path_factory.mktemp("issuer"))
    yield issuer
    issuer.close()


@pytest.fixture(scope="module")
def asking(issuer: Issuer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """A collector that believes the issuer, and the stores behind it."""
    told = {"issuer_url": issuer.url, "audience": AUDIENCE, "username_claim": "email", "issuer_ca": issuer.ca}
    stack = Guarded(tmp_path_factory.mktemp("oidc"), otel_collector_authentication="oidc", otel_collector_oidc=told)
    try:
        stack.start()
        yield stack
    finally:
        stack.stop()


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("signal", ["metrics", "logs"])
@pytest.mark.parametrize("attempt", ["resource", "scope, as an agent would", "everything twice"])
def test_who_has_a_token_is_who_it_names(
    asking: Guarded, issuer: Issuer, attempt: str, signal: str, transport: str
) -> None:
    session = str(uuid.uuid4())
    headers = {"Authorization": f"Bearer {issuer.token(email=MALLORY)}"}
    assert asking.send(transport, signal, request(signal, ATTEMPTS[attempt], session), headers) == 200
    shows_as(asking, signal, session, {"developer": MALLORY, "team": TEAM, "developer_verified": "true"})


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("why", REFUSED)
def test_others_are_refused(asking: Guarded, issuer: Issuer, why: str, transport: str) -> None:
    header = REFUSED[why](issuer)
    headers = {"Authorization": header} if header else {}
    body = request("metrics", ATTEMPTS["resource"], str(uuid.uuid4()))
    assert asking.send(transport, "metrics", body, headers) == 401
