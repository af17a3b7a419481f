# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The queries in the README and the docs, in each language: in blocks of code, and in the code inside of sentences."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml
from markdown_it import MarkdownIt
from markdown_it.token import Token

from tests.tools.queries.sources import Query
from tests.tools.queries.vocabulary import ROOT

# Code is about queries if it has one of these: a name of ours, or Loki's only stream label.
OURS = re.compile(
    r"\b(?:claude_code_(?!observability\b)|(?:developer|team):claude_code_|otelcol_|service_name\b)[\w:]*(?![\w:<*])"
)
# Before a block or a paragraph that shows how others do it.
OTHERS = "<!-- not ours -->"
# As in: curl ... --data-urlencode 'query=up'
ARGUMENT = re.compile(r"(?s)'query=(.+?)'")
KEYS = ("expr", "query")


def docs() -> Iterator[Query]:
    """Of all pages."""
    for file in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        yield from of_page(str(file.relative_to(ROOT)), file.read_text(encoding="utf-8"))


def of_page(file: str, text: str) -> Iterator[Query]:
    """Of one page. What is no query but has names in it comes as the language `names`."""
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    lines = text.splitlines()
    headings = [token.map[0] for token in tokens if token.type == "heading_open" and token.map]
    others = False
    for token in tokens:
        if token.type == "html_block":
            others = token.content.strip() == OTHERS
            continue
        found = list(_of_token(token))
        if not others and token.map:
            start = max((line for line in headings if line <= token.map[0]), default=0)
            end = min((line for line in headings if line > token.map[0]), default=len(lines))
            for language, query in found:
                says = "\n".join(lines[start:end])
                yield Query(file, f"line {token.map[0] + 1}", language, query, "docs", says)
        if token.type in ("fence", "code_block", "inline"):
            others = False


def _of_token(token: Token) -> Iterator[tuple[str, str]]:
    if token.type in ("fence", "code_block"):
        yield from _of_block(token.info.strip(), token.content)
    for child in token.children or []:
        if child.type == "code_inline" and OURS.search(child.content):
            yield _language(child.content), child.content


def _of_block(info: str, text: str) -> Iterator[tuple[str, str]]:
    if info in ("promql", "logql"):
        yield info, text
    elif ARGUMENT.search(text):
        for query in ARGUMENT.findall(text):
            yield _language(query, "promql"), query
    elif OURS.search(text):
        if info in ("yaml", "yml"):
            found = [query for document in yaml.safe_load_all(text) for query in _in_yaml(document)]
            if found:
                yield from ((_language(query, "promql"), query) for query in found)
                return
        yield _language(text), text


def _in_yaml(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for each in value:
            yield from _in_yaml(each)
    if isinstance(value, dict):
        for name, each in value.items():
            if name in KEYS and isinstance(each, str):
                yield each
            else:
                yield from _in_yaml(each)


def _language(text: str, plain: str = "names") -> str:
    if re.search(r"\{\s*service_name\s*[=!]", text):
        return "logql"
    return "promql" if re.match(r"[\s(]*[\w:]+[^\n]*[({\[]", text) else plain
