# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.claude_code.observability.plugins.modules import grafana_content

LOGIN = "Basic " + base64.b64encode(b"boss:pass-word").decode()
TOKEN = "Bearer glsa_token"
SOURCE = {
    "uid": "claude-prometheus",
    "name": "Claude Code metrics",
    "type": "prometheus",
    "access": "proxy",
    "url": "http://store:9090",
    "jsonData": {"httpMethod": "POST"},
}
DASHBOARD = {"uid": "claude-code-cost", "title": "Cost", "panels": [{"title": "Cost"}]}
PEOPLE = {"uid": "claude-code-people", "title": "People", "roles": ["Editor"], "dashboards": [DASHBOARD]}


class Grafana:
    """Answers as Grafana 12.2 does, as far as the module asks."""

    def __init__(self):
        self.sources, self.folders, self.permissions, self.dashboards = {}, {}, {}, {}
        self.sent = []
        self.logins = (LOGIN, TOKEN)
        self.asked = 0

    def get(self, path, query):
        kind, _slash, rest = path.removeprefix("/api/").partition("/")
        uid, _slash, part = rest.removeprefix("uid/").partition("/")
        if kind == "datasources":
            return self.sources.get(uid)
        if kind == "folders" and not part:
            return self.folders.get(uid)
        if kind == "folders" and part == "permissions":
            return self.permissions[uid]
        if kind == "folders" and part == "counts":
            return {"dashboard": len(self.within(uid)), "alertrule": 0}
        if kind == "dashboards" and part == "versions":
            versions = self.dashboards[uid]["versions"]
            return {"versions": [{"version": len(versions), "message": versions[-1]}]}
        if kind == "dashboards" and uid in self.dashboards:
            found = self.dashboards[uid]
            meta = {"folderUid": found["folder"], "provisioned": found.get("provisioned", False)}
            return {"meta": meta, "dashboard": {**found["json"], "id": 7, "version": len(found["versions"])}}
        if kind == "search":
            return [{"uid": uid, "title": uid} for uid in self.within(query["folderUIDs"][0])]
        return None

    def within(self, folder):
        return [uid for uid, found in self.dashboards.items() if found["folder"] == folder]

    def take(self, method, path, body):
        self.sent.append((method, path, body))
        uid = path.rpartition("/")[2]
        if path.startswith("/api/datasources") and method == "DELETE":
            del self.sources[uid]
        elif path.startswith("/api/datasources"):
            known = self.sources.get(body["uid"], {}).get("secureJsonFields", {})
            fields = {**known, **dict.fromkeys(body.pop("secureJsonData"), True)}
            self.sources[body["uid"]] = {"id": 1, "isDefault": False, **body, "secureJsonFields": fields}
        elif path == "/api/folders":
            self.folders[body["uid"]] = {"title": body["title"]}
            self.permissions[body["uid"]] = [
                {"userId": 3, "permission": 4},
                {"role": "Editor", "permission": 2},
                {"role": "Viewer", "permission": 1},
            ]
        elif path.startswith("/api/folders") and method == "DELETE":
            del self.folders[uid]
        elif path.endswith("/permissions"):
            self.permissions[path.split("/")[3]] = body["items"]
        elif path == "/api/dashboards/db":
            self.save(body["dashboard"], body["folderUid"], body["message"])
        else:
            del self.dashboards[uid]
        return {}

    def save(self, dashboard, folder, message):
        found = self.dashboards.setdefault(dashboard["uid"], {"versions": []})
        found["versions"].append(message if found["versions"] else "Initial save")
        # As a newer one may rewrite what it is given.
        found.update(folder=folder, json={**dashboard, "schemaVersion": 99})


def handler(grafana):
    class Handler(BaseHTTPRequestHandler):
        def answer(self):
            parts = urlsplit(self.path)
            status, found = 200, None
            grafana.asked += 1
            if self.headers["Authorization"] not in grafana.logins:
                status, found = 401, {"message": "Unauthorized"}
            elif self.command == "GET":
                found = grafana.get(parts.path, parse_qs(parts.query))
                status = 404 if found is None else 200
            else:
                length = int(self.headers.get("Content-Length") or 0)
                found = grafana.take(self.command, parts.path, json.loads(self.rfile.read(length) or "null"))
            body = json.dumps(found).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_DELETE = answer

        def log_message(self, *_args):
            pass

    return Handler


@pytest.fixture
def grafana():
    return Grafana()


@pytest.fixture
def run(grafana, capsys):
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler(grafana))
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def run(**arguments):
        arguments = {"url": f"http://127.0.0.1:{server.server_port}", "token": "glsa_token", **arguments}
        with patch_module_args(arguments), pytest.raises(SystemExit):
            grafana_content.main()
        return json.loads(capsys.readouterr().out)

    yield run
    server.shutdown()
    server.server_close()


def test_everything_is_made_and_then_left_alone(grafana, run):
    made = run(data_sources=[SOURCE], folders=[PEOPLE])
    assert made["changes"] == [
        "data source claude-prometheus",
        "folder claude-code-people",
        "permissions of folder claude-code-people",
        "dashboard claude-code-cost",
    ]
    assert grafana.sources["claude-prometheus"]["url"] == "http://store:9090"
    assert grafana.dashboards["claude-code-cost"]["folder"] == "claude-code-people"
    grafana.sent.clear()
    again = run(data_sources=[SOURCE], folders=[PEOPLE])
    assert (again["changed"], again["changes"], grafana.sent) == (False, [], [])


def test_check_mode_says_the_same_and_sends_nothing(grafana, run):
    said = run(data_sources=[SOURCE], folders=[PEOPLE], _ansible_check_mode=True)
    assert grafana.sent == []
    made = run(data_sources=[SOURCE], folders=[PEOPLE])
    assert said["changes"] == made["changes"]
    gone = {"data_sources": [SOURCE], "folders": [PEOPLE], "state": "absent"}
    said = run(**gone, _ansible_check_mode=True)
    assert said["changes"] == run(**gone)["changes"]


def test_a_folder_that_is_already_hidden_takes_two_requests(grafana, run):
    folder = {"uid": "claude-code-people", "title": "People", "roles": ["Editor"]}
    run(folders=[folder])
    grafana.asked = 0
    assert run(folders=[folder])["changed"] is False
    # Whether it is there, and who sees it.
    assert grafana.asked == 2


def test_viewers_are_shut_out_and_others_keep_what_they_were_given(grafana, run):
    run(folders=[PEOPLE])
    assert grafana.permissions["claude-code-people"] == [
        {"userId": 3, "permission": 4},
        {"role": "Editor", "permission": 2},
    ]
    shown = run(folders=[{**PEOPLE, "roles": ["Viewer", "Editor"]}])
    assert json.loads(shown["diff"][0]["after"]) == {"Editor": "Edit", "Viewer": "View"}
    run(folders=[{**PEOPLE, "roles": []}])
    assert grafana.permissions["claude-code-people"] == [{"userId": 3, "permission": 4}]


def test_a_folder_is_hidden_before_a_dashboard_is_in_it(grafana, run):
    run(folders=[PEOPLE])
    paths = [path for _method, path, _body in grafana.sent]
    assert paths.index("/api/folders/claude-code-people/permissions") < paths.index("/api/dashboards/db")


def test_it_waits_for_a_folder_that_grafana_makes_itself(grafana, run):
    def appear():
        grafana.take("POST", "/api/folders", {"uid": "claude-code-people", "title": "Claude Code people"})
        grafana.sent.clear()

    timer = threading.Timer(0.3, appear)
    timer.start()
    run(folders=[{"uid": "claude-code-people", "title": "People", "roles": ["Editor"]}], wait=30)
    assert [path for _method, path, _body in grafana.sent] == ["/api/folders/claude-code-people/permissions"]


def test_a_changed_dashboard_is_replaced_whoever_changed_it(grafana, run):
    run(folders=[PEOPLE])
    grafana.save({**DASHBOARD, "title": "Mine"}, "claude-code-people", "I like it better")
    changed = run(folders=[PEOPLE])
    assert changed["changes"] == ["dashboard claude-code-cost"]
    assert '"title": "Mine"' in changed["diff"][0]["before"]
    assert grafana.dashboards["claude-code-cost"]["json"]["title"] == "Cost"
    newer = {**PEOPLE, "dashboards": [{**DASHBOARD, "title": "Costs"}]}
    assert run(folders=[newer])["changes"] == ["dashboard claude-code-cost"]


def test_a_moved_dashboard_comes_back(grafana, run):
    run(folders=[PEOPLE])
    grafana.dashboards["claude-code-cost"]["folder"] = "elsewhere"
    run(folders=[PEOPLE])
    assert grafana.dashboards["claude-code-cost"]["folder"] == "claude-code-people"


def test_only_what_was_made_here_and_not_changed_is_deleted(grafana, run):
    old = [{**DASHBOARD, "uid": uid} for uid in ("claude-code-old", "claude-code-edited")]
    run(folders=[{**PEOPLE, "dashboards": [DASHBOARD, *old]}])
    grafana.save(old[1], "claude-code-people", "mine now")
    grafana.save({"uid": "theirs"}, "claude-code-people", "")
    assert run(folders=[PEOPLE])["changes"] == ["dashboard claude-code-old"]
    assert set(grafana.dashboards) == {"claude-code-cost", "claude-code-edited", "theirs"}


def test_absent_leaves_what_is_somebody_elses(grafana, run):
    run(data_sources=[SOURCE], folders=[PEOPLE])
    grafana.sources["theirs"] = {"uid": "theirs", "name": "theirs", "jsonData": {}}
    grafana.save({"uid": "theirs"}, "claude-code-people", "")
    sources = [SOURCE, {"uid": "theirs"}]
    assert run(data_sources=sources, folders=[PEOPLE], state="absent")["changes"] == [
        "dashboard claude-code-cost",
        "data source claude-prometheus",
    ]
    assert (list(grafana.sources), list(grafana.folders)) == (["theirs"], ["claude-code-people"])
    del grafana.dashboards["theirs"]
    assert run(folders=[PEOPLE], state="absent")["changes"] == ["folder claude-code-people"]


def test_settings_of_others_in_a_data_source_stay(grafana, run):
    run(data_sources=[SOURCE])
    grafana.sources["claude-prometheus"]["jsonData"]["customQueryParameters"] = "a=b"
    assert run(data_sources=[SOURCE])["changed"] is False
    run(data_sources=[{**SOURCE, "url": "http://other:9090"}])
    source = grafana.sources["claude-prometheus"]
    assert (source["url"], source["jsonData"]["customQueryParameters"]) == ("http://other:9090", "a=b")


def test_secrets_are_sent_when_they_must_be_and_shown_never(grafana, run):
    wanted = {"data_sources": [SOURCE], "secrets": {"claude-prometheus.basicAuthPassword": "very-secret"}}
    made = run(**wanted)
    assert "very-secret" not in json.dumps({**made, "invocation": None})
    assert '"basicAuthPassword"' in made["diff"][0]["after"]
    assert grafana.sources["claude-prometheus"]["secureJsonFields"] == {"basicAuthPassword": True}
    assert run(**wanted)["changed"] is False
    assert run(**wanted, renew_secrets=True)["changed"] is True
    grafana.sources["claude-prometheus"]["secureJsonFields"] = {}
    assert run(**wanted)["changed"] is True


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"token": "wrong"}, r"HTTP 401: .*grafana_token, else grafana_admin_user and grafana_admin_password"),
        ({"url": "grafana:3000"}, r"url is 'grafana:3000'; write http://host:port .*grafana_external_url"),
        ({"url": "http://127.0.0.1:1"}, r"Grafana at http://127.0.0.1:1: not reachable: Connection refused"),
    ],
)
def test_what_is_wrong_is_named(run, arguments, message):
    failed = run(folders=[PEOPLE], **arguments)
    assert failed["failed"] and re.search(message, failed["msg"])


def test_a_name_and_a_password_do_as_well(grafana, run):
    assert run(token=None, username="boss", password="pass-word", folders=[PEOPLE])["changed"] is True


def test_the_well_known_password_does_not_blot_out_the_message(run):
    failed = run(token=None, username="admin", password="admin", folders=[PEOPLE])
    assert "grafana_admin_password" in failed["msg"]


def test_what_a_provisioning_file_holds_is_refused(grafana, run):
    grafana.sources["claude-prometheus"] = {**SOURCE, "readOnly": True}
    assert "grafana_prometheus_url" in run(data_sources=[SOURCE])["msg"]
    run(folders=[PEOPLE])
    grafana.dashboards["claude-code-cost"].update(provisioned=True, folder="elsewhere")
    assert "provisioning file" in run(folders=[PEOPLE])["msg"]
