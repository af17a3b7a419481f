# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a program's own checker refuses never gets near the running service."""

from __future__ import annotations

import pytest
from testbed import READY

BROKEN = [
    (
        "prometheus",
        {"prometheus_config_overrides": {"global": {"scrape_interval": "soon"}}},
        'not a valid duration string: "soon"',
    ),
    (
        "otel_collector",
        {"otel_collector_config_overrides": {"processors": {"nosuch": {}}}},
        'unknown type: "nosuch"',
    ),
    ("loki", {"loki_config_overrides": {"nosuch": True}}, "field nosuch not found in type"),
]


@pytest.mark.one_runtime
@pytest.mark.parametrize(("role", "variables", "said"), BROKEN, ids=[role for role, _, _ in BROKEN])
def test_a_refused_configuration_fails_the_play_and_changes_nothing(project, stack, role, variables, said):
    name = role.replace("_", "-")
    before = stack.configuration(name), stack.service(name)
    played = project.play(project.inventory(stack), project.foreign_play(role), variables)
    played.failed_with(f"the configuration of {name} was refused", said)
    assert (stack.configuration(name), stack.service(name)) == before
    assert stack.answers(READY[name])


def test_the_next_boot_brings_up_the_whole_stack(stack):
    before = [stack.configuration(name) for name in READY]
    stack.reboot()
    for url in READY.values():
        stack.sh(f"curl --silent --fail --retry 60 --retry-delay 1 --retry-all-errors '{url}'")
    assert [stack.configuration(name) for name in READY] == before
