"""A judge that misbehaves as told: a real HTTP server on loopback, with a bill."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple


class Says(NamedTuple):
    """What the server says to one request.

    Attributes:
        text: The judge's answer; None sends `body` as it is.
        status: The HTTP status.
        delay: Seconds before it.
    """

    text: str | None = '{"reason": "as told", "score": 4, "status": "completed"}'
    status: int = 200
    headers: Mapping[str, str] = {}
    body: bytes = b'{"error": {"message": "as told"}}'
    delay: float = 0.0


Script = Callable[[dict[str, Any], int], Says]


class JudgeDouble:
    """The server while it runs.

    Attributes:
        url: What the judge's `base_url` is.
        asked: The bodies of all requests.
        answered: How many were answered with 200.
        most_at_once: The most requests that were under way together.
    """

    def __init__(self, script: Script) -> None:
        self.script = script
        self.asked: list[dict[str, Any]] = []
        self.answered = 0
        self.statuses: Counter[int] = Counter()
        self.most_at_once = 0
        self._now = 0
        self.lock = threading.Lock()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        double = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                with double.lock:
                    double.asked.append(body)
                    serial = len(double.asked)
                    double._now += 1
                    double.most_at_once = max(double.most_at_once, double._now)
                says = double.script(body, serial)
                time.sleep(says.delay)
                with double.lock:
                    double._now -= 1
                    double.statuses[says.status] += 1
                    double.answered += says.status == 200
                self._send(says)

            def _send(self, says: Says) -> None:
                content = says.body if says.text is None or says.status != 200 else _completion(says.text)
                try:
                    self.send_response(says.status)
                    for name, value in says.headers.items():
                        self.send_header(name, value)
                    self.send_header("content-length", str(len(content)))
                    self.end_headers()
                    self.wfile.write(content)
                except OSError:
                    pass  # the caller has gone

            def log_message(self, *_: object) -> None:
                pass

        return Handler


def _completion(text: str) -> bytes:
    usage = {"prompt_tokens": 1_000, "completion_tokens": 50, "total_tokens": 1_050}
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    return json.dumps({"model": "double", "choices": [choice], "usage": usage}).encode()


@contextmanager
def judge_double(script: Script = lambda *_: Says()) -> Iterator[JudgeDouble]:
    double = JudgeDouble(script)
    thread = threading.Thread(target=double.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield double
    finally:
        double.server.shutdown()
        double.server.server_close()
        thread.join()
