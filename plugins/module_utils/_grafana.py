# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Data sources, folders, who sees them, and dashboards, kept in a Grafana through its HTTP API.

What Grafana answers is not what it was given: fields are added, and each version of Grafana may rewrite a
dashboard. So a dashboard is known by the message of its newest version, which holds a digest of what was sent.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from ansible_collections.claude_code.observability.plugins.module_utils._grafana_api import Api, GrafanaError
from ansible_collections.claude_code.observability.plugins.module_utils._util import COLLECTION

# What Grafana itself gives a basic role: view, edit.
PERMISSIONS = {"Viewer": 1, "Editor": 2}
PERMISSION_NAMES = {1: "View", 2: "Edit", 4: "Admin"}
# Grafana's own answer holds these as well, and they say nothing of what was asked for.
OWN_FIELDS = ("id", "version")
POLL = 0.5


def message(dashboard: Mapping[str, Any]) -> str:
    """What the version that holds this dashboard is told apart by."""
    text = json.dumps(dashboard, sort_keys=True)
    return f"{COLLECTION} {hashlib.sha256(text.encode()).hexdigest()[:16]}"


def is_ours(text: str) -> bool:
    """Whether a version with this message was written here."""
    return text.startswith(f"{COLLECTION} ")


def merged(now: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """A data source with the wanted fields, and those of its settings that are somebody else's."""
    settings = {**now.get("jsonData", {}), **wanted.get("jsonData", {}), "madeBy": COLLECTION}
    return {**now, **wanted, "jsonData": settings}


def grants(permissions: Iterable[Mapping[str, Any]], roles: Iterable[str]) -> list[dict[str, Any]]:
    """The permissions of a folder with these basic roles, and with all users and teams that have one of their own."""
    kept = [
        {key: item[key] for key in ("userId", "teamId", "permission") if item.get(key)}
        for item in permissions
        if not item.get("role") and not item.get("inherited")
    ]
    return kept + [{"role": role, "permission": PERMISSIONS[role]} for role in sorted(roles)]


def role_grants(permissions: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """The basic roles of a folder's permissions, Admin apart, which has all of them anyway."""
    return {
        item["role"]: PERMISSION_NAMES[item["permission"]]
        for item in permissions
        if item.get("role") in PERMISSIONS and not item.get("inherited")
    }


class Content:
    """Brings a Grafana to what is wanted, or with `check` only says what that would change."""

    def __init__(self, api: Api, check: bool) -> None:
        self.api = api
        self.check = check
        # What is changed: the kind and name of a thing, the thing before and after.
        self.changes: list[tuple[str, Any, Any]] = []

    def data_source(self, wanted: Mapping[str, Any], secrets: Mapping[str, str], renew: bool) -> None:
        """A data source. Its secrets are sent when anything else changes, or when they are to be renewed."""
        path = f"/api/datasources/uid/{quote(wanted['uid'])}"
        now = self.api.get(path)
        if now and now.get("readOnly"):
            raise GrafanaError(
                f"the data source {wanted['uid']} comes from a provisioning file of this Grafana. Take it out there, "
                "or leave it out here (in the role: grafana_prometheus_url or grafana_loki_url is '')."
            )
        then = merged(now or {}, wanted)
        known = (now or {}).get("secureJsonFields", {})
        if now == then and not renew and all(known.get(name) for name in secrets):
            return
        before = now and {**now, "secureJsonData": sorted(known)}
        self._change(f"data source {wanted['uid']}", before, {**then, "secureJsonData": sorted(secrets)})
        if not self.check:
            body = {**then, "secureJsonData": dict(secrets)}
            self.api.send("PUT" if now else "POST", path if now else "/api/datasources", body)

    def folder(self, uid: str, title: str, wait: float = 0) -> bool:
        """A folder, created unless Grafana makes it itself within `wait` seconds. False: it would be created."""
        path = f"/api/folders/{quote(uid)}"
        end = time.monotonic() + wait
        while self.api.get(path) is None:
            if time.monotonic() < end:
                time.sleep(POLL)
                continue
            self._change(f"folder {uid}", None, {"title": title})
            if self.check:
                return False
            self.api.send("POST", "/api/folders", {"uid": uid, "title": title})
        return True

    def visible_to(self, uid: str, roles: Iterable[str], exists: bool) -> None:
        """The basic roles that see a folder, besides Admin."""
        path = f"/api/folders/{quote(uid)}/permissions"
        now = (self.api.get(path) or []) if exists else []
        then = grants(now, roles)
        before, after = role_grants(now), role_grants(then)
        if before == after and exists:
            return
        self._change(f"permissions of folder {uid}", before, after)
        if not self.check:
            self.api.send("POST", path, {"items": then})

    def dashboard(self, folder: str, wanted: Mapping[str, Any]) -> None:
        """A dashboard in a folder. What somebody changed by hand remains in its history."""
        uid = wanted["uid"]
        now = self.api.get(f"/api/dashboards/uid/{quote(uid)}")
        meta = (now or {}).get("meta", {})
        if meta.get("provisioned"):
            raise GrafanaError(
                f"the dashboard {uid} comes from a provisioning file of this Grafana. Take it out there."
            )
        if now and meta.get("folderUid") == folder and self._newest_message(uid) == message(wanted):
            return
        before = now and {key: value for key, value in now["dashboard"].items() if key not in OWN_FIELDS}
        self._change(f"dashboard {uid}", before, wanted)
        if not self.check:
            body = {"dashboard": wanted, "folderUid": folder, "message": message(wanted), "overwrite": True}
            self.api.send("POST", "/api/dashboards/db", body)
            # Grafana 12 keeps no message of the very first version.
            if not now and self._newest_message(uid) != message(wanted):
                self.api.send("POST", "/api/dashboards/db", body)

    def no_other_dashboards(self, folder: str, wanted: Iterable[str]) -> int:
        """Deletes what was put into a folder here and nobody changed since. How many there were."""
        count = 0
        for found in self.api.get(f"/api/search?type=dash-db&limit=5000&folderUIDs={quote(folder)}") or []:
            if found["uid"] not in wanted and is_ours(self._newest_message(found["uid"])):
                self._delete(f"dashboard {found['uid']}", f"/api/dashboards/uid/{quote(found['uid'])}", found["title"])
                count += 1
        return count

    def no_data_source(self, uid: str) -> None:
        """Deletes a data source that was made here."""
        path = f"/api/datasources/uid/{quote(uid)}"
        now = self.api.get(path)
        if now and now.get("jsonData", {}).get("madeBy") == COLLECTION:
            self._delete(f"data source {uid}", path, now["name"])

    def no_folder(self, uid: str, emptied_of: int) -> None:
        """Deletes a folder that holds nothing more."""
        path = f"/api/folders/{quote(uid)}"
        now = self.api.get(path)
        counts = (self.api.get(f"{path}/counts") or {}) if now else {}
        if now and sum(counts.values()) == (emptied_of if self.check else 0):
            self._delete(f"folder {uid}", path, now["title"])

    def _newest_message(self, uid: str) -> str:
        found = self.api.get(f"/api/dashboards/uid/{quote(uid)}/versions?limit=1") or []
        # Grafana 10 answers with the list alone.
        versions = found.get("versions", []) if isinstance(found, dict) else found
        return str(versions[0].get("message", "")) if versions else ""

    def _delete(self, what: str, path: str, title: str) -> None:
        self._change(what, {"title": title}, None)
        if not self.check:
            self.api.send("DELETE", path)

    def _change(self, what: str, before: Any, after: Any) -> None:
        self.changes.append((what, before, after))
