# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """The description of components that modules take."""

    DOCUMENTATION = r"""
options:
  components:
    description: What each component takes on this host.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the component, its container, its unit and, without O(components[].user), its user.
        type: str
        required: true
      runtime:
        description: How it is to run.
        type: str
        choices: [docker, systemd, launchd]
        required: true
      runtime_variable:
        description: The variable that sets the runtime, to be named in errors.
        type: str
        required: true
      user:
        description: The system user it runs as.
        type: str
      listen_address:
        description: The address it listens on.
        type: str
      config_dir:
        description: Its configuration directory, below C(stack_config_dir).
        type: path
        required: true
      data_dir:
        description: Its data directory, below C(stack_data_dir).
        type: path
        required: true
      install_dir:
        description: The directory of its versions, below C(stack_install_dir). Looked at with systemd only.
        type: path
      disk_min_free:
        description: How much of the disk of its data must be free for it to run, in percent.
        type: int
        default: 0
      ports:
        description: The TCP ports it takes on the host.
        type: list
        elements: dict
        default: []
        suboptions:
          address:
            description: The address.
            type: str
            required: true
          port:
            description: The port.
            type: int
            required: true
          variable:
            description: The variable that sets the port, to be named in errors.
            type: str
            required: true
      ready:
        description: The request that shows it works.
        type: dict
        suboptions:
          url:
            description: URL of the request, dialled on the host.
            type: str
            required: true
          method:
            description: Its method.
            type: str
            default: GET
          body:
            description: Its body.
            type: str
          headers:
            description: Its headers.
            type: dict
            default: {}
          status:
            description: The answers that mean it works.
            type: list
            elements: int
            default: [200]
          ca_path:
            description: File with the authority that its certificate is verified with. Without it the system's.
            type: path
          client_cert:
            description: File with the certificate that is shown.
            type: path
          client_key:
            description: File with the key of the certificate that is shown.
            type: path
"""
