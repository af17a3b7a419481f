# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: bundle
author:
  - claude_code.observability contributors (!UNKNOWN)
short_description: What an installation takes from a bundle
description:
  - Finds artifacts in a bundle that C(playbooks/bundle.yml) has made. What is not there is an error that says what is.
  - The checksum is the one in C(SHA256SUMS) of the bundle. Whoever takes the artifact compares it.
options:
  _terms:
    description: Names of components, or whole names of images.
    type: list
    elements: str
    required: true
  directory:
    description: The directory of the bundle on the controller, C(stack_bundle).
    type: str
    required: true
  kind:
    description: What is looked for.
    type: str
    choices: [archive, image]
    required: true
  version:
    description: The version of an archive.
    type: str
    default: ""
  platform:
    description: The platform, such as V(linux_amd64).
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Where the archive of Prometheus is
  ansible.builtin.debug:
    msg: "{{ lookup('claude_code.observability.bundle', 'prometheus', directory=stack_bundle, kind='archive',
                    version='3.13.5', platform='linux_amd64') }}"
"""

RETURN = r"""
_raw:
  description: For each name a dictionary of the C(path) on the controller and the C(checksum), a SHA-256.
  type: list
  elements: dict
"""

from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase
from ansible_collections.claude_code.observability.plugins.module_utils._bundle import Bundle, BundleError


class LookupModule(LookupBase):
    def run(self, terms: list[str], variables: Any = None, **kwargs: Any) -> list[dict[str, str]]:
        self.set_options(var_options=variables, direct=kwargs)
        wanted = [self.get_option(option) for option in ("version", "platform")]
        try:
            bundle = Bundle(self.get_option("directory"))
            found = [bundle.find(self.get_option("kind"), term, *wanted) for term in terms]
        except BundleError as exc:
            raise AnsibleError(str(exc)) from exc
        return [{"path": bundle.path(one), "checksum": bundle.checksum(one)} for one in found]
