#!/usr/bin/python
# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: component_info
short_description: Tells how the components on a host are doing
description:
  - For each component its runtime, state, running version, health, encryption, ports and the disk its data takes.
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
author:
  - claude_code.observability contributors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: The state of Loki is known
  claude_code.observability.component_info:
    components:
      - name: loki
        runtime: systemd
        runtime_variable: loki_runtime
        config_dir: /etc/loki
        data_dir: /var/lib/loki
        ready:
          url: http://127.0.0.1:3100/ready
  register: status
"""

RETURN = r"""
components:
  description: How each component is doing.
  type: list
  elements: dict
  returned: success
  contains:
    name:
      description: The component.
      type: str
    runtime:
      description: V(docker), V(systemd), or empty when nothing of it is there.
      type: str
    state:
      description: V(running), V(stopped), V(absent), or the runtime's own word for anything else.
      type: str
    since:
      description: When it entered that state, in the runtime's words.
      type: str
    version:
      description: The version that its container or unit names.
      type: str
    health:
      description: V(ok), or what came instead of the expected answer.
      type: str
    loopback:
      description: Whether it listens for its own host only.
      type: bool
    encryption:
      description: V(tls) or V(plain), as its requests are answered.
      type: str
    ports:
      description: The ports it takes.
      type: list
      elements: int
    data_bytes:
      description: Disk that its data takes.
      type: int
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.claude_code.observability.plugins.module_utils._components import COMPONENTS
from ansible_collections.claude_code.observability.plugins.module_utils._status import component_status


def main() -> None:
    module = AnsibleModule(
        argument_spec={"components": COMPONENTS},
        supports_check_mode=True,
    )
    module.exit_json(components=[component_status(component) for component in module.params["components"]])


if __name__ == "__main__":
    main()
