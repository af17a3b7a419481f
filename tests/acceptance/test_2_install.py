# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The published tarball is all that somebody else's project needs."""

from __future__ import annotations

import pytest
from testbed import READY


@pytest.mark.one_runtime
@pytest.mark.parametrize("role", ["prometheus", "loki", "otel_collector"])
def test_a_role_works_alone_in_a_foreign_play(project, host, role):
    project.play(project.foreign_inventory(host), project.foreign_play(role)).ok()
    assert host.answers(READY[role.replace("_", "-")])


@pytest.mark.one_runtime
def test_grafana_works_alone_as_far_as_its_release_is_not_needed(project, host):
    project.play(project.foreign_inventory(host), project.foreign_play("grafana"), {}, "--check").ok()


def test_a_ten_line_inventory_and_the_playbook_bring_up_the_stack(project, host, site):
    assert len(project.inventory(host).read_text().splitlines()) <= 10
    site.ok()
    assert [name for name, url in READY.items() if not host.answers(url)] == []
