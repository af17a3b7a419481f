# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a client sends nothing, or less than it could: the one table of causes. docs/doctor.md shows it.

The order is that of the verdict: what stands higher hides what stands lower. Errors lose telemetry, warnings make it
late, wrong or partial, notes are good to know.
"""

from __future__ import annotations

from dataclasses import dataclass

ERROR, WARNING, NOTE = "error", "warning", "note"


@dataclass(frozen=True)
class Cause:
    """`sees` is what the user gets, `fix` what to do, each a sentence. `untested` says why no test sets it up."""

    name: str
    severity: str
    sees: str
    fix: str
    untested: str = ""


CAUSES = (
    Cause(
        "managed-broken",
        ERROR,
        "Claude Code refuses to start on this host.",
        "Correct the file, or take it away.",
    ),
    Cause(
        "config-dir",
        ERROR,
        "CLAUDE_CONFIG_DIR points elsewhere, so the settings in ~/.claude are not read.",
        "Put the telemetry settings into that directory, or take the variable out.",
    ),
    Cause(
        "settings-broken",
        ERROR,
        "Claude Code ignores the whole file.",
        "Correct the file at that place.",
    ),
    Cause(
        "repository-ignored",
        ERROR,
        "A repository's settings can't turn telemetry on.",
        "Set the variable in the user's or the managed settings.",
    ),
    Cause(
        "telemetry-off",
        ERROR,
        "Telemetry is off.",
        "Set CLAUDE_CODE_ENABLE_TELEMETRY to 1 in the settings: run playbooks/clients.yml.",
    ),
    Cause(
        "unknown-exporter",
        ERROR,
        "Claude Code knows no such exporter and sends nothing at all.",
        "Write otlp.",
    ),
    Cause(
        "unknown-protocol",
        ERROR,
        "Claude Code knows no such protocol and sends nothing at all.",
        "Write grpc, http/protobuf or http/json, in lower case.",
    ),
    Cause(
        "export-interval",
        ERROR,
        "With an interval of 0 or less Claude Code sends nothing at all.",
        "Write milliseconds above 0, such as 60000, or take the variable out.",
    ),
    Cause(
        "repository-none",
        ERROR,
        "A repository's settings switch the signal off.",
        "Take the variable out there, or set it to otlp in the managed settings.",
    ),
    Cause(
        "signal-off",
        ERROR,
        "The signal is not sent to a collector.",
        "Set the variable to otlp.",
    ),
    Cause(
        "headers-helper",
        ERROR,
        "Without the headers of otelHeadersHelper Claude Code sends nothing.",
        "Correct the script: executable, within 2 seconds, one JSON object of strings on its output.",
    ),
    Cause(
        "endpoint-malformed",
        ERROR,
        "Claude Code can't use this address and sends to localhost or nowhere.",
        "Write the whole URL, such as https://collector.example.com:4318, without blanks.",
    ),
    Cause(
        "endpoint-stripped",
        ERROR,
        "Managed headers make Claude Code drop every endpoint that is not managed too, and send to localhost.",
        "Set OTEL_EXPORTER_OTLP_ENDPOINT in the managed settings beside the headers.",
    ),
    Cause(
        "endpoint-split",
        ERROR,
        "An endpoint for one signal, set at a lower level, beats the general one: the signal goes there.",
        "Take it out, or set OTEL_EXPORTER_OTLP_ENDPOINT in the managed settings, which removes it.",
    ),
    Cause(
        "proxy",
        ERROR,
        "Claude Code sends through a proxy, which does not pass it on.",
        "Add the collector's host to NO_PROXY, or let the proxy pass it.",
    ),
    Cause(
        "dns",
        ERROR,
        "The name of the collector is not known to this host.",
        "Correct the endpoint, or connect to the network (VPN) that knows the name.",
    ),
    Cause(
        "refused",
        ERROR,
        "Nothing listens there.",
        "Start the collector, or correct host and port of the endpoint.",
    ),
    Cause(
        "no-connection",
        ERROR,
        "Nobody answers there: a firewall drops the packets, or the host is down.",
        "Open the port from this network, or connect to the network (VPN) that reaches it.",
    ),
    Cause(
        "no-answer",
        ERROR,
        "The port takes the connection and then stays silent.",
        "Look at the collector's log: it hangs, or something else listens there.",
    ),
    Cause(
        "ca-unreadable",
        ERROR,
        "Claude Code is led to a file of certificates that it can't use.",
        "Correct the variable or the file: run playbooks/clients.yml for one that we wrote.",
    ),
    Cause(
        "ca-expired",
        ERROR,
        "The authority that Claude Code is led to is not valid today.",
        "Bring the present one: run playbooks/clients.yml, or correct the clock of this host.",
    ),
    Cause(
        "tls-expired",
        ERROR,
        "The collector's certificate is not valid today.",
        "Renew the certificate, or correct the clock of this host.",
    ),
    Cause(
        "tls-unknown-ca",
        ERROR,
        "Claude Code does not know who signed the collector's certificate.",
        "Set NODE_EXTRA_CA_CERTS to the file of that authority's certificate. OTEL_EXPORTER_OTLP_CERTIFICATE counts "
        "with grpc only.",
    ),
    Cause(
        "tls-name",
        ERROR,
        "The collector's certificate is for another name.",
        "Write the name that is in the certificate into the endpoint; with grpc an IP address never matches.",
    ),
    Cause(
        "tls-not-spoken",
        ERROR,
        "The endpoint asks for TLS, which the port does not speak.",
        "Write http:// in front of the endpoint, or switch TLS on at the collector.",
    ),
    Cause(
        "tls-required",
        ERROR,
        "The port speaks TLS only, and Claude Code sends in the clear.",
        "Write https:// in front of the endpoint, or run playbooks/clients.yml.",
    ),
    Cause(
        "wrong-protocol",
        ERROR,
        "The port does not speak the protocol that is set.",
        "Let protocol and port agree: grpc usually is port 4317, HTTP port 4318.",
    ),
    Cause(
        "headers-helper-grpc",
        ERROR,
        "With grpc Claude Code never asks otelHeadersHelper, so the collector misses the credential.",
        "Change the protocol to http/protobuf, or set OTEL_EXPORTER_OTLP_HEADERS.",
    ),
    Cause(
        "auth-refused",
        ERROR,
        "The collector refuses the credential, or misses one.",
        "Run playbooks/clients.yml, or correct OTEL_EXPORTER_OTLP_HEADERS or otelHeadersHelper. Over HTTP percent "
        "codes are sent as they stand.",
    ),
    Cause(
        "wrong-path",
        ERROR,
        "The server knows no such path, or does not take this signal.",
        "End an endpoint for one signal in /v1/metrics or /v1/logs, or set OTEL_EXPORTER_OTLP_ENDPOINT only.",
    ),
    Cause(
        "server-error",
        ERROR,
        "The collector answers with an error, and Claude Code keeps nothing for later.",
        "Look at the collector's log.",
    ),
    Cause(
        "not-a-collector",
        ERROR,
        "Something else than a collector answers there: a login page, or another program.",
        "Correct the endpoint, or pass the network's login page.",
    ),
    Cause(
        "client-missing",
        WARNING,
        "Without Claude Code nothing can be sent.",
        "Install it, or look as the user who runs it.",
    ),
    Cause(
        "old-client",
        WARNING,
        "Before 2.1.161 metrics carry no resource attributes, so developer and team are missing from them.",
        "Update Claude Code: claude update.",
    ),
    Cause(
        "broken-build",
        WARNING,
        "Users of this version reported builds without OTLP exporters, which send nothing.",
        "Update Claude Code: claude update.",
        untested="the versions exist for macOS; those for Linux do send",
    ),
    Cause(
        "short-flush",
        WARNING,
        "Claude Code gets so little time at its end that the last metrics are lost.",
        "Take CLAUDE_CODE_OTEL_SHUTDOWN_TIMEOUT_MS out, or write 2000.",
    ),
    Cause(
        "slow-collector",
        WARNING,
        "The collector takes so long that short sessions end before their metrics are sent.",
        "Bring a collector nearer, or raise CLAUDE_CODE_OTEL_SHUTDOWN_TIMEOUT_MS.",
    ),
    Cause(
        "clock-skew",
        WARNING,
        "The clocks of this host and the collector differ, so data counts at the wrong time.",
        "Let both take their time from NTP.",
    ),
    Cause(
        "cumulative",
        WARNING,
        "Running totals arrive, which can't be added up and stay out of the dashboards.",
        "Take OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE out, or write delta.",
    ),
    Cause(
        "attributes-dropped",
        WARNING,
        "Claude Code leaves the attribute out of metrics and events.",
        "Percent-encode it: ASCII without blanks, quotes, comma, semicolon, equals sign and backslash.",
    ),
    Cause(
        "content-logged",
        NOTE,
        "The content of sessions leaves this host with the events.",
        "Take the variable out if that is not meant.",
    ),
    Cause(
        "shell-computed",
        NOTE,
        "The shell computes the value when it starts, so it is not judged here.",
        "Look at it in a terminal: printenv NAME.",
    ),
    Cause(
        "server-managed",
        NOTE,
        "Settings from Anthropic's server or a gateway beat the managed files, and are not judged here.",
        "Look at them with /status in Claude Code.",
        untested="needs a claude.ai organization",
    ),
)
BY_NAME = {cause.name: cause for cause in CAUSES}
RANK = {cause.name: rank for rank, cause in enumerate(CAUSES)}


@dataclass(frozen=True)
class Finding:
    """One cause met. `detail` names variable, file or address, secrets hidden; `where` is the place to fix."""

    cause: str
    detail: str
    where: str = ""

    def sentence(self) -> str:
        """For people: what is there, what comes of it, what to do."""
        cause = BY_NAME[self.cause]
        return f"{self.detail}. {cause.sees} {cause.fix}"

    def as_dict(self) -> dict[str, str]:
        cause = BY_NAME[self.cause]
        return {
            "cause": cause.name,
            "severity": cause.severity,
            "text": f"{self.detail}. {cause.sees}",
            "fix": cause.fix,
            "where": self.where,
        }
