#!/usr/bin/python
# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: grafana_content
author:
  - claude_code.observability contributors (!UNKNOWN)
short_description: Keep data sources, folders and dashboards in a Grafana
description:
  - Keeps data sources, folders with the basic roles that see them, and dashboards in a Grafana, through its HTTP API.
  - Deletes a dashboard only if it was put into one of O(folders) by this module and nobody changed it since. Everything
    else in that Grafana is left alone.
  - What comes from a provisioning file of that Grafana cannot be changed here, and says so.
extends_documentation_fragment:
  - claude_code.observability.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: partial
    details: With O(renew_secrets=true) the secrets are sent again.
options:
  url:
    description: URL of Grafana, such as V(https://grafana.example/path).
    type: str
    required: true
  username:
    description: Login of an administrator. Not used with O(token).
    type: str
  password:
    description: Password for it.
    type: str
  token:
    description: Token of a service account. It needs the role Editor, with O(folders[].roles) or O(data_sources) Admin.
    type: str
  ca_path:
    description: File with the certificates of the CAs to trust. Without it, those of the system.
    type: path
  validate_certs:
    description: Whether Grafana's certificate must be a trusted one.
    type: bool
    default: true
  timeout:
    description: Seconds an answer may take.
    type: int
    default: 30
  wait:
    description: Seconds to wait for a folder that Grafana itself makes from a provisioning file, before it is created.
    type: int
    default: 0
  state:
    description:
      - V(present) brings Grafana to what is given.
      - V(absent) deletes the given data sources if they were made here, and each given folder with the dashboards that
        were made here. A folder that holds anything else stays.
    type: str
    choices: [present, absent]
    default: present
  data_sources:
    description:
      - Data sources with the fields of Grafana's API, at least C(uid), C(name), C(type), C(access) and C(url).
      - Fields that are not given, and settings in C(jsonData) that are not given, stay as they are.
    type: list
    elements: dict
    default: []
  secrets:
    description:
      - Secrets of the data sources, V(uid.name) to text; the names are those of C(secureJsonData).
      - Grafana does not tell them, so they are sent when something else of the data source changes.
    type: dict
    default: {}
  renew_secrets:
    description: Whether the secrets are sent again in any case.
    type: bool
    default: false
  folders:
    description: The folders and what they hold.
    type: list
    elements: dict
    default: []
    suboptions:
      uid:
        description: Uid of the folder.
        type: str
        required: true
      title:
        description: Title it is created with.
        type: str
        required: true
      roles:
        description:
          - The basic roles that see the folder, besides Admin. Without it this is not touched.
          - Users, teams and service accounts that were given a permission of their own keep it.
        type: list
        elements: str
        choices: [Viewer, Editor]
      dashboards:
        description: The dashboards in it, each with a C(uid). Without it the folder's dashboards are not touched.
        type: list
        elements: dict
"""

EXAMPLES = r"""
- name: The dashboards are there, and those with people's names are hidden from Viewers
  claude_code.observability.grafana_content:
    url: https://grafana.example
    token: "{{ grafana_token }}"
    data_sources:
      - uid: claude-prometheus
        name: Claude Code metrics
        type: prometheus
        access: proxy
        url: https://prometheus.example
        basicAuth: true
        basicAuthUser: grafana
    secrets:
      claude-prometheus.basicAuthPassword: "{{ prometheus_password }}"
    folders:
      - uid: claude-code-people
        title: Claude Code people
        roles: [Editor]
        dashboards: "{{ __dashboards | dict2items | selectattr('key', 'match', 'people/') | map(attribute='value') }}"
  vars:
    __dashboards: "{{ lookup('claude_code.observability.dashboards', late_max='72h', utc_offset='+09:00') }}"
"""

RETURN = r"""
changes:
  description: What was changed, or in check mode would be.
  returned: success
  type: list
  elements: str
  sample: [data source claude-prometheus, folder claude-code-people, dashboard claude-code-developers]
"""

import json
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.claude_code.observability.plugins.module_utils._download import password_of
from ansible_collections.claude_code.observability.plugins.module_utils._grafana import PERMISSIONS, Content
from ansible_collections.claude_code.observability.plugins.module_utils._grafana_api import Api, GrafanaError


def present(content: Content, params: dict[str, Any]) -> None:
    for source in params["data_sources"]:
        start = f"{source['uid']}."
        secrets = {name[len(start) :]: text for name, text in params["secrets"].items() if name.startswith(start)}
        content.data_source(source, secrets, params["renew_secrets"])
    for folder in params["folders"]:
        exists = content.folder(folder["uid"], folder["title"], params["wait"])
        # Before the dashboards come, so that nobody sees them too early.
        if folder["roles"] is not None:
            content.visible_to(folder["uid"], folder["roles"], exists)
        if folder["dashboards"] is not None:
            for dashboard in folder["dashboards"]:
                content.dashboard(folder["uid"], dashboard)
    # Only now: a dashboard may have moved from one folder to another.
    for folder in params["folders"]:
        if folder["dashboards"] is not None:
            content.no_other_dashboards(folder["uid"], {dashboard["uid"] for dashboard in folder["dashboards"]})


def absent(content: Content, params: dict[str, Any]) -> None:
    for folder in params["folders"]:
        content.no_folder(folder["uid"], content.no_other_dashboards(folder["uid"], ()))
    for source in params["data_sources"]:
        content.no_data_source(source["uid"])


def as_text(value: Any) -> str:
    return "" if value is None else json.dumps(value, indent=2, sort_keys=True) + "\n"


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "url": {"type": "str", "required": True},
            "username": {"type": "str"},
            "password": {"type": "str", "no_log": True},
            "token": {"type": "str", "no_log": True},
            "ca_path": {"type": "path"},
            "validate_certs": {"type": "bool", "default": True},
            "timeout": {"type": "int", "default": 30},
            "wait": {"type": "int", "default": 0},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "data_sources": {"type": "list", "elements": "dict", "default": []},
            "secrets": {"type": "dict", "default": {}, "no_log": True},
            "renew_secrets": {"type": "bool", "default": False, "no_log": False},
            "folders": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "uid": {"type": "str", "required": True},
                    "title": {"type": "str", "required": True},
                    "roles": {"type": "list", "elements": "str", "choices": list(PERMISSIONS)},
                    "dashboards": {"type": "list", "elements": "dict"},
                },
            },
        },
        required_one_of=[("token", "username")],
        required_together=[("username", "password")],
        supports_check_mode=True,
    )
    params = module.params
    module.no_log_values |= password_of(params["url"])
    # No secret, and hidden it would take the names of variables out of messages.
    module.no_log_values.discard("admin")
    login = {name: params[name] for name in ("username", "password", "token", "ca_path", "validate_certs", "timeout")}
    try:
        content = Content(Api(params["url"], **login), module.check_mode)
        (present if params["state"] == "present" else absent)(content, params)
    except GrafanaError as error:
        module.fail_json(msg=str(error))
    module.exit_json(
        changed=bool(content.changes),
        changes=[what for what, _before, _after in content.changes],
        diff=[
            {"before_header": what, "after_header": what, "before": as_text(before), "after": as_text(after)}
            for what, before, after in content.changes
        ],
    )


if __name__ == "__main__":
    main()
