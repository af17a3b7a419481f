# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may send telemetry, and with which tokens: the registry senders.json among the secrets of the controller."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone

from ansible.errors import AnsibleError
from ansible_collections.claude_code.observability.plugins.plugin_utils._secrets_dir import SecretsDir

FILE = "senders.json"
# What a sender may be called. "agent/" in front is for the agents of laptops only, "~" tells generations apart.
NAME = re.compile(r"(agent/)?[A-Za-z0-9._@+-]{1,64}")
TOKEN_BYTES = 32


@dataclass(frozen=True)
class Generation:
    """One token of a sender. `n` counts from 1; `created` is UTC, as 2026-11-24T09:30:00Z."""

    n: int
    token: str
    created: str


@dataclass
class Sender:
    """A name with its valid generations, oldest first. `revoked` is when it was, else empty."""

    name: str
    generations: list[Generation] = field(default_factory=list)
    revoked: str = ""

    def add_generation(self) -> None:
        n = self.generations[-1].n + 1 if self.generations else 1
        self.generations.append(Generation(n, secrets.token_urlsafe(TOKEN_BYTES), _now()))

    def login(self, generation: Generation) -> str:
        """The user name of a generation in Basic authentication."""
        return self.name if generation.n == 1 else f"{self.name}~{generation.n}"

    @property
    def credential(self) -> dict[str, str]:
        """Login, token and header of the newest generation."""
        newest = self.generations[-1]
        login = self.login(newest)
        encoded = base64.b64encode(f"{login}:{newest.token}".encode()).decode()
        return {"login": login, "token": newest.token, "header": f"Basic {encoded}"}


class Senders:
    """The registry. Every method reads the file once, and writes it at most once, under the lock of the directory.

    Names that no sender may have, and unknown ones where one is needed, raise AnsibleError; nothing is changed then.
    """

    def __init__(self, directory: SecretsDir) -> None:
        self._directory = directory

    def all(self) -> list[Sender]:
        """By name."""
        return [sender for _name, sender in sorted(self._read().items())]

    def hashes(self) -> str:
        """All valid logins as the text of an htpasswd file.

        SHA-1 without salt is what the collector can check fast. Nobody can search for a token of 256 random bits.
        """
        lines = [
            f"{sender.login(generation)}:{{SHA}}{_sha(generation.token)}\n"
            for sender in self.all()
            for generation in sender.generations
        ]
        return "".join(lines)

    def credentials(self, names: Iterable[str]) -> list[dict[str, str]]:
        """The newest credentials of senders. Missing senders are made, revoked ones refused."""
        wanted = _checked(names)
        known = self._read()
        if any(name not in known for name in wanted):
            with self._changing() as known:
                for name in wanted:
                    if name not in known:
                        known[name] = Sender(name)
                        known[name].add_generation()
        revoked = [name for name in wanted if known[name].revoked]
        if revoked:
            raise AnsibleError(
                f"{', '.join(revoked)}: revoked, so there is no token to send with. Take it out of the inventory, "
                f"or let it send again: playbooks/senders.yml -e issue={','.join(revoked)}"
            )
        return [known[name].credential for name in wanted]

    def change(
        self,
        present: Iterable[str] = (),
        issue: Iterable[str] = (),
        rotate: Iterable[str] = (),
        retire: Iterable[str] = (),
        revoke: Iterable[str] = (),
    ) -> bool:
        """Changes senders in this order; returns whether anything changed.

        `present` makes new senders, `issue` does so and makes revoked ones valid. `rotate` adds a generation,
        `retire` leaves the newest one only, `revoke` none.
        """
        wanted, new = _checked(present), _checked(issue)
        kinds = {"rotate": _checked(rotate), "retire": _checked(retire), "revoke": _checked(revoke)}
        with self._changing() as known:
            before = _written(known)
            for name in [*(name for name in wanted if name not in known), *new]:
                sender = known.setdefault(name, Sender(name))
                if not sender.generations:
                    sender.revoked = ""
                    sender.add_generation()
            for kind, names in kinds.items():
                _refuse_unknown(kind, names, known)
                for name in names:
                    _apply(kind, known[name])
            return _written(known) != before

    @contextmanager
    def _changing(self) -> Iterator[dict[str, Sender]]:
        """The registry, written if the block changes it and ends well."""
        with self._directory.lock():
            known = self._read()
            before = _written(known)
            yield known
            if _written(known) != before:
                self._directory.write(FILE, _written(known))

    def _read(self) -> dict[str, Sender]:
        data = self._directory.read(FILE)
        if data is None:
            return {}
        try:
            return {
                name: Sender(name, [Generation(**each) for each in entry["generations"]], entry["revoked"])
                for name, entry in json.loads(data).items()
            }
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise AnsibleError(
                f"{self._directory.path / FILE} is not as it was written ({type(error).__name__}). Restore it from a "
                "backup; if there is none, delete it and play site: every sender then gets a new token."
            ) from None


def _written(known: dict[str, Sender]) -> bytes:
    entries = {
        name: {"generations": [asdict(each) for each in sender.generations], "revoked": sender.revoked}
        for name, sender in sorted(known.items())
    }
    return json.dumps(entries, indent=1).encode() + b"\n"


def _apply(kind: str, sender: Sender) -> None:
    if kind == "revoke":
        if sender.generations:
            sender.generations, sender.revoked = [], _now()
    elif kind == "rotate":
        sender.add_generation()
    else:
        sender.generations = sender.generations[-1:]


def _refuse_unknown(kind: str, names: Iterable[str], known: dict[str, Sender]) -> None:
    unknown = [name for name in names if name not in known]
    if unknown:
        raise AnsibleError(
            f"{kind}: there is no sender {', '.join(unknown)}. playbooks/senders.yml lists those there are."
        )
    revoked = [name for name in names if known[name].revoked]
    if revoked and kind != "revoke":
        raise AnsibleError(f"{kind}: {', '.join(revoked)}: revoked. Let it send again: -e issue={','.join(revoked)}")


def _checked(names: Iterable[str]) -> list[str]:
    wanted = list(names)
    for name in wanted:
        if not NAME.fullmatch(name):
            raise AnsibleError(
                f"{name!r} can't be the name of a sender: it has 1 to 64 of A-Z a-z 0-9 . _ @ + - (an agent: agent/ "
                "and that). Set claude_settings_sender, or client_agent_laptop for an agent."
            )
    return wanted


def _sha(token: str) -> str:
    return base64.b64encode(hashlib.sha1(token.encode(), usedforsecurity=False).digest()).decode()


def _now() -> str:
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
