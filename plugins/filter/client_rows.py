# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: client_rows
author:
  - claude_code.observability contributors (!UNKNOWN)
short_description: Whose settings are written, effective, and whose telemetry has arrived
description:
  - Puts together what C(playbooks/verify.yml) has asked clients and Prometheus.
  - One row for each user of each host, those first about whom there is something to do.
positional: seen
options:
  _input:
    description: The clients.
    type: list
    elements: dict
    required: true
    suboptions:
      host:
        description: The inventory's name of it.
        type: str
        required: true
      answer:
        description: The result of M(claude_code.observability.claude_settings) in check mode.
        type: dict
        required: true
      scope:
        description: V(user) or V(managed).
        type: str
        default: user
      revision:
        description: What C(settings_revision) is after the rollout.
        type: str
      developer:
        description: What C(developer) is, where V({user}) stands for the name of the user.
        type: str
      variables:
        description: The names of the variables that are set.
        type: list
        elements: str
        default: []
      attributes:
        description: Attributes of single users, which win.
        type: dict
        default: {}
      senders:
        description:
          - By user, as whom they log in to a collector that asks who sends, which is what C(developer) is then.
          - An empty user stands for every user that is not named.
        type: dict
        default: {}
      closer:
        description: The result of M(claude_code.observability.claude_settings_info), where somebody is silent.
        type: dict
        default: {}
  seen:
    description:
      - The C(developer) and C(settings_revision) of the data that Prometheus has.
      - Or a text that says why it was not asked.
    type: raw
    required: true
  pseudonym_key:
    description:
      - The key of the pseudonyms, where C(stack_pseudonyms) is set. C(developer) of the data is the pseudonym then.
      - The rows have the names, as whoever holds the key could.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Who is silent
  ansible.builtin.debug:
    msg: "{{ clients | claude_code.observability.client_rows(seen) | selectattr('result', 'eq', 'silent') }}"
"""

RETURN = r"""
_value:
  description:
    - Rows with C(host), C(user), C(developer), C(written), C(effective), C(arrived), C(result) and C(detail).
    - C(result) is V(arrived), V(older) if data came with other settings only, V(silent), V(not written),
      V(unreachable), or V(unknown) if Prometheus was not asked.
  type: list
  elements: dict
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.claude_code.observability.plugins.plugin_utils._pseudonyms import pseudonym

EVERYBODY = "(all)"
ORDER = ("not written", "silent", "older", "unknown", "unreachable", "arrived")
Seen = Sequence[Mapping[str, str]]


def client_rows(
    clients: Sequence[Mapping[str, Any]], seen: Seen | str, pseudonym_key: str = ""
) -> list[dict[str, str]]:
    """One row for each user of each client, those first about whom there is something to do."""
    store = Store(seen, pseudonym_key)
    rows = [row for client in clients for row in _of_client(client, store)]
    return sorted(rows, key=lambda row: ORDER.index(row["result"]))


class Store:
    """What Prometheus has. silence: why it was not asked, else empty."""

    def __init__(self, seen: Seen | str, pseudonym_key: str) -> None:
        self.silence = seen if isinstance(seen, str) else ""
        self._key = pseudonym_key
        self._revisions: dict[str, set[str]] = {}
        for one in [] if isinstance(seen, str) else seen:
            self._revisions.setdefault(one.get("developer", ""), set()).add(one.get("settings_revision", ""))

    def revisions(self, developer: str) -> set[str]:
        """The settings with which data of somebody has come."""
        return self._revisions.get(pseudonym(self._key, developer) if self._key else developer, set())


def _of_client(client: Mapping[str, Any], store: Store) -> Iterator[dict[str, str]]:
    answer = client["answer"]
    if answer.get("unreachable"):
        yield _row(client, "", result="unreachable", detail=_message(answer))
    elif answer.get("failed") and not answer.get("users"):
        yield _row(client, "", written="no", result="not written", detail=_message(answer))
    elif client.get("scope") == "managed":
        yield _of_user(client, {"name": EVERYBODY, "changed": answer.get("changed")}, store)
    else:
        for user in answer.get("users", []):
            yield _of_user(client, user, store)


def _of_user(client: Mapping[str, Any], user: Mapping[str, Any], store: Store) -> dict[str, str]:
    name = str(user["name"])
    if user.get("failed"):
        return _row(client, name, written="no", result="not written", detail=_message(user))
    if user.get("changed"):
        keys = [key for kind in ("added", "changed", "removed") for key in user.get(f"keys_{kind}", [])]
        detail = "would be set: " + ", ".join(keys) if keys else "the file is not as it would be set"
        return _row(client, name, written="no", result="not written", detail=detail)
    if store.silence:
        return _row(client, name, written="yes", result="unknown", detail=store.silence)
    revisions = store.revisions(_developer(client, name))
    if client["revision"] in revisions:
        return _row(client, name, written="yes", effective="yes", arrived="yes", result="arrived")
    effective, detail = _closer(client, name)
    if revisions:
        other = " and ".join(sorted(revision or "none" for revision in revisions))
        note = (
            f"data with settings_revision {other}, not yet {client['revision']}: sessions read settings at their start"
        )
        return _row(client, name, "yes", effective, "older", "older", detail if effective == "no" else note)
    return _row(client, name, "yes", effective, "no", "silent", detail)


def _row(
    client: Mapping[str, Any],
    user: str,
    written: str = "",
    effective: str = "",
    arrived: str = "",
    result: str = "",
    detail: str = "",
) -> dict[str, str]:
    return {
        "host": str(client["host"]),
        "user": user,
        "developer": _developer(client, user),
        "written": written,
        "effective": effective,
        "arrived": arrived,
        "result": result,
        "detail": detail,
    }


def _developer(client: Mapping[str, Any], user: str) -> str:
    if not user:
        return ""
    senders = client.get("senders", {})
    own = client.get("attributes", {}).get(user, {}).get("developer")
    text = str(senders.get(user) or senders.get("") or own or client.get("developer", ""))
    return text.replace("{user}", user)


def _closer(client: Mapping[str, Any], user: str) -> tuple[str, str]:
    """Whether our settings are the ones in use, and what a closer look says."""
    found = client.get("closer", {}).get("users", [])
    # Managed settings are the same for everybody: the first who was looked at will do.
    one = next((one for one in found if user in (EVERYBODY, one["name"])), None)
    if one is None or one.get("failed"):
        return "", _message(one or {})
    foreign = [
        f"{key['key']} comes from {key['where'] or key['source']}"
        for key in one["variables"]
        if key["key"] in client.get("variables", ()) and key["source"] != client.get("scope", "user")
    ]
    return "no" if foreign else "yes", one["verdict"] if one["cause"] or not foreign else "; ".join(foreign)


def _message(result: Mapping[str, Any]) -> str:
    return str(result.get("msg", "")).removeprefix("Task failed: ")


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"client_rows": client_rows}
