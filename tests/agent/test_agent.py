# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""With an agent on the laptop nothing is lost, nothing is counted twice, and everybody is who the inventory says."""

from __future__ import annotations

from conftest import OWNER, TOKEN, Story
from tests.tools.ledger import differences, total

WHO = "laptop, developer, developer_verified"


def test_a_check_changes_nothing_and_shows_everything(story: Story) -> None:
    before, after = story.listings
    assert before == after
    for shown in ("/etc/otel-collector/current/config.yaml", "endpoint: https://centre:4319", "(secret)"):
        assert shown in story.said["check"]


def test_the_second_run_changes_nothing(story: Story) -> None:
    (recap,) = [line for line in story.said["again"].splitlines() if line.startswith("laptop-ada ")]
    assert " changed=0 " in recap


def test_settings_lead_to_the_agent_and_back_to_the_stack(story: Story) -> None:
    with_agent, without = story.settings["with agent"], story.settings["without agent"]
    names = ("OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_ENDPOINT")
    assert [with_agent[name] for name in names] == ["grpc", "http://localhost:4317"]
    assert without["OTEL_EXPORTER_OTLP_ENDPOINT"].startswith("http://centre:431")


def test_what_waits_outlives_a_kill_and_a_reboot(story: Story) -> None:
    waiting = story.waiting
    assert 0 < waiting["cut off"] == waiting["killed"] < waiting["more"] == waiting["rebooted"]


def test_every_total_equals_what_the_model_handed_out(story: Story) -> None:
    assert [line for told in story.told.values() for line in differences(told)] == []
    expected = total(story.told.values())["expected"]
    assert (expected["sessions"], expected["starts"]) == (9, 10)
    assert all(expected[f"tokens {kind}"] > 0 for kind in ("input", "output", "cacheRead", "cacheCreation"))


def who(story: Story, sessions: list[str]) -> list[set[tuple[str | None, ...]]]:
    """Laptop, developer and the mark, as all series and as all events of the sessions say."""
    mine = f'session_id=~"{"|".join(sessions)}"'
    rows = [
        story.prometheus.query(f'count by ({WHO}) (last_over_time({{__name__=~"claude_code_.+", {mine}}}[1h]))'),
        story.loki.query(f'sum by ({WHO}) (count_over_time({{service_name="claude-code"}} | {mine} [1h]))'),
    ]
    return [{tuple(row["metric"].get(name) for name in WHO.split(", ")) for row in found} for found in rows]


def test_what_one_owner_sends_is_the_owners_whatever_a_repository_claims(story: Story) -> None:
    assert who(story, story.owned) == [{("laptop-ada", OWNER, "true")}] * 2


def test_without_an_owner_the_client_is_believed_and_that_is_said(story: Story) -> None:
    assert who(story, story.shared) == [{("laptop-ada", "ada", "false")}] * 2


def test_the_agent_stays_until_it_has_delivered_everything(story: Story) -> None:
    waited = story.waiting["still there"]
    assert waited > 0
    assert f"{waited} requests wait in /var/lib/otel-collector" in " ".join(story.said["leave offline"].split())


def test_nothing_of_it_is_left(story: Story) -> None:
    left = story.laptop.sh(
        "ls -d /etc/otel-collector /var/lib/otel-collector /opt/otel-collector"
        " /etc/systemd/system/otel-collector.service 2>/dev/null; pgrep otelcol",
        check=False,
    )
    assert left == ""


def test_the_secret_shows_nowhere(story: Story) -> None:
    assert [when for when, said in story.said.items() if TOKEN in said] == []


def test_the_centre_asked_for_the_secret(story: Story) -> None:
    ask = "curl --silent --insecure --output /dev/null --write-out '%{http_code}' --request POST --data '{}'"
    assert story.laptop.sh(f"{ask} --header 'Content-Type: application/json' https://centre:4319/v1/logs") == "401"
