"""What goes over the wire, read along on its way to a real local Application Insights."""

from __future__ import annotations

import gzip
import http.server
import threading
import zlib
from typing import Any

import httpx
from local_rows import ask

from pf_monitor import runtime


class Wire:
    """What went over the wire, and the Application Insights at its other end.

    Attributes:
        port: Where the monitor sends to.
        bodies: What it has sent, as it is after decompression.
    """

    def __init__(self, insights: int) -> None:
        self.bodies: list[bytes] = []
        wire = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                wire.bodies += [str(self.headers).encode(), expanded(body)]
                headers = {
                    name: self.headers[name] for name in ("Content-Type", "Content-Encoding") if name in self.headers
                }
                answer = httpx.post(
                    f"http://127.0.0.1:{insights}{self.path}", content=body, headers=headers, timeout=30
                )
                self.send_response(answer.status_code)
                self.send_header("Content-Length", str(len(answer.content)))
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(answer.content)

            def log_message(self, *_: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        self._insights = insights
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def rows(self, query: str) -> list[dict[str, Any]]:
        """Return the rows of a KQL query, once all that was recorded has arrived."""
        assert runtime.flush(60)
        return ask(self._insights, query)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def expanded(body: bytes) -> bytes:
    """Return what a body holds that may be compressed."""
    for expand in (gzip.decompress, zlib.decompress):
        try:
            return expand(body)
        except (OSError, EOFError, zlib.error):
            continue
    return body
