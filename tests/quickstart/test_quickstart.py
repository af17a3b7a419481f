# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The quick start of an ordinary user: refused, declined, cut off, done, repeated, undone."""

from __future__ import annotations

import json

import pytest
from machine import CLONE, HOME, SETTINGS, SHARE, Machine

# Tabs, two kinds of line ends, blanks where nobody puts them, a number no float holds, no newline at the end.
ODD = b'{\n\t"model" : "opus" ,\r\n  "big":12345678901234567890, "n\\u00e4me": "\xc3\xa4",\n\t"env":{"MINE":"1"  }\n\n}'
FOREIGN = b'{"env": {"OTEL_EXPORTER_OTLP_ENDPOINT": "https://otel.example.com:4317"}}'
OURS = {
    "CLAUDE_CODE_ENABLE_TELEMETRY": "1",
    "OTEL_METRICS_EXPORTER": "otlp",
    "OTEL_LOGS_EXPORTER": "otlp",
    "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4317",
    "OTEL_METRIC_EXPORT_INTERVAL": "10000",
    "OTEL_LOG_USER_PROMPTS": "0",
    "OTEL_LOG_ASSISTANT_RESPONSES": "0",
    "OTEL_LOG_TOOL_DETAILS": "0",
    "OTEL_LOG_TOOL_CONTENT": "0",
    "OTEL_LOG_RAW_API_BODIES": "0",
    "OTEL_METRICS_INCLUDE_VERSION": "1",
    "OTEL_METRICS_INCLUDE_REPOSITORY": "1",
    "OTEL_RESOURCE_ATTRIBUTES": "developer=ada,settings_revision=3f98e0fd",
}
RUNNING = ["/loki", "/otel-collector", "/prometheus"]


def names(containers: list[str]) -> list[str]:
    return sorted(line.split()[0] for line in containers)


def test_a_run_cut_off_while_it_prepares_itself_changes_nothing(machine: Machine) -> None:
    machine.write_settings(FOREIGN)
    before = machine.listing()
    machine.cut_off("quickstart", f"until [ -e {CLONE}/.venv ]; do :; done")
    assert machine.listing() == before


def test_a_foreign_endpoint_stops_it_before_any_change(machine: Machine) -> None:
    before = machine.listing()
    done = machine.make("quickstart")
    assert done.rc != 0
    assert f'{SETTINGS}:1:10: OTEL_EXPORTER_OTLP_ENDPOINT is "https://otel.example.com:4317"' in done.said
    assert "Nothing was changed. SETTINGS=no" in done.said
    assert machine.settings() == FOREIGN
    assert machine.listing() == before


def test_a_port_that_is_taken_stops_it_before_any_change(machine: Machine) -> None:
    machine.write_settings(ODD)
    machine.root(
        "systemd-run --quiet --unit theirs python3 -m http.server --bind 127.0.0.1 9090;"
        "timeout 60 sh -c 'until curl --silent --output /dev/null 127.0.0.1:9090; do :; done'"
    )
    before = machine.listing()
    done = machine.make("quickstart")
    assert done.rc != 0
    assert done.line("- Port 9090 on 127.0.0.1 is taken.").endswith("or set prometheus_port to a free port.")
    assert machine.listing() == before
    machine.root("systemctl stop theirs")


def test_it_asks_once_on_a_terminal_and_no_means_no(machine: Machine) -> None:
    before = machine.listing()
    done = machine.make_on_a_terminal("quickstart", "n")
    assert done.rc != 0
    assert done.said.count("[y/N]") == 1
    assert "Nothing was changed." in done.said
    shown = done.said.split("[y/N]")[0]
    for name, value in OURS.items():
        assert f'+ "{name}": "{value}"' in shown
    for text in (SETTINGS, SHARE, "grafana/loki:", " 4317 4318 8888 8889 13133 9090 3100 3000,", "minutes", "GB"):
        assert text in shown
    assert machine.settings() == ODD
    assert machine.listing() == before


def outside_her_home(machine: Machine) -> list[str]:
    """Every file that is neither below ada's home nor Docker's own."""
    apart = (HOME, "/var/lib/containerd/")
    return [line for line in machine.listing() if line.startswith("/") and not line.startswith(apart)]


@pytest.fixture(scope="module")
def outside(machine: Machine) -> list[str]:
    return outside_her_home(machine)


def test_a_run_after_one_cut_off_amid_the_stack_brings_it_up(machine: Machine, outside: list[str]) -> None:
    # The first component is being made, the last one is far: how soon the kill strikes does not matter.
    machine.cut_off("quickstart", "read < <(docker events --filter event=create --filter container=prometheus)")
    assert "/otel-collector" not in names(machine.containers())
    done = machine.make("quickstart").ok()
    assert done.line("Grafana  ").startswith("skipped: no registry gave grafana/grafana:")
    assert done.said.count("skipped") == 1
    assert done.line("Prometheus  http") == "://localhost:9090    built from source: the API, without web pages"
    assert "make quickstart-down" in done.said
    assert names(machine.containers()) == RUNNING
    addresses = "{{range .NetworkSettings.Ports}}{{range .}}{{println .HostIp}}{{end}}{{end}}"
    assert set(machine.root(f"docker ps -q | xargs docker inspect --format '{addresses}'").split()) == {"127.0.0.1"}


def test_the_settings_gain_our_keys_and_no_other_byte_changes(machine: Machine) -> None:
    new = machine.settings()
    assert json.loads(new) == {**json.loads(ODD), "env": {"MINE": "1", **OURS}}
    assert any(new.startswith(ODD[:at]) and new.endswith(ODD[at:]) for at in range(len(ODD)))


def test_everything_is_adas_and_lies_in_her_home(machine: Machine, outside: list[str]) -> None:
    assert machine.root(f"find {HOME} ! -user ada") == ""
    assert outside_her_home(machine) == outside
    hers, usual = (set(machine.root(f"ls -A {path}").split()) for path in (HOME, "/etc/skel"))
    assert hers - usual == {".cache", ".claude", ".local", "claude-code-observability"}
    assert machine.ada(f"git -C {CLONE} status --porcelain").said == ""


def test_the_verbs_of_every_day_know_it(machine: Machine) -> None:
    machine.make("verify").ok()
    status = machine.make("status").ok().said
    assert all(f"{name}  " in status for name in ("prometheus", "loki", "otel-collector"))


def test_a_second_run_changes_nothing(machine: Machine) -> None:
    def what_is_ours() -> list[str]:
        return [line for line in machine.listing() if line.startswith(("container", f"{SHARE}/config", SETTINGS))]

    before = what_is_ours(), machine.containers(), machine.settings()
    done = machine.make("quickstart").ok()
    for step in ("The stack  ", "Claude settings  "):
        assert done.line(step).endswith(", nothing to change")
    assert (what_is_ours(), machine.containers(), machine.settings()) == before


def test_down_restores_the_settings_and_keeps_the_data(machine: Machine) -> None:
    data = machine.root(f"ls {SHARE}/data")
    machine.make("quickstart-down").ok()
    assert machine.settings() == ODD
    assert machine.root(f"ls -A {HOME}/.claude") == "settings.json\n"
    assert machine.containers() == []
    assert machine.root("docker network ls --quiet --filter name=claude-code-observability") == ""
    assert machine.root(f"ls {SHARE}/data") == data == "loki\notel-collector\nprometheus\n"


def test_down_once_more_with_purge_deletes_the_data(machine: Machine) -> None:
    machine.make("quickstart-down PURGE=1").ok()
    assert machine.root(f"ls -A {HOME}/.local/share") == ""
    assert machine.settings() == ODD
