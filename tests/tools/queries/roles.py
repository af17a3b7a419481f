# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the roles would write for one host that has every component, with their defaults, without any host."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from ansible.parsing.dataloader import DataLoader  # type: ignore[import-untyped]
from ansible.plugins.loader import init_plugin_loader  # type: ignore[import-untyped]
from ansible.template import Templar  # type: ignore[import-untyped]
from ansible.utils.collection_loader import AnsibleCollectionConfig  # type: ignore[import-untyped]

from tests.tools.queries.vocabulary import ROOT

HOST = "stack"


def files(role: str, kind: str = "files", **variables: Any) -> dict[str, str]:
    """The configuration files of a component role by name, or its secrets."""
    made: dict[str, str] = value(role, f"__{role}_{kind}", **variables)
    return {str(name): str(text) for name, text in made.items()}


def write(place: Path, role: str, kinds: Iterable[str] = ("files", "secrets"), **variables: Any) -> Path:
    """Writes them where the role would, and returns that directory."""
    for kind in kinds:
        for name, text in files(role, kind, **variables).items():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            (place / name).write_text(text)
    return place


def value(role: str, expression: str, **variables: Any) -> Any:
    """What an expression is for a component role."""
    if AnsibleCollectionConfig.collection_finder is None:
        init_plugin_loader([str(ROOT / ".collections")])
    place = ROOT / "roles" / role
    known = {
        **_defaults(),
        "groups": {name: [HOST] for name in ("all", "otel_collector", "prometheus", "loki", "grafana")},
        "inventory_hostname": HOST,
        "ansible_facts": {"architecture": "x86_64"},
        "ansible_search_path": [str(place)],
        "role_path": str(place),
        "__component_disk_bytes": 10**12,
        "__component_preflight": {"disk": {name: {"total": 2 * 10**12} for name in ("loki", "prometheus")}},
        **variables,
    }
    known.setdefault(
        "group_names", [group for group, hosts in known["groups"].items() if known["inventory_hostname"] in hosts]
    )
    known["hostvars"] = {HOST: known, **variables.get("hostvars", {})}
    return Templar(DataLoader(), variables=known).resolve_variable_expression(expression)


@cache
def _defaults() -> dict[str, Any]:
    loader = DataLoader()
    found: dict[str, Any] = {}
    for part in ("defaults", "vars"):
        roles = Path(ROOT / "roles")
        for file in sorted([*roles.glob(f"*/{part}/main.yml"), *roles.glob(f"*/{part}/main/*.yml")]):
            found.update(loader.load_from_file(str(file), trusted_as_template=True) or {})
    return found
