"""A server that has started asks itself each page once."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from pf_monitor.insights.server import running
from pf_monitor.web.site import routes
from pf_monitor.web.warming import warming

OPERATION = "0123456789abcdef0123456789abcdef"
NOBODYS = "0" * 32
FAILED = "f" * 32
LAST = "/choices.json?last=7d"


class Asked:
    """A server that writes down what it is asked for, and knows of one request or none."""

    def __init__(self) -> None:
        self.addresses: list[str] = []
        self.priorities: set[str | None] = set()
        self.latest: dict[str, str] = {}
        self.queries: list[str] = []
        self.all_there = threading.Event()
        asked = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.addresses.append(self.path)
                asked.priorities.add(self.headers["Priority"])
                self.send_error(500)
                if self.path == LAST:
                    asked.all_there.set()

            def do_POST(self) -> None:
                query = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["query"]
                asked.queries.append(query)
                rows = [[operation] for table, operation in asked.latest.items() if query.startswith(table)]
                body = json.dumps({"tables": [{"rows": rows}]}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def asked() -> Iterator[Asked]:
    asked = Asked()
    thread = threading.Thread(target=asked.server.serve_forever)
    thread.start()
    yield asked
    asked.server.shutdown()
    thread.join()
    asked.server.server_close()


def test_every_page_is_asked_and_is_there(asked: Asked, tmp_path: Path) -> None:
    with warming(asked.url):
        assert asked.all_there.wait(60)

    assert asked.priorities == {"u=7"}
    paths = [urlsplit(address).path for address in asked.addresses]
    assert paths == [
        f"/requests/{NOBODYS}",
        *("/", "/tokens", "/quality", "/operations", "/requests", "/alerts", "/logs", "/choices.json"),
    ]
    with running(tmp_path, pages=routes) as port, httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        answers = {address: client.get(address).status_code for address in asked.addresses}
        for query in asked.queries:
            assert client.post("/v1/apps/local/query", json={"query": query}).json()["tables"][0]["rows"] == []
    assert {address: status for address, status in answers.items() if status != 200} == {f"/requests/{NOBODYS}": 404}


def test_the_traces_are_those_of_the_latest_request_and_of_the_latest_that_failed(asked: Asked) -> None:
    asked.latest = {"requests": OPERATION, "exceptions": FAILED}
    with warming(asked.url):
        assert asked.all_there.wait(60)

    assert asked.addresses[:3] == [f"/requests/{OPERATION}", f"/requests/{FAILED}", "/?last=7d"]


def test_it_ends_with_the_server(asked: Asked) -> None:
    asked.server.server_close()
    before = threading.active_count()
    with warming(asked.url):
        pass
    assert threading.active_count() <= before
