# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import contextlib
import json
import socket
import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.testing import patch_module_args
from ansible_collections.claude_code.observability.plugins.modules import loki_query, prometheus_query

VECTOR = {"resultType": "vector", "result": [{"metric": {"team": "a"}, "value": [1700000000, "1.5"]}]}
STREAMS = {
    "resultType": "streams",
    "result": [
        {"stream": {"n": "1"}, "values": [["1700000000000000001", "old"]]},
        {"stream": {"n": "2"}, "values": [["1700000001000000000", "new"]]},
    ],
}


class Store:
    """Answers every request with what the test wants, and keeps what it was asked."""

    def __init__(self):
        self.asked = []
        self.status = 200
        self.headers = {}
        self.rules = []
        self.data = VECTOR
        self.body = None
        self.hang = threading.Event()
        self.hang.set()

    def answer(self, path):
        if self.body is not None:
            return self.body
        data = {"groups": [{"rules": self.rules}]} if path.endswith("/rules") else self.data
        return json.dumps({"status": "success", "data": data})


def handler(store):
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            text = self.rfile.read(int(self.headers["Content-Length"])).decode()
            self.reply({name: values[0] for name, values in parse_qs(text).items()})

        def do_GET(self):
            self.reply({name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()})

        def reply(self, parameters):
            path = urlsplit(self.path).path
            store.asked.append((path, parameters, dict(self.headers)))
            store.hang.wait(30)
            body = store.answer(path).encode()
            with contextlib.suppress(OSError):
                self.send_response(store.status)
                for name, value in store.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, *_args):
            pass

    return Handler


@contextlib.contextmanager
def serving(store, context=None):
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler(store))
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"{'https' if context else 'http'}://127.0.0.1:{server.server_port}"
    finally:
        store.hang.set()
        server.shutdown()
        server.server_close()


@pytest.fixture
def store():
    return Store()


@pytest.fixture
def url(store):
    with serving(store) as address:
        yield address


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """A CA, and certificates of a server and of a client that it signed."""
    folder = tmp_path_factory.mktemp("certificates")

    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    new = ["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    # From Python 3.13 on a chain must keep to RFC 5280.
    usage = ["-addext", "keyUsage=critical,keyCertSign"]
    openssl(*new, "-x509", "-days", "2", "-subj", "/CN=Test CA", *usage, "-keyout", "ca.key", "-out", "ca.pem")
    for name, extension in (("server", "subjectAltName=IP:127.0.0.1"), ("client", "extendedKeyUsage=clientAuth")):
        (folder / "extension").write_text(f"{extension}\nauthorityKeyIdentifier=keyid\n")
        openssl(*new, "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        openssl(
            *["x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"],
            *["-days", "2", "-extfile", "extension", "-out", f"{name}.pem"],
        )
    return folder


def tls(certificates, client=False):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / "server.pem", certificates / "server.key")
    if client:
        context.load_verify_locations(certificates / "ca.pem")
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def run(module, capsys, **arguments):
    with patch_module_args(arguments), pytest.raises(SystemExit):
        module.main()
    return json.loads(capsys.readouterr().out)


@pytest.fixture
def warnings(monkeypatch):
    said = []
    monkeypatch.setattr(AnsibleModule, "warn", lambda _module, text: said.append(text))
    return said


@pytest.fixture
def ask(capsys, url):
    return lambda **arguments: run(prometheus_query, capsys, **{"url": url, **arguments})


@pytest.fixture
def ask_loki(capsys, url):
    return lambda **arguments: run(loki_query, capsys, **{"url": url, **arguments})


def test_an_instant_query(ask, store):
    answer = ask(query="up", end="2023-11-14T22:13:20Z")
    assert answer["rows"] == [{"labels": {"team": "a"}, "time": "2023-11-14T22:13:20Z", "value": 1.5}]
    assert (answer["query"], answer["raw"], answer["changed"]) == ("up", VECTOR, False)
    path, parameters, _headers = store.asked[0]
    assert path == "/api/v1/query"
    assert parameters == {"query": "up", "time": "1700000000.000", "limit": "10001", "timeout": "30s"}


def test_check_mode_asks_too(ask, store):
    assert ask(query="up", _ansible_check_mode=True)["rows"]
    assert len(store.asked) == 1


def test_a_range_query_gives_a_row_for_each_step(ask, store):
    store.data = {
        "resultType": "matrix",
        "result": [{"metric": {"team": "a"}, "values": [[1700000000, "1"], [1700000060.5, "NaN"]]}],
    }
    answer = ask(query="up", start="1700000000", end="2023-11-14T22:15:20+00:00", step="1m", format="table")
    assert [(row["time"], row["value"]) for row in answer["rows"]] == [
        ("2023-11-14T22:13:20Z", 1),
        ("2023-11-14T22:14:20.500Z", "NaN"),
    ]
    assert answer["table"] == [
        "TEAM  TIME                      VALUE",
        "a     2023-11-14T22:13:20Z      1",
        "a     2023-11-14T22:14:20.500Z  NaN",
    ]
    path, parameters, _headers = store.asked[0]
    assert path == "/api/v1/query_range"
    assert (parameters["start"], parameters["end"], parameters["step"]) == ("1700000000.000", "1700000120.000", "60s")


@pytest.mark.parametrize(
    ("arguments", "header"),
    [
        ({"username": "ada", "password": "s3:cret"}, "Basic " + base64.b64encode(b"ada:s3:cret").decode()),
        ({"token": "t0ken"}, "Bearer t0ken"),
        ({"headers": {"Authorization": "Other x"}}, "Other x"),
    ],
)
def test_credentials(ask, store, arguments, header):
    answer = ask(query="up", **arguments)
    assert store.asked[0][2]["Authorization"] == header
    assert "s3:cret" not in json.dumps(answer)
    assert "t0ken" not in json.dumps(answer)


def test_a_password_in_the_url_is_used_and_not_shown(ask, store, url):
    store.status = 401
    answer = ask(url=url.replace("//", "//ada:s3cret@"), query="up")
    assert "s3cret" not in json.dumps(answer)


def test_a_path_prefix_and_headers(ask, store, url):
    ask(url=f"{url}/prefix/", query="up", headers={"X-Scope-OrgID": "us"})
    assert store.asked[0][0] == "/prefix/api/v1/query"
    assert store.asked[0][2]["X-Scope-Orgid"] == "us"


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (401, "", "HTTP 401 Unauthorized; username and password, token or headers are missing or wrong."),
        (403, "", "HTTP 403 Forbidden; these credentials may not read here."),
        (404, "404 page not found", "HTTP 404 Not Found; url is the address before /api or /loki"),
        (502, "<html><h1>502</h1></html>", "HTTP 502: Bad Gateway"),
        (
            422,
            '{"status": "error", "error": "query processing would load too many samples into memory"}',
            "HTTP 422: query processing would load too many samples into memory\n"
            "(a shorter range, or a sum by fewer labels, reads less)",
        ),
        (
            503,
            '{"status": "error", "errorType": "timeout", "error": "query timed out in expression evaluation"}',
            "HTTP 503: query timed out in expression evaluation\n(timeout is 30 s;",
        ),
        (200, "<html>Log in</html>", "answers, but not as Prometheus does. Is url right?"),
        (200, "[]", "answers, but not as Prometheus does. Is url right?"),
    ],
)
def test_refusals(ask, store, url, status, body, message):
    store.status, store.body = status, body
    answer = ask(query="up")
    assert answer["failed"]
    assert answer["msg"].startswith(f"Prometheus at {url}")
    assert message in answer["msg"]


def test_the_place_in_the_query_is_marked(ask, store):
    store.status = 400
    store.body = json.dumps({"error": 'invalid parameter "query": 2:5: parse error: unexpected character'})
    assert ask(query="sum(\n  a $ b)")["msg"].endswith("parse error: unexpected character\n    a $ b)\n      ^")


def test_the_place_in_a_log_query_is_marked(ask_loki, store):
    store.status, store.body = 400, "parse error at line 1, col 7: syntax error: unexpected }"
    assert ask_loki(query='{a="b"}}')["msg"].endswith('unexpected }\n  {a="b"}}\n        ^')


def test_a_redirect_is_not_followed_with_the_credentials(ask, store):
    store.status, store.headers = 302, {"Location": "https://login.example.com/?state=1"}
    answer = ask(query="up", token="t0ken")
    assert "redirected to https://login.example.com/; write into url where it really is" in answer["msg"]
    assert len(store.asked) == 1


def test_no_answer_in_time(ask, store, url):
    store.hang.clear()
    assert ask(query="up", timeout=1)["msg"] == f"Prometheus at {url}: no answer within 1 s (timeout)"


def test_nothing_listens(capsys):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    answer = run(prometheus_query, capsys, url=f"http://127.0.0.1:{port}", query="up")
    assert answer["msg"] == f"Prometheus at http://127.0.0.1:{port}: not reachable: Connection refused"


@pytest.mark.parametrize("url", ["prometheus:9090", "ftp://prometheus", "http://"])
def test_a_wrong_url(capsys, url):
    answer = run(prometheus_query, capsys, url=url, query="up")
    assert answer["msg"] == f"url is {url!r}; write http://host:port or https://host/path."


def test_tls(capsys, store, certificates):
    with serving(store, tls(certificates)) as address:
        untrusted = run(prometheus_query, capsys, url=address, query="up")
        assert "its TLS certificate is not trusted" in untrusted["msg"]
        assert "(ca_path is not set; the CA's certificate goes there)" in untrusted["msg"]
        assert run(prometheus_query, capsys, url=address, query="up", ca_path=f"{certificates}/ca.pem")["rows"]
        assert run(prometheus_query, capsys, url=address, query="up", validate_certs=False)["rows"]
        missing = run(prometheus_query, capsys, url=address, query="up", ca_path="/nowhere/ca.pem")
        assert "ca_path '/nowhere/ca.pem' cannot be read: No such file or directory" in missing["msg"]
        plain = run(prometheus_query, capsys, url=address.replace("https", "http"), query="up", timeout=5)
        assert "https:// in the URL?" in plain["msg"]


def test_tls_with_a_client_certificate(capsys, store, certificates):
    trust = {"ca_path": f"{certificates}/ca.pem"}
    own = {"client_cert": f"{certificates}/client.pem", "client_key": f"{certificates}/client.key"}
    with serving(store, tls(certificates, client=True)) as address:
        assert run(prometheus_query, capsys, url=address, query="up", **trust, **own)["rows"]
        without = run(prometheus_query, capsys, url=address, query="up", **trust)
        assert without["failed"]
        assert "client_cert" in without["msg"]


def test_tls_where_there_is_none(ask, url):
    answer = ask(url=url.replace("http:", "https:"), query="up")
    assert answer["msg"].endswith("it does not speak TLS; write http:// into the URL")


def test_more_series_than_the_limit_are_an_error(ask, store):
    store.data = {"resultType": "vector", "result": [VECTOR["result"][0]] * 3}
    assert len(ask(query="up", limit=3)["rows"]) == 3
    assert "answers with more than 2 series; sum by fewer labels, or raise limit." in ask(query="up", limit=2)["msg"]


def test_a_total_is_written_and_says_what_it_sums(ask, store):
    answer = ask(total="cost", by=["team"], where={"model": "m"}, range="2h", end="1700000000", format="table")
    assert answer["query"] == 'sum by (team) (sum_over_time(claude_code_cost_usage_USD{model="m"}[7200s]))'
    assert answer["summed"] == {"from": "2023-11-14T20:13:20Z", "to": "2023-11-14T22:13:20Z", "over": "samples"}
    assert answer["table"] == ["TEAM  VALUE", "a     1.5"]


def test_a_long_total_takes_the_days_that_are_recorded(ask, store):
    store.rules = [
        {"name": "developer:claude_code_cost:day", "labels": {"age": age, "zone": "UTC+09:00"}} for age in "01234"
    ]
    answer = ask(total="cost", range="30d", end="2023-11-15T07:13:20+09:00")
    assert answer["summed"] == {
        "from": "2023-10-17T00:00:00+09:00",
        "to": "2023-11-16T00:00:00+09:00",
        "over": "whole days, UTC+09:00",
    }
    assert "team:claude_code_cost:day" in answer["query"]
    assert [path for path, _parameters, _headers in store.asked] == ["/api/v1/rules", "/api/v1/query"]


def test_a_long_total_without_recorded_days(ask, store):
    assert (
        "has no rules that record whole days. source: samples does without them"
        in ask(total="cost", range="30d")["msg"]
    )
    assert ask(total="cost", range="30d", source="samples")["summed"]["over"] == "samples"
    assert ask(total="cost", range="30d", utc_offset="-08:00")["summed"]["over"] == "whole days, UTC-08:00"


def test_a_label_that_nothing_has(ask, warnings):
    ask(total="cost", by=["taem"], range="1h")
    assert warnings == ["by names 'taem', a label that none of the series has."]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"total": "cost"}, "range is missing, such as 30d; start and end name a time of their own."),
        ({"total": "cost", "range": "1 month"}, "range is '1 month'; write a duration such as 30d, 12h or 1h30m."),
        ({"total": "cost", "range": "1h", "end": "noon"}, "end is 'noon'; write a time such as 2026-11-24T09:00:00"),
        ({"total": "cost", "range": "1h", "by": ["a b"]}, "by names 'a b', which is no label"),
        ({"total": "cost", "range": "1h", "where": {"team": []}}, "where gives team an empty list"),
        (
            {"total": "cost", "range": "30d", "source": "days", "by": ["effort"]},
            "The sums of whole days keep no effort",
        ),
        ({"total": "cost", "start": "2026-01-02", "end": "2026-01-01", "source": "samples"}, "start is not before end"),
        ({"total": "cost", "range": "1d", "step": "1s"}, "step is too short for the range"),
        ({"query": "up", "range": "1h"}, "step is missing"),
        ({"query": "up", "step": "1h"}, "step needs a range"),
        ({"query": "up", "total": "cost"}, "parameters are mutually exclusive: query|total"),
        ({}, "one of the following is required: query, total"),
        ({"query": "up", "token": "t0ken", "username": "ada"}, "are both set; a request carries one of them."),
    ],
)
def test_wrong_options(ask, arguments, message):
    answer = ask(**arguments)
    assert answer["failed"]
    assert message in answer["msg"]


def test_log_lines(ask_loki, store, warnings):
    store.data = STREAMS
    answer = ask_loki(query='{a="b"}', range="1h", end="1700000002", format="table")
    assert answer["rows"] == [
        {"labels": {"n": "2"}, "time": "2023-11-14T22:13:21Z", "line": "new"},
        {"labels": {"n": "1"}, "time": "2023-11-14T22:13:20Z", "line": "old"},
    ]
    assert answer["table"][1] == "2  2023-11-14T22:13:21Z  new"
    path, parameters, _headers = store.asked[0]
    assert path == "/loki/api/v1/query_range"
    assert parameters == {
        "query": '{a="b"}',
        "limit": "100",
        "direction": "backward",
        "start": "1699996402000000000",
        "end": "1700000002000000000",
    }
    forward = ask_loki(query='{a="b"}', range="1h", direction="forward", limit=2)
    assert [row["line"] for row in forward["rows"]] == ["old", "new"]
    assert warnings == ["There may be more lines than these 2; limit is 2."]


def test_numbers_from_loki(ask_loki, store):
    store.data = {**VECTOR, "stats": {"summary": {}}}
    answer = ask_loki(query="sum(rate(x))", end="1700000000")
    assert answer["rows"][0]["value"] == 1.5
    assert answer["raw"] == VECTOR
    assert store.asked[0][0] == "/loki/api/v1/query"
    assert store.asked[0][1]["time"] == "1700000000000000000"
