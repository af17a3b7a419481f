# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: endpoint
author:
  - claude_code.observability contributors (!UNKNOWN)
short_description: Where a component of the stack is reached from the current host
description:
  - The one rule by which roles, playbooks and client settings find a component.
  - O(ignore:<component>_external_url), when set, is the answer, unless O(external=false).
  - A component on the current host is reached by container name (runtime V(docker)) or on its own listen address
    (runtime V(systemd)).
  - What runs on a host with C(client_agent) dials that agent on loopback, as O(_terms=otel_collector).
  - A component that listens beyond loopback speaks HTTPS, unless C(stack_allow_insecure_network) is set. The receivers
    of the collector and Grafana do not with C(stack_tls=terminated_upstream) either.
    With C(stack_tls=provided) these are called by the name that others call them, which is the one in the certificate.
  - The collector's own metrics are never encrypted, and stay on loopback if they are scraped from nowhere else.
  - Any other component is reached at the C(stack_address) of its hosts, else C(ansible_host), else the inventory name.
  - V(metrics) is the store of metrics, whatever it is. Mimir if there is one, else Prometheus. O(path) says what for.
  - Without an inventory group of the component's name, the component is taken to be on the current host when
    O(assume_local=true), else there is none.
options:
  _terms:
    description: Component roles, such as V(prometheus), or V(metrics).
    type: list
    elements: str
    required: true
  path:
    description:
      - What is done with the store of metrics, which says what follows its address.
      - V(query) is what comes before C(/api/v1/query), V(otlp) what comes before C(/v1/metrics).
        V(write) takes remote write.
      - Of Prometheus, or what stands in its place, C(prometheus_otlp_path) says it for V(otlp).
    type: str
    choices: [query, otlp, write]
    default: query
  port:
    description: The variable that holds the port. Its value comes from the other host, else from the role's defaults.
    type: str
    default: <component>_port
  viewpoint:
    description:
      - V(component) is what a component of the stack dials.
      - V(host) is what a program on the host dials, which is never a container name.
      - V(controller) is what the controller dials, where the current host need not be.
    type: str
    choices: [component, host, controller]
    default: component
  scheme:
    description: The scheme of the URL, by default the one the component speaks. Empty gives C(host:port).
    type: str
  external:
    description: Whether O(ignore:<component>_external_url) counts. It does not for what a component's role itself does.
    type: bool
    default: true
  all_hosts:
    description: One answer for every host of the group, instead of the first.
    type: bool
    default: false
  assume_local:
    description: Whether a component without an inventory group is on the current host.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Where this host finds Prometheus
  ansible.builtin.debug:
    msg: "{{ lookup('claude_code.observability.endpoint', 'prometheus', viewpoint='host') }}"

- name: Where a collector on this host pushes metrics
  ansible.builtin.debug:
    msg: "{{ lookup('claude_code.observability.endpoint', 'metrics', path='otlp') }}"
"""

RETURN = r"""
_raw:
  description: The URLs, or C(host:port) with an empty scheme. Empty when there is no such component.
  type: list
  elements: str
"""

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.lookup import LookupBase

ROLES = Path(__file__).resolve().parents[2] / "roles"
LOOPBACK = ("127.0.0.1", "::1", "localhost")
WILDCARDS = ("0.0.0.0", "::")
# By the variables of their ports: what a proxy in front may be the one to encrypt, and what knows no encryption.
OUTWARD = ("otel_collector_grpc_port", "otel_collector_http_port", "grafana_port")
PLAIN = ("otel_collector_metrics_port",)
# Stores of metrics, the one that wins first, and what follows their address. The rest a variable says.
METRICS = {
    "mimir": {"query": "/prometheus", "otlp": "/otlp", "write": "/api/v1/push"},
    "prometheus": {"query": "", "write": "/api/v1/write"},
}


@cache
def role_default(component: str, variable: str) -> Any:
    """The value that the role of `component` gives `variable` when nobody sets it."""
    return yaml.safe_load((ROLES / component / "defaults" / "main.yml").read_text(encoding="utf-8")).get(variable)


def container_name(component: str) -> str:
    return component.replace("_", "-")


def literal_address(address: str) -> str:
    """An IPv6 address in brackets, anything else unchanged."""
    return f"[{address}]" if ":" in address else address


def remote_address(host: str, hostvars: Mapping[str, Any]) -> str:
    facts = hostvars.get(host, {})
    return str(facts.get("stack_address") or facts.get("ansible_host") or host)


class LookupModule(LookupBase):
    def run(self, terms: list[str], variables: Any = None, **kwargs: Any) -> list[str]:
        self.set_options(var_options=variables, direct=kwargs)
        return [answer for term in terms for answer in self.of_term(term, variables)]

    def of_term(self, term: str, variables: Mapping[str, Any]) -> list[str]:
        if term != "metrics":
            return self.of_component(term, variables)
        store = self.metrics_store(variables)
        path = "" if self.get_option("scheme") == "" else self.path_of(store, variables)
        return [url.rstrip("/") + path for url in self.of_component(store, variables)]

    def metrics_store(self, variables: Mapping[str, Any]) -> str:
        """The component that the stack keeps its metrics in."""
        there = (name for name in METRICS if variables["groups"].get(name) or self.external(name, variables))
        return next(there, "prometheus")

    def path_of(self, store: str, variables: Mapping[str, Any]) -> str:
        purpose = self.get_option("path")
        variable = f"{store}_{purpose}_path"
        said = METRICS[store].get(purpose, self.value(variables, variable))
        return str(role_default(store, variable) if said is None else said)

    def of_component(self, component: str, variables: Mapping[str, Any]) -> list[str]:
        if component == "otel_collector" and self.get_option("viewpoint") == "host" and self.has_agent(variables):
            return [self.url("http", "127.0.0.1", self.port_of(component, variables))]
        external = self.external(component, variables) if self.get_option("external") else None
        if external:
            return [re.sub(r"^[a-z]+://|/.*$", "", external) if self.get_option("scheme") == "" else external]
        here = variables["inventory_hostname"]
        hosts = list(variables["groups"].get(component, [])) or ([here] if self.get_option("assume_local") else [])
        if not self.get_option("all_hosts"):
            hosts = [here] if here in hosts else hosts[:1]
        return [self.at_host(component, host, host == here, variables) for host in hosts]

    def external(self, component: str, variables: Mapping[str, Any]) -> Any:
        return self.value(variables, f"{component}_external_url")

    def at_host(self, component: str, host: str, here: bool, variables: Mapping[str, Any]) -> str:
        hostvars = variables["hostvars"]
        owner = variables if here else hostvars.get(host, {})
        viewpoint = self.get_option("viewpoint")
        beside = here if viewpoint != "controller" else self.value(owner, "ansible_connection") == "local"
        if beside and not self.is_named(component, owner):
            scraped = set(variables["groups"].get("prometheus", []))
            address = self.local_address(component, owner, scraped_from_elsewhere=bool(scraped - {host}))
        else:
            address = remote_address(host, hostvars)
        return self.url(self.scheme_of(component, owner), address, self.port_of(component, owner))

    def local_address(self, component: str, owner: Mapping[str, Any], scraped_from_elsewhere: bool) -> str:
        runtime = self.first_of(owner, f"{component}_runtime", "stack_runtime") or "docker"
        if self.get_option("viewpoint") == "component" and runtime == "docker":
            return container_name(component)
        if self.port_variable(component) in PLAIN and self.is_secure(component, owner) and not scraped_from_elsewhere:
            return "127.0.0.1"
        listen = self.listen_address(component, owner)
        return "127.0.0.1" if listen in WILDCARDS else listen

    def scheme_of(self, component: str, owner: Mapping[str, Any]) -> str:
        """What a port of a component speaks."""
        variable = self.port_variable(component)
        upstream = variable in OUTWARD and self.value(owner, "stack_tls") == "terminated_upstream"
        return "https" if self.is_secure(component, owner) and variable not in PLAIN and not upstream else "http"

    def is_named(self, component: str, owner: Mapping[str, Any]) -> bool:
        """Whether a certificate of the user's own stands there, which knows a host by the name that others call it."""
        provided = self.value(owner, "stack_tls") == "provided" and self.port_variable(component) in OUTWARD
        return provided and self.scheme_of(component, owner) == "https"

    def is_secure(self, component: str, owner: Mapping[str, Any]) -> bool:
        """Whether a component is encrypted and asks who is there."""
        insecure = boolean(self.value(owner, "stack_allow_insecure_network") or False)
        return self.listen_address(component, owner) not in LOOPBACK and not insecure

    def listen_address(self, component: str, owner: Mapping[str, Any]) -> str:
        return str(self.first_of(owner, f"{component}_listen_address", "stack_listen_address") or "127.0.0.1")

    def has_agent(self, variables: Mapping[str, Any]) -> bool:
        """Whether the current host has a collector of its own that forwards to the stack's."""
        wanted = boolean(self.value(variables, "client_agent") or False)
        stays = self.value(variables, "client_agent_state") in (None, "present")
        return wanted and stays and variables["inventory_hostname"] not in variables["groups"].get("otel_collector", [])

    def port_variable(self, component: str) -> str:
        return str(self.get_option("port")).replace("<component>", component)

    def port_of(self, component: str, owner: Mapping[str, Any]) -> Any:
        """The port that a host's variables say, else the role."""
        variable = self.port_variable(component)
        return self.value(owner, variable) or role_default(component, variable)

    def url(self, spoken: str, address: str, port: Any) -> str:
        scheme = self.get_option("scheme")
        place = f"{literal_address(address)}:{port}"
        return place if scheme == "" else f"{scheme or spoken}://{place}"

    def first_of(self, variables: Mapping[str, Any], *names: str) -> Any:
        return next((value for value in (self.value(variables, name) for name in names) if value is not None), None)

    def value(self, variables: Mapping[str, Any], name: str) -> Any:
        if name not in variables:
            return None
        return self._templar.template(variables[name])
