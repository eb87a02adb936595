"""Servers in processes of their own, so that their work is not counted as that of who is measured.

- `ingestion`: takes what the exporter sends and counts it.
- `insights`: the local Application Insights.
- `judge` and `misbehaving_judge`: see `judges`.
- `model`: the stand-in.
- `stream`: one streamed chat completion of 500 chunks, again and again.
"""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

from judges import Judge, Misbehaving
from measuring import clean_environment

CHUNKS = 500


@contextmanager
def server(role: str) -> Iterator[int]:
    """Run a server, within; yield its port."""
    process = subprocess.Popen(
        [sys.executable, __file__, role],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=clean_environment(),
    )
    with process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.kill()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def reply(self, body: bytes, kind: str = "application/json") -> None:
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers["content-length"]))

    def log_message(self, *_: object) -> None:
        pass


class _Ingestion(_Handler):
    """`POST /v2.1/track` as everywhere; `GET` tells what came since the last one."""

    bodies: ClassVar[list[bytes]] = []
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        self.bodies.append(self.body())
        self.reply(b'{"itemsReceived":1,"itemsAccepted":1,"errors":[]}')

    def do_GET(self) -> None:
        taken, _Ingestion.bodies = _Ingestion.bodies, []
        if self.path == "/forget":
            self.reply(b"{}")
            return
        plain = [gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body for body in taken]
        items = [item for body in plain for item in json.loads(body)]
        told = {
            "bytes": sum(map(len, taken)),
            "plain_bytes": sum(map(len, plain)),
            "items": Counter(item["data"]["baseType"] for item in items),
        }
        self.reply(json.dumps(told).encode())


def _streamed(*, with_usage: bool) -> bytes:
    """Return the body of a streamed answer, each event in an HTTP chunk of its own, as providers send them."""
    base: dict[str, Any] = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o"}
    deltas = [{"role": "assistant", "content": ""}, *({"content": " word"} for _ in range(CHUNKS - 2)), {}]
    choices = [[{"index": 0, "delta": delta, "finish_reason": None if delta else "stop"}] for delta in deltas]
    chunks: list[dict[str, Any]] = [{**base, "choices": choice} for choice in choices]
    if with_usage:
        usage = {"prompt_tokens": 10, "completion_tokens": CHUNKS, "total_tokens": CHUNKS + 10}
        chunks = [*({**chunk, "usage": None} for chunk in chunks), {**base, "choices": [], "usage": usage}]
    events = [b"data: " + json.dumps(chunk, separators=(",", ":")).encode() + b"\n\n" for chunk in chunks]
    return b"".join(b"%x\r\n%b\r\n" % (len(event), event) for event in [*events, b"data: [DONE]\n\n", b""])


class _Stream(_Handler):
    streams: ClassVar[dict[bool, bytes]] = {asked: _streamed(with_usage=asked) for asked in (False, True)}

    def do_POST(self) -> None:
        options = json.loads(self.body()).get("stream_options") or {}
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        self.wfile.write(self.streams[options.get("include_usage", False)])


def _serve(handler: type[BaseHTTPRequestHandler]) -> None:
    listening = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    _say(listening.server_address[1])
    listening.serve_forever()


def _insights() -> None:
    from pf_monitor.insights.server import running

    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as port:
        _say(port)
        sys.stdin.read()


def _model() -> None:
    from pf_monitor.standin import serve_in_thread

    with serve_in_thread() as served:
        _say(served.port)
        sys.stdin.read()


def _say(port: int) -> None:
    print(port, flush=True)  # noqa: T201 - the parent reads it


_ROLES: dict[str, Callable[[], None]] = {
    "ingestion": lambda: _serve(_Ingestion),
    "insights": _insights,
    "judge": lambda: _serve(Judge),
    "misbehaving_judge": lambda: _serve(Misbehaving),
    "model": _model,
    "stream": lambda: _serve(_Stream),
}

if __name__ == "__main__":
    _ROLES[sys.argv[1]]()
