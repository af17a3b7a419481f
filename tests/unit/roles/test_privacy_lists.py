# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The list of what the collector keeps: against the client's vocabulary, all queries of the project, and the docs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.tools.queries import check, fill, logql, logql_parser, promql, roles
from tests.tools.queries.vocabulary import ROOT, Vocabulary

LISTS = yaml.safe_load((ROOT / "roles/otel_collector/vars/main/privacy.yml").read_text(encoding="utf-8"))
KEYS = yaml.safe_load((ROOT / "roles/claude_settings/vars/main/privacy.yml").read_text(encoding="utf-8"))
CLIENT = yaml.safe_load((ROOT / "dashboards/vocabulary.yml").read_text(encoding="utf-8"))
KEPT = [name for names in LISTS["__otel_collector_kept"].values() for name in names]
CONTENT = [name for names in LISTS["__otel_collector_content"].values() for name in names]
# The panels and alerts that show less, or nothing, in strict. docs/privacy.md would name them.
NEED_FULL: set[str] = set()
# What neither profile keeps: accounts, addresses, paths, and what their owners set in a pattern no list can hold.
LEFT_OUT = {
    "organization_id",
    "user_account_uuid",
    "user_account_id",
    "user_email",
    "user_groups",
    "vcs_repository_url_full",
    "workspace_host_paths",
    "managed_settings_helper_entry",
    "managed_settings_helper_path",
}
PAGES = [ROOT / "docs/privacy.md", ROOT / "docs/ko/privacy.md"]


def stored(names: list[str]) -> set[str]:
    return {name.replace(".", "_") for name in names}


def of_the_client() -> set[str]:
    """Every attribute it may send, as the stores spell it."""
    everywhere = [*CLIENT["user"], *CLIENT["standard"], *CLIENT["resource"], *CLIENT["event_standard"]]
    labels = [name for metric in CLIENT["metrics"].values() for name in metric["labels"]]
    return {*everywhere, *labels, *(name for event in CLIENT["events"].values() for name in event)}


def test_every_attribute_of_the_client_is_decided_about():
    assert of_the_client() - stored(KEPT) - stored(CONTENT) == LEFT_OUT
    assert not stored(KEPT) & (stored(CONTENT) | LEFT_OUT)
    assert len(KEPT) == len(set(KEPT))


def test_what_a_client_withholds_is_content_or_a_name():
    """By the variable of the client that lets it out."""
    for variable, by_event in CLIENT["needs"].items():
        if variable in LISTS["__otel_collector_content"]:
            withheld = {name for names in by_event.values() for name in names if name != "*"}
            listed = stored(LISTS["__otel_collector_content"][variable])
            assert withheld <= listed | stored(KEPT) | {"error"}


def used() -> Iterator[tuple[str, str]]:
    """The attributes that queries read, with where the query stands."""
    vocabulary = Vocabulary.load()
    queries = [query for query in check.everything() if query.language != "names" and "<<" not in query.text]
    texts = {query: fill.filled(query.text, {**fill.grafana(), **query.variables}) for query in queries}
    trees = logql_parser.parse([text for query in queries if query.language == "logql" for text in texts[query]])
    flat = iter(trees)
    for query in queries:
        for text in texts[query]:
            if query.language == "promql":
                names = promql.check(text, vocabulary, {}).used
            else:
                tree = next(flat)
                assert not isinstance(tree, logql_parser.ParseError), text
                names = logql.check(tree, vocabulary).used
            for name in names:
                yield name, f"{query.file}: {query.place}"


def test_every_query_finds_what_it_reads_in_strict():
    lacking = {place for name, place in used() if name in of_the_client() - stored(KEPT)}
    assert lacking == NEED_FULL


def test_what_the_collector_keeps_is_this_list_and_yours():
    made = yaml.safe_load(roles.files("otel_collector", stack_keep_attributes=["cost_center"])["config.yaml"])
    assert made["processors"]["redaction/private"]["allowed_keys"] == [*KEPT, "cost_center"]
    # Whatever comes from outside; the other pipelines get what these let through.
    for name, pipeline in made["service"]["pipelines"].items():
        outside = not set(pipeline["receivers"]) <= set(made["connectors"])
        assert ("redaction/private" in pipeline["processors"]) == outside, name


def test_content_leaves_in_full_only():
    pipelines: dict[str, Any] = {}
    for profile in ("strict", "full"):
        made = yaml.safe_load(roles.files("otel_collector", stack_privacy=profile)["config.yaml"])
        pipelines[profile] = made["service"]["pipelines"]
    content = pipelines["full"].pop("logs/content")
    assert pipelines["full"] == pipelines["strict"]
    assert content["exporters"] == ["otlp_http/loki"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.parent.name)
def test_the_docs_show_the_lists(page):
    text = page.read_text(encoding="utf-8")
    rows = dict(re.findall(r"(?m)^\| `?(\w+)`? \| ((?:`[\w.]+`(?:, )?)+) \|$", text))
    shown = {group: re.findall(r"`([\w.]+)`", names) for group, names in rows.items()}
    named = {name or "always": names for name, names in LISTS["__otel_collector_content"].items()}
    assert shown == LISTS["__otel_collector_kept"] | named
    for key in [*KEYS["__claude_settings_content"], *KEYS["__claude_settings_always"]]:
        assert f"| `{key}` |" in text
