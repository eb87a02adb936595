"""Exchanges that others recorded with real providers, and a server that answers as the providers did."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

RECORDED = Path(__file__).parents[2].parent / "shared" / "data" / "llm-wire" / "recorded.jsonl"


@dataclass(frozen=True)
class Recorded:
    """One exchange.

    Attributes:
        number: Its line in the file, from 1.
        host: Of the address that was called.
        path: Likewise, with the query.
        request: The body that was sent.
        response: The body that came back, as text.
        is_stream: Whether that is a stream of events.
        usage: What the provider counted, as whoever recorded it read it; None where nothing was found.
    """

    number: int
    host: str
    path: str
    request: dict[str, Any]
    response: str
    is_stream: bool
    usage: dict[str, Any] | None

    @property
    def events(self) -> list[Any]:
        """The events of a stream, or the whole answer as the only one."""
        if not self.is_stream:
            return [json.loads(self.response)]
        lines = (line.removeprefix("data:").strip() for line in self.response.splitlines() if line.startswith("data:"))
        return [json.loads(line) for line in lines if line != "[DONE]"]

    @property
    def status(self) -> int:
        """The HTTP status, which the recording does not tell."""
        return 400 if not self.is_stream and "error" in self.events[0] and self.usage is None else 200


def read_recorded(file: Path) -> list[Recorded]:
    exchanges = []
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        one = json.loads(line)
        host, _, path = one["uri"].removeprefix("https://").partition("#")[0].partition("/")
        is_stream = one["kind"] == "sse"
        exchanges.append(Recorded(number, host, f"/{path}", one["request"], one["response"], is_stream, one["usage"]))
    return exchanges


class Replaying(http.server.ThreadingHTTPServer):
    """Answers each request with what it is told to."""

    daemon_threads = True
    answer: Recorded

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Replaying
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        answer = self.server.answer
        body = answer.response.encode()
        if answer.is_stream:  # the recordings lost the blank line that ends the last event
            body = body.rstrip() + b"\n\n"
        is_meant = self.path.partition("?")[0] == answer.path.partition("?")[0]
        self.send_response(answer.status if is_meant else 404)
        self.send_header("Content-Type", "text/event-stream" if answer.is_stream else "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def recorded_file() -> Path:
    if not RECORDED.is_file():
        pytest.skip("the recorded exchanges are not there: shared/data/llm-wire/recorded.jsonl beside this repository")
    return RECORDED


@pytest.fixture(scope="module")
def recorded(recorded_file: Path) -> list[Recorded]:
    return read_recorded(recorded_file)


@pytest.fixture(scope="module")
def replaying() -> Iterator[Replaying]:
    with Replaying(("127.0.0.1", 0), _Handler) as server:
        serving = threading.Thread(target=server.serve_forever, args=(0.01,))
        serving.start()
        yield server
        server.shutdown()
        serving.join()
