# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleLookupError
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import lookup_loader
from ansible.template import Templar
from ansible_collections.claude_code.observability.plugins.module_utils._query_http import QueryError

INVENTORY = {
    "inventory_hostname": "here",
    "groups": {"prometheus": ["there"], "loki": []},
    "hostvars": {"here": {}, "there": {"ansible_host": "10.1.1.1"}},
}


class Asked(list[dict[str, Any]]):
    """Stands for the store."""

    def answer(self, options: dict[str, Any], _now: float) -> dict[str, Any]:
        self.append(options)
        if options["query"] == "wrong":
            raise QueryError("the store's own words")
        return {"rows": [{"labels": {}, "value": len(self)}]}


@pytest.fixture
def asked() -> Asked:
    return Asked()


@pytest.fixture
def look(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> Any:
    def run(store: str, *terms: str, more: dict[str, Any] | None = None, **options: Any) -> list[dict[str, Any]]:
        variables = {**INVENTORY, **(more or {})}
        templar = Templar(DataLoader(), variables=variables)
        lookup = lookup_loader.get(f"claude_code.observability.{store}", loader=DataLoader(), templar=templar)
        monkeypatch.setattr(type(lookup), "ask", staticmethod(asked.answer))
        return lookup.run(list(terms), variables=variables, **options)

    return run


def test_terms_are_asked_one_after_the_other(look: Any, asked: Asked) -> None:
    assert [row["value"] for row in look("prometheus", "up", "down", timeout="5")] == [1, 2]
    assert [(options["query"], options["timeout"]) for options in asked] == [("up", 5), ("down", 5)]


def test_the_url_is_the_inventorys_unless_given(look: Any, asked: Asked) -> None:
    look("prometheus", total="cost", range="30d", by=["team"])
    look("loki", "{}", url="http://logs:1")
    assert [options["url"] for options in asked] == ["http://10.1.1.1:9090", "http://logs:1"]
    with pytest.raises(AnsibleLookupError, match="no host in the group loki; give the lookup a url"):
        look("loki", "{}")


@pytest.mark.parametrize(
    ("terms", "options", "message"),
    [
        ([], {}, "expression or total, and not both"),
        (["up"], {"total": "cost"}, "expression or total, and not both"),
        (["up"], {"start": "now", "range": "1h"}, "start and range are both given"),
        (["wrong"], {}, "the store's own words"),
    ],
)
def test_wrong_calls(look: Any, terms: list[str], options: dict[str, Any], message: str) -> None:
    with pytest.raises(AnsibleLookupError, match=message):
        look("prometheus", *terms, **options)


SECURE = {"hostvars": {"here": {}, "there": {"ansible_host": "10.1.1.1", "stack_listen_address": "0.0.0.0"}}}
ACCESS = ("ca_path", "client_cert", "client_key")


def test_a_store_beyond_loopback_is_shown_its_hosts_certificate(look: Any, asked: Asked) -> None:
    look("prometheus", "up", more={**SECURE, "stack_secrets_dir": "/srv/secrets"})
    look("prometheus", "up", more={**SECURE, "inventory_dir": "/srv/inventory"})
    assert asked[0]["url"] == "https://10.1.1.1:9090"
    assert [[options[name] for name in ACCESS] for options in asked] == [
        [f"{place}/{file}" for file in ("ca.pem", "host-there.pem", "host-there.key")]
        for place in ("/srv/secrets", "/srv/inventory/.claude-code-observability")
    ]


BEHIND = {
    **SECURE,
    "groups": {"prometheus": ["there"], "loki": ["there"], "mimir": ["there"]},
    "stack_secrets_dir": "/srv/secrets",
    "loki_external_url": "https://balancer:3100",
    "mimir_external_url": "https://balancer:9009",
}


def test_hosts_behind_a_load_balancer_are_asked_through_it_with_their_certificate(look: Any, asked: Asked) -> None:
    look("loki", "{}", more=BEHIND)
    look("prometheus", "up", more=BEHIND)
    assert [options["url"] for options in asked] == ["https://balancer:3100", "https://balancer:9009/prometheus"]
    assert {options["client_key"] for options in asked} == {"/srv/secrets/host-there.key"}


def test_mimir_is_asked_for_the_tenant(look: Any, asked: Asked) -> None:
    for more in ({}, {"stack_tenant": "team"}):
        look("prometheus", "up", more={**BEHIND, **more})
    look("prometheus", "up", more=BEHIND, headers={"X-Scope-OrgID": "own"})
    look("prometheus", "up", url="https://elsewhere", more=BEHIND)
    tenants = [(options["headers"] or {}).get("X-Scope-OrgID") for options in asked]
    assert tenants == ["claude-code", "team", "own", None]


def test_what_is_not_the_stacks_or_is_told_otherwise_is_shown_nothing(look: Any, asked: Asked) -> None:
    look("prometheus", "up")
    look("prometheus", "up", url="https://elsewhere", more=SECURE)
    look("prometheus", "up", more={**SECURE, "prometheus_external_url": "https://elsewhere"})
    look("prometheus", "up", ca_path="/own.pem", more=SECURE)
    assert [[options[name] for name in ACCESS] for options in asked] == [[None] * 3] * 3 + [["/own.pem", None, None]]
