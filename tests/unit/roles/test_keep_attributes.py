# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Attributes of one's own are kept, unless a store would spell them like one of the client's or its own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.tools.queries.vocabulary import ROOT

LISTS = yaml.safe_load((ROOT / "roles/otel_collector/vars/main/privacy.yml").read_text(encoding="utf-8"))
PLAY = """---
- hosts: cases
  gather_facts: false
  tasks:
    - block:
        - ansible.builtin.include_role:
            name: claude_code.observability.otel_collector
            tasks_from: describe.yml
      rescue:
        - ansible.builtin.set_fact:
            said: "{{ ansible_failed_result.msg }}"
    - ansible.builtin.copy:
        dest: "{{ out }}"
        content: "{{ dict(ansible_play_hosts | zip(ansible_play_hosts | map('extract', hostvars, 'said'))) | to_json }}"
      run_once: true
"""
TAKEN = ["cost_center", "model", "region.name", "input_tokens_budget"]
REFUSED = ["session_id", "input.tokens", "developer..verified", "service_name", "job", "clock-shift-h", "scope_name"]


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the role says to each attribute, alone and beside one that is taken."""
    folder = tmp_path_factory.mktemp("keep")
    hosts = {name: {"stack_keep_attributes": ["cost_center", name]} for name in TAKEN + REFUSED}
    local = {"ansible_connection": "local", "out": f"{folder}/said.json", "said": ""}
    inventory = {"cases": {"hosts": hosts, "vars": local}}
    (folder / "inventory.yml").write_text(yaml.safe_dump(inventory))
    (folder / "play.yml").write_text(PLAY)
    argv = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", "inventory.yml", "play.yml"]
    environment = {
        **os.environ,
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"),
        "ANSIBLE_HOME": str(folder / "ansible"),
        "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
    }
    done = subprocess.run(argv, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    told: dict[str, str] = json.loads((folder / "said.json").read_text())
    return told


@pytest.mark.parametrize("name", TAKEN)
def test_attributes_of_ones_own_are_taken(said: dict[str, str], name: str) -> None:
    assert said[name] == ""


@pytest.mark.parametrize("name", REFUSED)
def test_what_stores_would_spell_like_the_clients_is_refused(said: dict[str, str], name: str) -> None:
    assert said[name].startswith(f"stack_keep_attributes has {name}, which ")


def test_what_is_kept_already_is_one_attribute() -> None:
    """Two names that are kept would be one in a store, and either could stand in for the other."""
    names = [name for group in LISTS["__otel_collector_kept"].values() for name in group]
    spelt = [re.sub("[^a-zA-Z0-9]+", "_", name) for name in names + LISTS["__otel_collector_taken"]]
    assert len(spelt) == len(set(spelt))
