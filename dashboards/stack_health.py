# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the stack itself is well: what it took, what it could not keep, how full it is.

The programs' own counters are true counters: rate and increase are right on them, and only on them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from grafana_foundation_sdk.builders import dashboard, stat, table
from grafana_foundation_sdk.models.common import BigValueColorMode, BigValueTextMode, VizOrientation
from grafana_foundation_sdk.models.dashboard import ValueMap, ValueMappingResult

from dashboards import panels as p
from dashboards import queries as q

UID = "claude-code-stack-health"
RATE = "[$__rate_interval]"
OURS = 'job=~"prometheus|claude-code|otel-collector|loki"'
# Loki has series of these names too.
ITSELF = 'job="prometheus"'
UP = ValueMap(
    options={
        "1": ValueMappingResult(text="up", color="green", index=0),
        "0": ValueMappingResult(text="down", color="red", index=1),
    }
)

# Requests without a valid credential, by transport.
REFUSED_SENDERS = {
    "gRPC": 'rpc_server_call_duration_seconds_count{job="otel-collector", rpc_response_status_code="UNAUTHENTICATED"}',
    "HTTP": 'http_server_request_duration_seconds_count{job="otel-collector", http_response_status_code="401"}',
}

# What each component could not keep, or had to treat, and the counters that say how often.
COLLECTOR = {
    "refused; clients try again": (
        "otelcol_receiver_refused_metric_points_total",
        "otelcol_receiver_refused_log_records_total",
    ),
    "senders turned away: no credential, or a wrong one": (
        REFUSED_SENDERS["HTTP"],
        REFUSED_SENDERS["gRPC"],
    ),
    "not queued: its queue is full": (
        "otelcol_exporter_enqueue_failed_metric_points_total",
        "otelcol_exporter_enqueue_failed_log_records_total",
    ),
    "lost: a store refused it for good": (
        "otelcol_exporter_send_failed_metric_points_total",
        "otelcol_exporter_send_failed_log_records_total",
    ),
    "running totals, not in the exact path": (
        'otelcol_processor_filter_datapoints_filtered_total{filter="filter/delta"}',
    ),
}
PROMETHEUS = {
    "requests of the collector refused": (
        'prometheus_http_requests_total{handler="/api/v1/otlp/v1/metrics", code=~"[45].."}',
    ),
    "samples too old or in the future": (
        "prometheus_tsdb_too_old_samples_total",
        "prometheus_tsdb_out_of_bound_samples_total",
    ),
    "samples out of order": ("prometheus_tsdb_out_of_order_samples_total",),
    "lost: log not written, disk full": (
        f"prometheus_tsdb_wal_writes_failed_total{{{ITSELF}}}",
        "prometheus_tsdb_out_of_order_wbl_writes_failed_total",
    ),
    "compactions failed": ("prometheus_tsdb_compactions_failed_total",),
    "rules failed": ("prometheus_rule_evaluation_failures_total",),
    "rule evaluations missed": ("prometheus_rule_group_iterations_missed_total",),
}
LOKI = {
    "lost: events refused": ("loki_discarded_samples_total",),
    "chunks not flushed": ("loki_ingester_chunks_flush_failures_total",),
    "log not written, disk full": ("loki_ingester_wal_disk_full_failures_total",),
    "rules failed": ("loki_prometheus_rule_evaluation_failures_total",),
    "recorded counts not delivered": ("loki_ruler_wal_prometheus_remote_storage_samples_failed_total",),
}


def build() -> dashboard.Dashboard:
    result = p.base(
        "Claude Code stack health",
        UID,
        "Whether the collector, Prometheus and Loki are well, and whether anything was refused or lost.",
        q.STACK,
        time="now-6h",
    )
    return p.in_rows(
        result,
        ("Now", [_up(), *_now()]),
        ("In the range", [*_trouble(), _refused_by_loki(), _moved()]),
        ("Collector", _collector()),
        ("Prometheus", _prometheus()),
        ("Loki", _loki()),
    )


def _up() -> stat.Panel:
    return (
        p.number(
            "Components",
            "Whether Prometheus could read each program's own metrics just now. claude-code is the collector's port "
            "with the approximate counters.",
            p.metric(f"min by (job) (up{{{OURS}}})", legend="{{job}}"),
            "none",
            width=8,
        )
        .mappings([UP])
        .color_mode(BigValueColorMode.BACKGROUND)
        .text_mode(BigValueTextMode.VALUE_AND_NAME)
        .orientation(VizOrientation.VERTICAL)
    )


def _now() -> list[p.Panel]:
    newest = f"max(max_over_time(timestamp({q.COST})[1d:5m]))"
    return [
        p.number(
            "Newest cost sample",
            "When the newest exact sample of cost was taken: the last answered request of anybody, to about 5 minutes. "
            "Looks back one day. While nobody works, nothing comes.",
            p.metric(f"1000 * {newest}"),
            "dateTimeFromNow",
            width=5,
        ),
        _share(
            "Fullest queue",
            "Requests waiting on the collector's disk, against the room for them, now. When it is full, clients are "
            "told to try again later, and what they cannot keep is lost.",
            "max(otelcol_exporter_queue_size / otelcol_exporter_queue_capacity)",
        ),
        _share(
            "Prometheus's space",
            "Bytes on disk now, against the size at which Prometheus begins to delete its oldest days.",
            f"max(({' + '.join(_storage().values())}) / prometheus_tsdb_retention_limit_bytes)",
        ),
        _share(
            "Disk of Loki",
            "How full the file system that holds Loki's log is now, by whatever fills it. Near the end Loki stops "
            "writing its log.",
            "max(loki_ingester_wal_disk_usage_percent)",
            width=3,
        ),
    ]


def _share(title: str, description: str, expr: str, width: int = 4) -> stat.Panel:
    return p.watched(
        p.number(title, description, p.metric(expr), "percentunit", width=width, decimals=1),
        (0.6, "orange"),
        (0.85, "red"),
    )


def _storage() -> dict[str, str]:
    sizes = {
        "blocks": "tsdb_storage_blocks_bytes",
        "log": "tsdb_wal_storage_size_bytes",
        "late samples": "tsdb_out_of_order_wbl_storage_size_bytes",
        "head": "tsdb_head_chunks_storage_size_bytes",
    }
    return {what: f"prometheus_{name}{{{ITSELF}}}" for what, name in sizes.items()}


def _trouble() -> list[p.Panel]:
    return [
        counted(
            "The collector's troubles",
            "How many points and events, in the range, by its own counters. What is lost makes totals too small. "
            "Refusals are harmless as long as the client runs.",
            COLLECTOR,
        ),
        counted(
            "Prometheus's troubles",
            "How often in the range, by its own counters. What it refuses the collector does not send again. Samples "
            "out of order are its own, of a reload: late ones of clients are taken, or too old.",
            PROMETHEUS,
        ),
        counted(
            "Loki's troubles",
            "How often in the range, by its own counters. What it refuses the collector does not send again.",
            LOKI,
        ),
    ]


def counted(
    title: str, description: str, counters: Mapping[str, Sequence[str]], *, width: int = 8, height: int = 9
) -> table.Panel:
    """How far counters rose in the range, several of them to a row."""
    rows = " or ".join(
        f'label_replace({" + ".join(_times(counter) for counter in added)}, "what", "{what}", "", "")'
        for what, added in counters.items()
    )
    return (
        p.grid(title, description, p.METRICS, width=width, height=height)
        .with_target(p.metric_table(rows))
        .with_transformation(
            p.transformation(
                "organize",
                excludeByName={"Time": True},
                indexByName={"what": 0, "Value": 1},
                renameByName={"what": "What", "Value": "Times"},
            )
        )
        .override_by_name(
            "Times",
            [
                p.setting("custom.width", 100),
                p.setting("unit", "locale"),
                p.setting("decimals", 0),
                p.setting("custom.cellOptions", {"type": "color-text"}),
                p.setting("thresholds", p.bounds((None, "green"), (0.5, "red")).build()),
            ],
        )
    )


def _times(counter: str) -> str:
    """0 where a counter has not begun to count."""
    return f"(sum({q.risen(counter)}) or vector(0))"


def _refused_by_loki() -> table.Panel:
    return (
        p.grid(
            "Events refused by Loki",
            "In the range, by the reason Loki gives. They are lost: the collector does not try them again.",
            p.METRICS,
            width=8,
            height=8,
        )
        .with_target(p.metric_table(f"sum by (reason) ({q.risen('loki_discarded_samples_total')}) > 0"))
        .with_transformation(
            p.transformation(
                "organize",
                excludeByName={"Time": True},
                renameByName={"reason": "Reason", "Value": "Events"},
            )
        )
        .override_by_name("Events", [p.setting("unit", "locale"), p.setting("decimals", 0)])
    )


def _moved() -> p.Panel:
    return p.bar_chart(
        "Events moved in time",
        "Events of clients whose clock is wrong, moved by a whole number of hours into what the stores accept. They "
        "count in full, at a wrong time. Whose clocks: the fleet dashboard.",
        p.event_range(
            q.event_count(".+", where='clock_shift_h!=""', by="clock_shift_h", window=q.EVENT_BAR, scope=q.STACK),
            legend="{{clock_shift_h}} h",
        ),
        "short",
        width=16,
        height=8,
    )


def _collector() -> list[p.Panel]:
    return [
        p.line_chart(
            "Metric points per second",
            "What clients sent and the collector took, and what went on to Prometheus. Running totals are left out of "
            "the second.",
            [
                p.metric_range(_rate("otelcol_receiver_accepted_metric_points_total"), "A", "taken"),
                p.metric_range(
                    _rate('otelcol_exporter_sent_metric_points_total{exporter="otlp_http/prometheus"}'), "B", "stored"
                ),
            ],
            "cps",
            width=12,
        ),
        p.line_chart(
            "Events per second",
            "What clients sent and the collector took, and what went on to Loki.",
            [
                p.metric_range(_rate("otelcol_receiver_accepted_log_records_total"), "A", "taken"),
                p.metric_range(_rate("otelcol_exporter_sent_log_records_total"), "B", "stored"),
            ],
            "cps",
            width=12,
        ),
        p.line_chart(
            "Senders turned away",
            "Requests per second without a credential, or with one that is wrong, revoked or rotated out. What they "
            "bring is lost. Who does not trust the certificate, or speaks plain text, is in the collector's log alone.",
            [
                p.metric_range(_rate(counter), ref_id, transport)
                for ref_id, (transport, counter) in zip("AB", REFUSED_SENDERS.items())
            ],
            "reqps",
            width=24,
        ),
        p.line_chart(
            "Requests in the disk queue",
            "Waiting for a store. It grows while the store is away and empties afterwards; nothing is lost by that.",
            p.metric_range("sum by (exporter) (otelcol_exporter_queue_size)", legend="{{exporter}}"),
            "short",
            width=12,
        ),
        p.line_chart(
            "Memory",
            "Resident memory of each program.",
            [
                p.metric_range("sum by (job) (otelcol_process_memory_rss_bytes)", "A", "{{job}}"),
                p.metric_range('sum by (job) (process_resident_memory_bytes{job=~"prometheus|loki"})', "B", "{{job}}"),
            ],
            "bytes",
            width=12,
        ),
    ]


def _prometheus() -> list[p.Panel]:
    return [
        p.line_chart(
            "Samples per second",
            "Samples stored, of all that Prometheus reads and is sent. late: sent out of order, within the time "
            "that is allowed.",
            [
                p.metric_range(_rate("prometheus_tsdb_head_samples_appended_total"), "A", "all"),
                p.metric_range(_rate("prometheus_tsdb_head_out_of_order_samples_appended_total"), "B", "late"),
            ],
            "cps",
            width=12,
        ),
        p.line_chart(
            "Series in memory",
            "Each session brings about twenty. They leave memory a few hours after their last sample.",
            p.metric_range("sum(prometheus_tsdb_head_series)", legend="series"),
            "short",
            width=12,
        ),
        p.line_chart(
            "Prometheus on disk",
            "By kind. How much of it is allowed: Prometheus's space, above.",
            [p.metric_range(f"sum({size})", ref_id, what) for ref_id, (what, size) in zip("ABCD", _storage().items())],
            "bytes",
            width=12,
        ),
        p.line_chart(
            "Time of a rule group",
            "How long the last evaluation of each group of rules took.",
            p.metric_range(
                "max by (group) (label_replace(prometheus_rule_group_last_duration_seconds, "
                '"group", "$1", "rule_group", ".*;(.*)"))',
                legend="{{group}}",
            ),
            "s",
            width=12,
        ),
    ]


def _loki() -> list[p.Panel]:
    return [
        p.line_chart(
            "Events stored per second",
            "Lines Loki took.",
            p.metric_range(_rate("loki_distributor_lines_received_total"), legend="events"),
            "cps",
            width=8,
        ),
        p.line_chart(
            "Bytes per second",
            "What Loki took, attributes included, before it compresses them.",
            p.metric_range(_rate("loki_distributor_bytes_received_total"), legend="bytes"),
            "Bps",
            width=8,
        ),
        p.line_chart(
            "Chunks",
            "in memory: not yet written to the store, but in the log on disk. to flush: being written now.",
            [
                p.metric_range("sum(loki_ingester_memory_chunks)", "A", "in memory"),
                p.metric_range("sum(loki_ingester_flush_queue_length)", "B", "to flush"),
            ],
            "short",
            width=8,
        ),
    ]


def _rate(counter: str) -> str:
    return f"sum(rate({counter}{RATE}))"
