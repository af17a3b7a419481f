# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The committed list of the stack's metrics grows and never forgets."""

from __future__ import annotations

import yaml

from tests.tools import stack_metrics

KNOWN = {
    "programs": {"loki": {"up": {"type": "gauge"}, "a_total": {"type": "counter", "labels": ["x"]}}},
    "rare": {"loki": {"failed_total": {"type": "counter", "labels": ["why"]}}},
}


def test_new_families_and_labels_are_added() -> None:
    new = {"loki": {"a_total": {"type": "counter", "labels": ["y"]}, "b": {"type": "gauge", "labels": []}}}
    merged = stack_metrics.merged(KNOWN, new)
    assert merged["programs"]["loki"] == {
        "up": {"type": "gauge"},
        "a_total": {"type": "counter", "labels": ["x", "y"]},
        "b": {"type": "gauge", "labels": []},
    }
    assert merged["rare"] == KNOWN["rare"]


def test_what_is_seen_is_no_longer_rare() -> None:
    new = {"loki": {"failed_total": {"type": "counter", "labels": []}}}
    merged = stack_metrics.merged(KNOWN, new)
    assert merged["programs"]["loki"]["failed_total"] == {"type": "counter", "labels": ["why"]}
    assert merged["rare"] == {"loki": {}}


def test_after_a_fault_only_what_is_new_is_rare() -> None:
    new = {"loki": {"up": {"type": "gauge", "labels": []}, "lost_total": {"type": "counter", "labels": []}}}
    merged = stack_metrics.merged(KNOWN, new, rare=True)
    assert set(merged["rare"]["loki"]) == {"failed_total", "lost_total"}
    assert "up" in merged["programs"]["loki"]


def test_the_file_is_yaml_in_the_same_order_each_time() -> None:
    merged = stack_metrics.merged(KNOWN, {"loki": {"aa": {"type": "gauge", "labels": []}}})
    text = stack_metrics.text(merged)
    assert yaml.safe_load(text)["programs"]["loki"]["a_total"] == {"type": "counter", "labels": ["x"]}
    assert stack_metrics.text(yaml.safe_load(text)) == text
