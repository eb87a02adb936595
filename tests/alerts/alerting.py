"""A store at a time of the test's own, and receivers that really listen on this machine."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from pf_monitor import notices
from pf_monitor.alerts.config import Config
from pf_monitor.alerts.rules import DEFAULTS, Rule
from pf_monitor.alerts.watch import Watch
from pf_monitor.insights import Store
from pf_monitor.insights.ingestion import ingest

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)


class Receiver:
    """A web server that keeps what is posted to it; `status` is what it answers."""

    def __init__(self, port: int, received: list[dict[str, Any]]) -> None:
        self.address = f"json://127.0.0.1:{port}/hunter22"
        self.received = received
        self.attempts = 0
        self.when_told: Callable[[], None] = lambda: None
        """What is done while somebody is told."""
        self.status = 200

    @property
    def titles(self) -> list[str]:
        return [one["title"] for one in self.received]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    received: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            kept.attempts += 1
            kept.when_told()
            if kept.status == 200:
                received.append(body)
            self.send_response(kept.status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        kept = Receiver(server.server_port, received)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield kept
        server.shutdown()
        thread.join()


@contextmanager
def mail_server() -> Iterator[tuple[int, list[str]]]:
    """A mail server that takes everything; give its port and the mails that it took."""
    mails: list[str] = []

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.say("220 ready")
            while line := self.rfile.readline().decode().strip():
                verb = line.split()[0].upper()
                if verb == "DATA":
                    self.say("354 go on")
                    mails.append(self.mail())
                self.say("221 bye" if verb == "QUIT" else "250 ok")
                if verb == "QUIT":
                    return

        def say(self, text: str) -> None:
            self.wfile.write(f"{text}\r\n".encode())

        def mail(self) -> str:
            lines: list[str] = []
            while (line := self.rfile.readline().decode()) != ".\r\n":
                lines.append(line)
            return "".join(lines)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_address[1], mails
        server.shutdown()
        thread.join()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    notices.forget()
    with Store.open(tmp_path) as opened:
        yield opened


def run(at: datetime, *, success: bool = True, seconds: int = 2) -> dict[str, Any]:
    """A flow run."""
    base = {
        "name": "rag",
        "duration": f"00:00:{seconds:02}",
        "success": success,
        "properties": {"pf_monitor.kind": "flow"},
    }
    return {"time": at.isoformat(), "iKey": "k", "data": {"baseType": "RequestData", "baseData": base}}


def judged(at: datetime, metric: str, label: str) -> dict[str, Any]:
    """A score that a judge gave."""
    properties = {"gen_ai.evaluation.name": metric, "gen_ai.evaluation.score.label": label}
    base = {"name": "gen_ai.evaluation.result", "properties": properties}
    return {"time": at.isoformat(), "iKey": "k", "data": {"baseType": "EventData", "baseData": base}}


@pytest.fixture
def add(store: Store) -> Callable[..., None]:
    """Store items."""

    def add(*items: dict[str, Any]) -> None:
        assert ingest(store, json.dumps(items).encode()).status == 200

    return add


@pytest.fixture
def watch(store: Store, receiver: Receiver, tmp_path: Path) -> Callable[..., Watch]:
    """Make a watch over some rules, as `pf-monitor up` does when it starts."""

    def make(*rules: Rule | str, now: datetime = NOON) -> Watch:
        chosen = tuple(DEFAULTS[rule] if isinstance(rule, str) else rule for rule in rules)
        return Watch(Config(chosen, {"team": receiver.address}), store, tmp_path, now)

    return make


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)
