# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which clients send, with which version and settings, and which of them do not or not rightly."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard, table

from dashboards import panels as p
from dashboards import queries as q
from dashboards.developers import TO_DEVELOPER

UID = "claude-code-fleet"
SCOPE = q.Scope(("team", "developer"))
RUNNING_TOTALS = 'otelcol_processor_filter_datapoints_filtered_total{filter="filter/delta"}'
WRONG_CLOCK = 'clock_shift_h!=""'
WHO = {"developer": "Developer", "team": "Team"}
TOKENS_BEFORE = "Tokens before"


def build() -> dashboard.Dashboard:
    result = p.base(
        "Claude Code fleet",
        UID,
        "Who sends telemetry, from which clients; who went silent; whose numbers need a look.",
        SCOPE,
    )
    return p.in_rows(
        result,
        ("At a glance", _glance()),
        ("Clients", [_clients(), *_kinds(), _revisions()]),
        ("To look at", [_silent(), _running_totals(), _clocks()]),
    )


def _count(by: str = "", where: str = "") -> str:
    return q.event_count(".+", where=where, by=by, scope=SCOPE)


def _distinct(label: str) -> str:
    """How many values of a label are in the events of the range."""
    return f"count({_count(label)})"


def _silent_developers(by: str) -> str:
    tokens = q.Metric(q.TOKENS, scope=SCOPE)
    return f"({tokens.before(by)}) unless on (developer) ({tokens.total('developer')})"


def _glance() -> list[p.Panel]:
    return [
        p.number(
            "Developers",
            "Developers with an answered request in the range. All those without a name count as one.",
            p.metric(q.Metric(q.TOKENS, scope=SCOPE).count("developer")),
            "locale",
            width=4,
            decimals=0,
        ),
        p.watched(
            p.number(
                "Silent developers",
                "Developers with an answered request in the range of this length just before, and none in this one.",
                p.metric(f"count({_silent_developers('developer')})"),
                "locale",
                width=4,
                decimals=0,
            ),
            (1, "orange"),
        ),
        p.number(
            "Sessions",
            "Sessions with an event in the range.",
            p.event(_distinct("session_id")),
            "locale",
            width=4,
            decimals=0,
        ),
        p.number(
            "Versions",
            "Different versions of Claude Code in the range.",
            p.event(_distinct("service_version")),
            "locale",
            width=4,
            decimals=0,
        ),
        p.watched(
            p.number(
                "Running totals",
                "Points in the range of clients that send running totals (OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_"
                "PREFERENCE=cumulative). The exact numbers leave them out. Of all clients, whatever is chosen above.",
                p.metric(f"sum({q.risen(RUNNING_TOTALS)})"),
                "locale",
                width=4,
                decimals=0,
            ),
            (0.5, "orange"),
        ),
        p.watched(
            p.number(
                "Wrong clocks",
                "Events in the range whose time the collector moved by whole hours into what the stores accept.",
                p.event(_count(where=WRONG_CLOCK)),
                "locale",
                width=4,
                decimals=0,
            ),
            (1, "orange"),
        ),
    ]


def _clients() -> table.Panel:
    by = "developer, team, service_name, service_version, os_type, terminal_type"
    return p.breakdown(
        "Clients by last event",
        "A line for each developer, version, system and terminal with an event in the range. Version: of the client, "
        "as its telemetry says. A click on the developer leads to their page.",
        {
            **WHO,
            "service_name": "Service",
            "service_version": "Version",
            "os_type": "System",
            "terminal_type": "Terminal",
        },
        [
            p.Column("Last event", p.of_events(q.event_last(".+", by=by, scope=SCOPE)), "dateTimeAsIso", None, 165),
            p.Column("Events", p.of_events(_count(by)), width=100),
        ],
        width=24,
        height=12,
        links={"Developer": TO_DEVELOPER},
    )


def _kinds() -> list[table.Panel]:
    return [
        _kind("Client versions", "Version", "service_version"),
        _kind("Systems", "System", "os_type"),
        _kind("Terminals", "Terminal", "terminal_type"),
    ]


def _kind(title: str, heading: str, label: str) -> table.Panel:
    def distinct(what: str) -> str:
        return f"count by ({label}) ({_count(f'{label}, {what}')})"

    return p.breakdown(
        title,
        "How many developers and sessions had an event in the range with it. One developer may count in several lines.",
        {label: heading},
        [
            p.Column("Developers", p.of_events(distinct("developer")), width=115),
            p.Column("Sessions", p.of_events(distinct("session_id")), width=95),
        ],
        width=8,
        height=8,
    )


def _revisions() -> table.Panel:
    by = "settings_revision, developer, team"
    return p.breakdown(
        "Settings revisions",
        "Who sends with which revision of the rolled-out settings: the play that rolls them out says it. Without one: "
        "settings made by hand, or a managed block or a repository that replaces the resource attributes.",
        {"settings_revision": "Revision", **WHO},
        [
            p.Column("Last event", p.of_events(q.event_last(".+", by=by, scope=SCOPE)), "dateTimeAsIso", None, 165),
            p.Column("Sessions", p.of_events(f"count by ({by}) ({_count(f'{by}, session_id')})"), width=95),
        ],
        width=24,
        height=8,
        links={"Developer": TO_DEVELOPER},
    )


def _silent() -> table.Panel:
    by = "developer, team"
    return (
        p.breakdown(
            "Silent since the range before",
            "Developers with an answered request in the range of the same length just before, and none in this one. A "
            "holiday, a machine that is new, or settings that were lost.",
            WHO,
            [
                p.Column(TOKENS_BEFORE, p.of_metric(_silent_developers(by)), "short", None, 140),
                p.Column(
                    "Last event",
                    p.of_events(q.event_last(".+", by=by, window="[$__range] offset $__range", scope=SCOPE)),
                    "dateTimeAsIso",
                    None,
                    165,
                ),
            ],
            width=10,
            links={"Developer": TO_DEVELOPER},
        )
        # The events know everybody of the range before, not only those who fell silent.
        .with_transformation(
            p.transformation(
                "filterByValue",
                type="include",
                match="all",
                filters=[{"fieldName": TOKENS_BEFORE, "config": {"id": "isNotNull", "options": {}}}],
            )
        )
    )


def _running_totals() -> table.Panel:
    chosen = ", ".join(f'{name}=~"${name}"' for name in SCOPE.variables)
    counted = f"{q.SESSIONS}_total{{{chosen}}}"
    exact = f"count_over_time({q.SESSIONS}[31d])"
    return p.breakdown(
        "Clients that send running totals",
        "Sessions of the 30 days before the end of the range that the approximate counters know and the exact path "
        "does not: their clients set OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE=cumulative. A collector that "
        "starts anew has forgotten the earlier ones.",
        WHO,
        [
            p.Column(
                "Sessions",
                p.of_metric(f"count by (developer, team) ({counted} unless on (session_id) {exact})"),
                width=115,
            )
        ],
        width=7,
        links={"Developer": TO_DEVELOPER},
    )


def _clocks() -> table.Panel:
    return p.breakdown(
        "Clients with a wrong clock",
        "Events in the range that the collector moved, and by how many hours: a positive number says that the clock is "
        "ahead. They count in full, at a wrong time.",
        {**WHO, "clock_shift_h": "Hours"},
        [p.Column("Events", p.of_events(_count("developer, team, clock_shift_h", WRONG_CLOCK)), width=95)],
        width=7,
        links={"Developer": TO_DEVELOPER},
    )
