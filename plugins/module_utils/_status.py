# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a component is doing: read from its runtime, its files and its answer."""

from __future__ import annotations

import json
import os
import re
import urllib.error
import urllib.request
from typing import Any

from ansible_collections.claude_code.observability.plugins.module_utils._preflight import run
from ansible_collections.claude_code.observability.plugins.module_utils._tls import Access, AccessError
from ansible_collections.claude_code.observability.plugins.module_utils._util import COLLECTION

ANSWER_SECONDS = 5
LOOPBACK = ("127.0.0.1", "::1", "localhost")
UNIT_PROPERTIES = ("ActiveState", "ActiveEnterTimestamp", "ExecStart", "FragmentPath", "MemoryCurrent")


def parse_container(text: str, name: str) -> dict[str, Any] | None:
    """What `docker container inspect` says of our container, None if it is not there or not ours."""
    try:
        found = json.loads(text)
    except ValueError:
        return None
    if not found or found[0]["Config"]["Labels"].get(COLLECTION) != name:
        return None
    state, image = found[0]["State"], found[0]["Config"]["Image"]
    return {
        "runtime": "docker",
        "state": "running" if state["Running"] and not state.get("Restarting") else state["Status"],
        "since": state["StartedAt"] if state["Running"] else state["FinishedAt"],
        "version": image_version(image),
    }


def image_version(image: str) -> str:
    """The tag of an image without its leading v, else the image's own words."""
    tag = re.search(r":([^:/@]+)(@|$)", image)
    return re.sub(r"^v(?=\d)", "", tag.group(1)) if tag else image


def parse_unit(text: str, config_dir: str, install_dir: str) -> dict[str, Any] | None:
    """What `systemctl show` says of our unit, None if it is not there or not ours."""
    said = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    # A script may start it, which comes first in the command line.
    program = re.search(rf"[\s=]{re.escape(install_dir)}/([^/\s]+)/", said.get("ExecStart", ""))
    if not program or not os.path.realpath(said.get("FragmentPath", "")).startswith(os.path.realpath(config_dir) + "/"):
        return None
    state = said.get("ActiveState", "")
    return {
        "runtime": "systemd",
        "state": {"active": "running", "inactive": "stopped"}.get(state, state),
        "since": said.get("ActiveEnterTimestamp", ""),
        "version": program.group(1),
    }


def runtime_status(component: dict[str, Any]) -> dict[str, Any]:
    """The state of the container or unit of a component."""
    name = component["name"]
    rc, text, _error = run(["docker", "container", "inspect", name])
    found = parse_container(text, name) if rc == 0 else None
    if found is None:
        shown = run(["systemctl", "show", f"--property={','.join(UNIT_PROPERTIES)}", f"{name}.service"])[1]
        found = parse_unit(shown, component["config_dir"], component.get("install_dir") or "")
    return found or {"runtime": "", "state": "absent", "since": "", "version": ""}


def answer(ready: dict[str, Any]) -> str:
    """V(ok) if the request is answered as expected, else what came instead."""
    body = ready.get("body")
    request = urllib.request.Request(
        ready["url"],
        data=body.encode() if body is not None else None,
        headers=ready.get("headers") or {},
        method=ready.get("method") or "GET",
    )
    access = Access(ready.get("ca_path"), ready.get("client_cert"), ready.get("client_key"))
    handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]
    try:
        if ready["url"].startswith("https:"):
            handlers.append(urllib.request.HTTPSHandler(context=access.context()))
        with urllib.request.build_opener(*handlers).open(request, timeout=ANSWER_SECONDS) as response:
            status = response.status
    except urllib.error.HTTPError as exc:
        status = exc.code
    except AccessError as exc:
        return f"no answer: {exc}"
    except OSError as exc:
        return f"no answer: {access.failure(exc) or getattr(exc, 'reason', exc)}"
    return "ok" if status in (ready.get("status") or [200]) else f"HTTP {status}"


def tree_bytes(path: str) -> int:
    """Disk that a directory takes. Files that go away meanwhile count nothing, those with two names count once."""
    found = {}
    for folder, _folders, files in os.walk(path):
        for name in files:
            try:
                info = os.lstat(os.path.join(folder, name))
            except FileNotFoundError:
                continue
            found[info.st_dev, info.st_ino] = info.st_blocks * 512
    return sum(found.values())


def encryption(component: dict[str, Any]) -> dict[str, Any]:
    """Whether others than the host itself reach it, and whether what they send is encrypted."""
    return {
        "loopback": component.get("listen_address") in LOOPBACK,
        "encryption": "tls" if component["ready"]["url"].startswith("https:") else "plain",
    }


def no_room(component: dict[str, Any]) -> str:
    """Why it is stopped, if that is for want of room on its disk."""
    least = component.get("disk_min_free") or 0
    disk = os.statvfs(component["data_dir"])
    free = 100 * disk.f_bavail // max(1, disk.f_blocks - disk.f_bfree + disk.f_bavail)
    # It starts again with one percent more.
    return f"stopped: {free} % of its disk is free, it needs {least + 1} %" if least and free < least + 1 else ""


def component_status(component: dict[str, Any]) -> dict[str, Any]:
    """The status of one component, from its description."""
    status = runtime_status(component)
    health = answer(component["ready"]) if status["state"] == "running" else status["state"]
    if status["state"] == "running" and health != "ok":
        health = no_room(component) or health
    return {
        "name": component["name"],
        **status,
        "health": health,
        **encryption(component),
        "ports": [port["port"] for port in component["ports"]],
        "data_bytes": tree_bytes(component["data_dir"]),
    }
