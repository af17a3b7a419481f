# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes blocks of Prometheus to Mimir through its block upload API."""

from __future__ import annotations

import http.client
import json
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ansible_collections.claude_code.observability.plugins.module_utils._download import shown
from ansible_collections.claude_code.observability.plugins.module_utils._tls import (
    PLAINTEXT_REFUSED,
    SPEAKS_TLS,
    Access,
    AccessError,
)
from ansible_collections.claude_code.observability.plugins.module_utils._tsdb_blocks import (
    Block,
    blocks,
    cut,
    sizes,
)
from ansible_collections.claude_code.observability.plugins.module_utils._tsdb_chunks import BlockError

MAX_REASON = 2000
ATTEMPTS = 4
HINTS = {
    401: "headers lack X-Scope-OrgID, the tenant, or what proves who asks",
    404: "url is the address of Mimir itself, without /prometheus",
}
DISABLED = "block upload is disabled"
# Mimir would only delete it again.
TOO_OLD = "older than retention period"
BUSY = (429, 502, 503, 504)


class UploadError(Exception):
    """Mimir cannot be reached or does not take uploads; the text says what to do."""


class RefusedError(Exception):
    """Mimir does not take this block; status and reason."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"HTTP {status}: {reason}")
        self.status, self.reason = status, reason


@dataclass
class Outcome:
    """What was done, or in check mode would be. Blocks under the names that they have in Mimir."""

    uploaded: list[dict[str, Any]] = field(default_factory=list)
    present: list[str] = field(default_factory=list)
    too_old: list[str] = field(default_factory=list)
    too_old_until: float = 0
    refused: list[str] = field(default_factory=list)

    @property
    def size(self) -> int:
        return sum(part["bytes"] for part in self.uploaded)


@dataclass(frozen=True)
class Mimir:
    """Where it is and how it is reached; the options of the module."""

    url: str
    headers: Mapping[str, str]
    access: Access
    timeout: int = 60

    def state(self, name: str) -> tuple[str, str]:
        """What Mimir says of a block, and of what is wrong with it: absent, uploading, validating, complete, failed."""
        try:
            found = json.loads(self._ask(f"{name}/check"))
        except RefusedError as error:
            if error.status == 404 and "block doesn't exist" in error.reason:
                return "absent", ""
            raise UploadError(self._told(error)) from error
        except ValueError as error:
            raise UploadError(f"{self.name} answers, but not as Mimir does. Is url right?") from error
        return found["result"], found.get("error", "")

    def take(self, block: Block, name: str) -> None:
        """Uploads one block and waits until Mimir has looked at all of it. Raises RefusedError, UploadError."""
        state, reason = self.state(name)
        if state in ("absent", "uploading"):
            files = {file: path.stat().st_size for file, path in block.files.items()}
            meta = {
                **{key: block.meta[key] for key in ("version", "minTime", "maxTime", "stats", "compaction")},
                "ulid": name,
                "thanos": {
                    "labels": {},
                    "files": [{"rel_path": file, "size_bytes": size} for file, size in files.items()],
                },
            }
            self._ask(f"{name}/start", json.dumps(meta).encode())
            for file, path in block.files.items():
                self._ask(f"{name}/files?path={quote(file, safe='')}", path)
            self._ask(f"{name}/finish", b"")
            state, reason = self.state(name)
        pause, other = 0.05, 0
        # While Mimir changes files from one state to the next, it may for a moment tell neither.
        while state == "validating" or (state in ("uploading", "absent") and other < ATTEMPTS):
            other += state != "validating"
            time.sleep(pause)
            pause = min(pause * 2, 2)
            state, reason = self.state(name)
        if state != "complete":
            raise RefusedError(400, reason or f"the upload ended as {state}")

    @property
    def name(self) -> str:
        return f"Mimir at {shown(self.url)}"

    def _told(self, error: RefusedError) -> str:
        if DISABLED in error.reason:
            return f"{self.name} takes no blocks; compactor_block_upload_enabled: true in its limits lets it."
        hint = HINTS.get(error.status)
        return f"{self.name}: {error}{f'; {hint}' if hint else ''}"

    def _ask(self, path: str, body: bytes | Path | None = None) -> bytes:
        """One request; once more if Mimir is busy or the connection breaks, for each may be repeated."""
        for attempt in range(ATTEMPTS):
            last = attempt == ATTEMPTS - 1
            try:
                return self._ask_once(path, body)
            except urllib.error.HTTPError as error:
                said = error.read(MAX_REASON).decode(errors="replace").strip()
                if PLAINTEXT_REFUSED in said:
                    raise UploadError(f"{self.name}: {SPEAKS_TLS}.") from error
                if error.code not in BUSY or last:
                    raise RefusedError(error.code, said or str(error.reason)) from error
            except AccessError as error:
                raise UploadError(f"{self.name}: {error}") from error
            except (OSError, http.client.HTTPException) as error:
                about_tls = self.access.failure(error)
                if about_tls or last:
                    reason = getattr(error, "reason", error)
                    why = about_tls or f"not reachable: {getattr(reason, 'strerror', None) or reason}"
                    raise UploadError(f"{self.name}: {why}") from error
            time.sleep(2**attempt)
        raise AssertionError

    def _ask_once(self, path: str, body: bytes | Path | None) -> bytes:
        handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]
        if self.url.startswith("https:"):
            handlers.append(urllib.request.HTTPSHandler(context=self.access.context()))
        url = f"{self.url.rstrip('/')}/api/v1/upload/block/{path}"
        request = urllib.request.Request(url, headers=dict(self.headers), method="GET" if body is None else "POST")
        opener = urllib.request.build_opener(*handlers)
        if not isinstance(body, Path):
            request.data = body
            with opener.open(request, timeout=self.timeout) as answer:
                return bytes(answer.read())
        with body.open("rb") as file:
            request.data = file
            request.add_header("Content-Length", str(body.stat().st_size))
            request.add_header("Content-Type", "application/octet-stream")
            with opener.open(request, timeout=self.timeout) as answer:
                return bytes(answer.read())


def bring(mimir: Mimir, directory: Path, look_only: bool) -> Outcome:
    """Takes every block of the directory to Mimir that is not there, cut into days where it is longer."""
    outcome = Outcome()
    for path in blocks(directory):
        try:
            block = Block.of(path)
            missing = _missing(mimir, block, outcome)
            if not missing:
                continue
            if look_only:
                for day, size in _sizes(block, missing).items():
                    outcome.uploaded.append({"block": missing[day], "of": block.name, "bytes": size})
                continue
            with tempfile.TemporaryDirectory(prefix="cut-", dir=directory) as target:
                for part, name in _parts(block, missing, Path(target)):
                    _take(mimir, block, part, name, outcome)
        except BlockError as error:
            outcome.refused.append(str(error))
    return outcome


def _missing(mimir: Mimir, block: Block, outcome: Outcome) -> dict[int, str]:
    """The days whose part Mimir has not, and what it is to be called there.

    One that Mimir has found damaged keeps its name for a day. If it was Mimir's own fault, another name does.
    """
    missing = {}
    for day in block.days:
        state, name = next((state, name) for name in block.names(day) if (state := mimir.state(name)[0]) != "failed")
        if state == "complete":
            outcome.present.append(name)
        else:
            missing[day] = name
    return missing


def _sizes(block: Block, names: Mapping[int, str]) -> dict[int, int]:
    return dict.fromkeys(names, block.size) if len(block.days) == 1 else sizes(block, names)


def _parts(block: Block, names: Mapping[int, str], target: Path) -> Iterator[tuple[Block, str]]:
    if len(block.days) == 1:
        yield from ((block, name) for name in names.values())
    else:
        yield from ((part, part.name) for part in cut(block, names, target))


def _take(mimir: Mimir, block: Block, part: Block, name: str, outcome: Outcome) -> None:
    try:
        mimir.take(part, name)
        outcome.uploaded.append({"block": name, "of": block.name, "bytes": part.size})
    except RefusedError as error:
        if TOO_OLD in error.reason:
            outcome.too_old.append(name)
            outcome.too_old_until = max(outcome.too_old_until, part.meta["maxTime"] / 1000)
            return
        of = "" if name == block.name else f" (as {name}, a day of it)"
        outcome.refused.append(f"block {block.name}{of}: {error}")
