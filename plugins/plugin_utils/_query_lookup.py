# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the lookups prometheus and loki share: where the store is, how it knows us, and what a list of terms asks."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.loader import lookup_loader
from ansible.plugins.lookup import LookupBase
from ansible_collections.claude_code.observability.plugins.lookup.endpoint import role_default
from ansible_collections.claude_code.observability.plugins.module_utils._query_http import QueryError
from ansible_collections.claude_code.observability.plugins.plugin_utils._secrets_dir import SecretsDir


class QueryLookup(LookupBase):
    """A query module's work, asked from the controller."""

    store: str
    ask: Any

    def run(self, terms: list[str], variables: Any = None, **kwargs: Any) -> list[dict[str, Any]]:
        self.set_options(var_options=variables, direct=kwargs)
        options = self.get_options()
        if bool(terms) == bool(options.get("total")):
            raise AnsibleLookupError("Give the lookup an expression or total, and not both.")
        if options["start"] and options["range"]:
            raise AnsibleLookupError("start and range are both given; both say when the time begins.")
        if not options["url"]:
            options.update(self._of_the_stack(options, variables))
        asked = [{**options, "query": term} for term in terms or [None]]
        try:
            return [row for question in asked for row in self.ask(question, time.time())["rows"]]
        except QueryError as error:
            raise AnsibleLookupError(str(error)) from error

    def _of_the_stack(self, options: dict[str, Any], variables: Any) -> dict[str, Any]:
        """Where the inventory's store is, and how it knows the controller."""
        endpoint = lookup_loader.get("claude_code.observability.endpoint", loader=self._loader, templar=self._templar)
        found = endpoint.run([self.store], variables, viewpoint="controller", path="query")
        component = endpoint.metrics_store(variables) if self.store == "metrics" else self.store
        if not found:
            raise AnsibleLookupError(f"The inventory has no host in the group {component}; give the lookup a url.")
        own = {"url": str(found[0])}
        if component == "mimir":
            tenant = self._templar.template(variables.get("stack_tenant", role_default("stack", "stack_tenant")))
            own["headers"] = {"X-Scope-OrgID": tenant, **(options["headers"] or {})}
        return {**own, **self._keys(component, options, own["url"], variables)}

    def _keys(self, component: str, options: dict[str, Any], url: str, variables: Any) -> dict[str, str]:
        """Certificates that lie here, by which a host of the stack knows the controller, unless others are given."""
        given = [name for name in ("ca_path", "client_cert", "client_key") if options[name]]
        hosts = variables["groups"].get(component, [])
        # The external URL of what may be on several hosts is that of the load balancer before them.
        elsewhere = component == "prometheus" and self._templar.template(variables.get("prometheus_external_url", ""))
        if given or elsewhere or not hosts or not url.startswith("https:"):
            return {}
        here = variables["inventory_hostname"]
        directory = self._secrets(variables)
        host = directory / f"host-{here if here in hosts else hosts[0]}"
        return {"ca_path": f"{directory}/ca.pem", "client_cert": f"{host}.pem", "client_key": f"{host}.key"}

    def _secrets(self, variables: Any) -> Path:
        """stack_secrets_dir; the default is that of the role, which need not be in the play of a lookup."""
        beside = variables.get("inventory_dir") or variables.get("playbook_dir") or "."
        named = variables.get("stack_secrets_dir", f"{beside}/.claude-code-observability")
        return SecretsDir(str(self._templar.template(named))).path
