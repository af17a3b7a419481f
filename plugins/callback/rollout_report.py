# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: rollout_report
type: aggregate
author:
  - claude_code.observability contributors (!UNKNOWN)
short_description: Progress and report of a rollout of Claude Code settings
description:
  - While M(claude_code.observability.claude_settings) runs on many hosts, prints a line of progress every few seconds.
    It says how many hosts are done, changed, failed and unreachable, how fast it goes, and the time left.
  - At the end it writes a page and the same as JSON, with each host's state, users, changed variables, error and
    seconds, and a file of the hosts that failed, were unreachable or not reached. C(--limit @FILE) does those again.
  - It holds what the results of tasks say, never a value of a variable.
  - Runs without that module, and tasks that only ask with C(check_mode=true), leave the files of the last rollout
    alone.
requirements:
  - Enabled in the configuration, by C(callbacks_enabled = claude_code.observability.rollout_report) in the section
    C([defaults]) of C(ansible.cfg), or by E(ANSIBLE_CALLBACKS_ENABLED).
options:
  path:
    description: The files, without C(.html), C(.json) and C(.retry). The last one is removed when no host is left over.
    type: path
    default: claude-code-rollout
    env:
      - name: ANSIBLE_ROLLOUT_REPORT_PATH
    ini:
      - section: callback_rollout_report
        key: path
  interval:
    description: The seconds between two lines of progress. 0 prints one for every host.
    type: float
    default: 5
    env:
      - name: ANSIBLE_ROLLOUT_REPORT_INTERVAL
    ini:
      - section: callback_rollout_report
        key: interval
"""

EXAMPLES = r"""
rollout: |
  # In ansible.cfg.
  [defaults]
  callbacks_enabled = claude_code.observability.rollout_report

  [callback_rollout_report]
  path = /srv/rollouts/claude-code

once: |
  # Without Ansible's own lines of hosts where nothing changes.
  ANSIBLE_DISPLAY_OK_HOSTS=false ANSIBLE_CALLBACKS_ENABLED=claude_code.observability.rollout_report \
    ansible-playbook -i inventory.yml claude_code.observability.clients
"""

import json
import os
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ansible import context
from ansible.plugins.callback import CallbackBase
from ansible_collections.claude_code.observability.plugins.plugin_utils._rollout import Rollout
from ansible_collections.claude_code.observability.plugins.plugin_utils._rollout_page import page

MODULE = "claude_code.observability.claude_settings"


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "claude_code.observability.rollout_report"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.v2_playbook_on_start(None)

    def v2_playbook_on_start(self, playbook: Any) -> None:
        self._rollout = Rollout()
        self._play: Any = None
        self._expected: Any = None
        self._began = self._shown = time.monotonic()

    def v2_playbook_on_play_start(self, play: Any) -> None:
        self._play = play

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        self._began = time.monotonic()

    def v2_runner_on_start(self, host: Any, task: Any) -> None:
        self._rollout.begin(host.get_name(), time.monotonic())

    def v2_runner_on_ok(self, result: Any) -> None:
        self._end(result)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        self._end(result, "" if ignore_errors else "failed")

    def v2_runner_on_unreachable(self, result: Any) -> None:
        self._end(result, "unreachable")

    def v2_playbook_on_stats(self, stats: Any) -> None:
        if not self._rollout.hosts:
            return
        now = time.monotonic()
        self._display.display(self._rollout.progress(now))
        report = {
            "ended": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "check_mode": bool(context.CLIARGS.get("check")),
            **self._rollout.report(now),
        }
        stem = Path(self.get_option("path"))
        retry = self._rollout.unsettled
        texts = {
            ".html": page(report, stem.name),
            ".json": json.dumps(report, indent=2) + "\n",
            ".retry": "".join(name + "\n" for name in retry),
        }
        try:
            stem.parent.mkdir(parents=True, exist_ok=True)
            for ending, text in texts.items():
                write(stem.with_name(stem.name + ending), text)
        except OSError as error:
            self._display.warning(f"The report of the rollout could not be written: {error}. Set its path.")
            return
        self._display.display(f"Report: {stem}.html, {stem}.json")
        if retry:
            self._display.display(f"For the {len(retry)} that are left: --limit @{stem}.retry")

    def _end(self, result: Any, fault: str = "") -> None:
        name, now = result.host.get_name(), time.monotonic()
        # A task that asks in check mode while the run is in earnest is no rollout.
        asks = bool(result.task_fields["check_mode"]) and not context.CLIARGS.get("check")
        ours = result.task.resolved_action == MODULE
        if ours and not asks:
            if self._play is not self._expected:
                self._expected = self._play
                # All hosts of the play, not only those of the batch.
                variables = self._play.get_variable_manager().get_vars(play=self._play)
                self._rollout.expect(variables["ansible_play_hosts_all"], self._began)
            self._rollout.end(name, result.result, now)
        if fault and not (ours and asks):
            self._rollout.fail(name, fault, str(result.result.get("msg", "")).removeprefix("Task failed: "))
        if self._rollout.hosts and now - self._shown >= self.get_option("interval"):
            self._shown = now
            self._display.display(self._rollout.progress(now))


def write(path: Path, text: str) -> None:
    """Replaces the file by one that only its owner reads; no text, no file."""
    if not text:
        path.unlink(missing_ok=True)
        return
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    new.replace(path)
