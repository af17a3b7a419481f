# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.claude_code.observability.plugins.filter.managed_settings import managed_settings


def test_variables_and_attributes_are_joined() -> None:
    env = {"PORT": 7, "OTEL_RESOURCE_ATTRIBUTES": "site=paris,team=core"}
    joined = {"PORT": "7", "OTEL_RESOURCE_ATTRIBUTES": "team=core,org=acme,site=paris"}
    assert managed_settings(env, {"team": "mobile", "org": "acme"}) == {"env": joined}


def test_without_attributes_the_user_keeps_their_own() -> None:
    assert managed_settings({"A": "1"}) == {"env": {"A": "1"}}


@pytest.mark.parametrize(
    ("env", "attributes", "reason"),
    [
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "http"}, {}, "OTEL_EXPORTER_OTLP_PROTOCOL is http"),
        ({}, {"org": "My Company"}, "Percent-encode it: My%20Company"),
        ({}, {"developer": "{user}"}, "the same for every user"),
        ({"LINES": "a\nb", "TAB": "\t"}, {}, "LINES holds a line break"),
        ({"A=B": "1"}, {}, "no name for an environment variable"),
    ],
)
def test_faults_are_named(env: dict[str, str], attributes: dict[str, str], reason: str) -> None:
    with pytest.raises(AnsibleFilterError, match=reason):
        managed_settings(env, attributes)


def test_faulty_values_are_not_shown() -> None:
    with pytest.raises(AnsibleFilterError) as raised:
        managed_settings({"OTEL_EXPORTER_OTLP_HEADERS": "Authorization=hush\n"})
    assert "hush" not in str(raised.value)
