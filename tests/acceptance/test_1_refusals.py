# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""On a host where something is in the way the play stops before it has changed anything."""

from __future__ import annotations

import pytest
from testbed import COLLECTION

SITE = f"{COLLECTION}.site"

OPEN = {"stack_listen_address": "0.0.0.0"}


@pytest.mark.parametrize(
    ("variables", "texts"),
    [
        (
            {**OPEN, "otel_collector_authentication": "none", "stack_late_max": "3 days"},
            [
                "otel_collector_authentication is none, but the collector listens beyond loopback",
                "set stack_allow_insecure_network: true on a network that you trust",
                "stack_late_max is 3 days; write whole hours, such as 72h.",
            ],
        ),
        ({"stack_late_max": "0h"}, ["stack_late_max is 0h"]),
        ({**OPEN, "stack_tls": "provided"}, ["stack_tls_certificate is empty. Give this host's as text in PEM"]),
        (
            {**OPEN, "stack_tls": "terminated_upstream", "stack_runtime": "docker"},
            [
                "stack_tls_upstream_addresses is empty, so that whoever reaches this host could pass by the proxy",
                "with prometheus_runtime docker stack_tls_upstream_addresses can't be enforced",
                "otel_collector_external_url is empty, so that clients would pass by the proxy",
            ],
        ),
        (
            {"stack_runtime": "docker", "prometheus_runtime": "systemd"},
            ["Two runtimes on one host: loki_runtime is docker and prometheus_runtime is systemd."],
        ),
    ],
    ids=["nobody asked", "late", "no certificate", "upstream", "runtimes"],
)
@pytest.mark.parametrize("host", ["systemd"], indirect=True)
def test_variables_that_make_no_sense_are_refused_before_any_change(project, host, variables, texts):
    before = host.everything()
    project.play(project.inventory(host), SITE, variables).failed_with(*texts)
    assert host.everything() == before


FOREIGN_THINGS = """
tar --create --directory / bin/sleep | docker import - theirs:1
docker create --name loki --label com.docker.compose.project=theirs theirs:1 /bin/sleep infinity
printf '[Unit]\\nDescription=Their Prometheus\\n[Service]\\nExecStart=/bin/sleep infinity\\n' \
  >/etc/systemd/system/prometheus.service
systemctl daemon-reload
systemctl start prometheus.service
mkdir /etc/prometheus
echo theirs >/etc/prometheus/prometheus.yml
chown --recursive nobody /etc/prometheus
for port in 9090 3000; do
  systemd-run --quiet --unit their-$port --uid nobody python3 -m http.server --bind 127.0.0.1 $port
  until curl --silent --output /dev/null 127.0.0.1:$port; do :; done
done
"""
THEIR_END = """
systemctl stop their-9090 their-3000 prometheus.service
rm -r /etc/systemd/system/prometheus.service /etc/prometheus
systemctl daemon-reload
docker rm loki
docker rmi theirs:1
"""


@pytest.fixture(scope="module")
def refused(project, host):
    """What a play says on a host that is full of foreign things, and the host before and after."""
    host.sh(FOREIGN_THINGS)
    before = host.everything()
    inventory = project.inventory(host)
    text = inventory.read_text().replace("    loki:", f"    grafana: {{hosts: {{{host.name}: {{}}}}}}\n    loki:")
    inventory.write_text(text)
    yield project.play(inventory, SITE), before, host.everything()
    host.sh(THEIR_END)


@pytest.mark.parametrize(
    ("what", "owner", "change"),
    [
        (
            "A container named loki exists and is not ours.",
            "container loki of the compose project theirs (image theirs:1).",
            "set loki_external_url",
        ),
        (
            "The unit /etc/systemd/system/prometheus.service exists and is not ours.",
            'described as "Their Prometheus".',
            "set prometheus_external_url",
        ),
        ("/etc/prometheus ", "It belongs to nobody.", "set stack_config_dir to another directory."),
        ("Port 9090 on 127.0.0.1 is taken.", "process python3", "set prometheus_port to a free port."),
        ("Port 3000 on 127.0.0.1 is taken.", "user nobody", "set grafana_port to a free port."),
    ],
    ids=["container", "unit", "directory", "port 9090", "port 3000"],
)
def test_a_foreign_thing_is_refused_by_its_owner_and_our_variable(refused, what, owner, change):
    played, _before, _after = refused
    played.failed_with("nothing was changed")
    line = next((line for line in played.said.split(" - ") if line.startswith(what)), "")
    assert owner in line, played.output
    assert change in line, played.output


def test_nothing_is_changed_beside_foreign_things(refused):
    played, before, after = refused
    assert played.rc != 0
    assert after == before
