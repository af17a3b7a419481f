#!/usr/bin/python
# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: preflight
short_description: Looks whether components can be put on a host, before anything is changed
description:
  - Fails if a container, network, unit, directory or port that the components need is there and belongs to someone
    else, or if the host cannot run them.
  - One failure lists everything in the way, each with its owner and what to change.
  - Ours is a container or network with the label C(claude_code.observability), a unit that is a link into the
    configuration directory, a directory with this collection's marker or an empty one, and a port that one of these
    listens on.
  - Otherwise returns the few facts that the roles need.
extends_documentation_fragment:
  - claude_code.observability.attributes
  - claude_code.observability.components
attributes:
  check_mode:
    support: full
    details:
      - Changes nothing in either mode.
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  network:
    description: Name of the docker network of the components.
    type: str
    default: ""
  become:
    description: Whether the components are to be set up by root.
    type: bool
    default: true
author:
  - claude_code.observability contributors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Nothing of somebody else's is in the way
  claude_code.observability.preflight:
    components:
      - name: grafana
        runtime: docker
        runtime_variable: grafana_runtime
        config_dir: /etc/grafana
        data_dir: /var/lib/grafana
        ports:
          - address: 127.0.0.1
            port: 3000
            variable: grafana_port
    network: claude-code-observability
  register: host
"""

RETURN = r"""
problems:
  description: What is in the way.
  type: list
  elements: dict
  returned: failure
  contains:
    what:
      description: What is there.
      type: str
    owner:
      description: Whose it is, empty if it is nobody's.
      type: str
    change:
      description: What to do, with the variable to set.
      type: str
architecture:
  description: The architecture in the words of release archives.
  type: str
  returned: success
  sample: amd64
system:
  description: The operating system's kernel.
  type: str
  returned: success
  sample: Linux
python:
  description: Version of the Python that the module runs in.
  type: str
  returned: success
systemd_version:
  description: Version of systemd, 0 where it does not run.
  type: int
  returned: success
docker:
  description: The docker engine.
  type: dict
  returned: success
  contains:
    server_version:
      description: Version of the engine, empty without one.
      type: str
    limits_memory:
      description: Whether the engine can limit the memory of a container.
      type: bool
    network_present:
      description: Whether the network exists.
      type: bool
euid:
  description: The user the module runs as.
  type: int
  returned: success
egid:
  description: The group the module runs as.
  type: int
  returned: success
memory_bytes:
  description: Physical memory.
  type: int
  returned: success
users:
  description: C(uid) and C(gid) of each component's user, -1 if it does not exist.
  type: dict
  returned: success
  sample: {grafana: {uid: 998, gid: 998}}
disk:
  description: C(total) and C(available) bytes where each component's data lies or would lie.
  type: dict
  returned: success
components:
  description:
    - For each component C(marker) (what the marker of its configuration directory says), C(runtime_present) (a list of
      V(docker), V(systemd) and V(launchd), where something of ours is set up) and C(set) (name of the current
      configuration set).
  type: dict
  returned: success
  sample: {grafana: {marker: {}, runtime_present: [docker], set: 5f2b6a0c9d1e4f37}}
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.claude_code.observability.plugins.module_utils._components import COMPONENTS
from ansible_collections.claude_code.observability.plugins.module_utils._preflight import gather, report
from ansible_collections.claude_code.observability.plugins.module_utils._preflight_rules import Component, Port, judge


def component(options: dict[str, Any]) -> Component:
    """A component from its options."""
    return Component(
        name=options["name"],
        runtime=options["runtime"],
        runtime_variable=options["runtime_variable"],
        user=options["user"] or options["name"],
        config_dir=options["config_dir"],
        data_dir=options["data_dir"],
        install_dir=options["install_dir"] or "",
        ports=tuple(Port(**port) for port in options["ports"]),
    )


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "components": COMPONENTS,
            "network": {"type": "str", "default": ""},
            "become": {"type": "bool", "default": True},
        },
        supports_check_mode=True,
    )
    components = [component(options) for options in module.params["components"]]
    network = module.params["network"]
    facts = gather(components, network, module.params["become"])
    problems = judge(components, network, facts)
    if problems:
        lines = "\n".join(f"- {problem}" for problem in problems)
        module.fail_json(
            msg=f"This host is not ready, nothing was changed:\n{lines}",
            problems=[vars(problem) for problem in problems],
        )
    module.exit_json(changed=False, **report(components, network, facts))


if __name__ == "__main__":
    main()
