#!/usr/bin/python
# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: image_archive
short_description: Load an image from an archive on the controller, unless the engine has it
description:
  - Asks the Docker engine of the host for an image.
    If it is not there, verifies the archive on the controller, transfers and loads it.
  - The engine is reached as M(community.docker.docker_image_load) does by default.
author:
  - claude_code.observability contributors (!UNKNOWN)
extends_documentation_fragment:
  - claude_code.observability.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  name:
    description: The whole name of the image. The archive must hold it by this name.
    type: str
    required: true
  archive:
    description: The archive on the controller, as C(docker save) makes it.
    type: path
    required: true
  checksum:
    description: The SHA-256 of the archive. Another archive is refused, and not transferred.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: The image of Prometheus is there
  claude_code.observability.image_archive:
    name: prom/prometheus:v3.13.5
    archive: /srv/bundle/images/prom-prometheus-v3.13.5-linux_amd64.tar
    checksum: 9662c838a09824fdb072e5f6fbdd45b62cf541b20f3d609ea5011e6e5f544c8f
"""

RETURN = r"""
loaded:
  description: Names of the images that were loaded. Empty in check mode.
  type: list
  elements: str
  returned: success
"""
