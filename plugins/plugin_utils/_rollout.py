# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a rollout is, and what became of each host."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

FAULTS = ("failed", "unreachable")
SETTLED = ("changed", "unchanged")
# The order of reports.
STATES = (*FAULTS, "not reached", *SETTLED)
USER_FIELDS = ("name", "path", "changed", "keys_added", "keys_changed", "keys_removed", "keys_kept", "failed", "msg")


@dataclass
class Host:
    """What is known of one host. `seconds` is what its module calls took, connection included."""

    name: str
    state: str = "not reached"
    seconds: float = 0.0
    error: str = ""
    users: list[dict[str, Any]] = field(default_factory=list)


class Rollout:
    """Collects results. Times are seconds of any one clock."""

    def __init__(self) -> None:
        self.hosts: dict[str, Host] = {}
        self._early: dict[str, Host] = {}
        self._began: float | None = None
        self._calls: dict[str, float] = {}

    def expect(self, names: Iterable[str], now: float) -> None:
        """These hosts take part."""
        if self._began is None:
            self._began = now
        for name in names:
            self.hosts.setdefault(name, self._early.pop(name, Host(name)))

    def begin(self, name: str, now: float) -> None:
        """A call to the host begins, which may be no rollout."""
        self._calls[name] = now

    def end(self, name: str, result: Mapping[str, Any], now: float) -> None:
        """The call has returned something about users, well or badly."""
        host = self.hosts[name]
        host.seconds += now - self._calls.pop(name, now)
        users = result.get("users", [])
        host.users += [{key: user[key] for key in USER_FIELDS if key in user} for user in users]
        if host.state not in FAULTS:
            changed = host.state == "changed" or result.get("changed", False)
            host.state = "changed" if changed else "unchanged"

    def fail(self, name: str, state: str, error: str) -> None:
        """The host is `failed` or `unreachable`, whatever goes well before or after."""
        host = self.hosts.get(name) or self._early.setdefault(name, Host(name))
        host.state, host.error = state, error

    @property
    def totals(self) -> dict[str, int]:
        """How many hosts are in each state, and all of them."""
        found = Counter(host.state for host in self.hosts.values())
        return {"hosts": len(self.hosts), **{state.replace(" ", "_"): found[state] for state in STATES}}

    @property
    def unsettled(self) -> list[str]:
        """The hosts that a next run has to do."""
        return sorted(host.name for host in self.hosts.values() if host.state not in SETTLED)

    def elapsed(self, now: float) -> float:
        return now - self._began if self._began is not None else 0.0

    def progress(self, now: float) -> str:
        """One line: how many hosts are done, how, how fast, and how long the others will take."""
        totals = self.totals
        left = totals["not_reached"]
        done = totals["hosts"] - left
        shown = ", ".join(f"{totals[state]} {state}" for state in ("changed", "unchanged", "failed", "unreachable"))
        line = f"Rollout: {done} of {totals['hosts']} hosts: {shown}"
        per_second = done / self.elapsed(now) if self.elapsed(now) > 0 else 0.0
        if per_second:
            line += f"; {60 * per_second:.0f} a minute"
            line += f", {span(left / per_second)} left" if left else f", {span(self.elapsed(now))} in all"
        return line

    def report(self, now: float) -> dict[str, Any]:
        """Everything, as data: totals and the hosts, the worst first."""
        hosts = sorted(self.hosts.values(), key=lambda host: (STATES.index(host.state), host.name))
        return {
            "seconds": round(self.elapsed(now), 1),
            "totals": {**self.totals, "users_changed": sum(user["changed"] for host in hosts for user in host.users)},
            "hosts": [{**asdict(host), "seconds": round(host.seconds, 2)} for host in hosts],
        }


def span(seconds: float) -> str:
    """A time for people."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
