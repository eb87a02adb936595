"""A fault injector on loopback, between the exporter and the local Application Insights, driven by a seed.

Each request that arrives gets the next fault. The injector writes down what it knows and the other side cannot: which
items it has passed on, and whether it said so.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import random
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PATH = "/v2.1/track"
MOVED = "/moved/v2.1/track"

RETRYABLE = (401, 402, 403, 404, 408, 429, 439, 500, 502, 503, 504)
REFUSALS = (400,)
NO_ANSWERS = (b"", b"{", b"null", b"[]", b"<html>All is well</html>", b'{"itemsReceived":1}', b'{"itemsAccepted":"x"}')


@dataclass
class Ledger:
    """What the injector knows of each item, by what `item_id` says of it.

    Attributes:
        told_refused: Items that the other side was told are refused for good.
        untold: Items that were passed on, or may have been, without a clear answer: they may arrive once more.
        faults: How often each fault was injected.
        strayed: Requests that came to where no redirect may lead.
    """

    told_refused: set[str] = field(default_factory=set)
    untold: set[str] = field(default_factory=set)
    faults: Counter[str] = field(default_factory=Counter)
    strayed: int = 0


def item_id(item: dict[str, Any]) -> str:
    """Return what makes an item known again: the id of its row."""
    data = item["data"]["baseData"]
    return str(data.get("id") or json.dumps(data, sort_keys=True))


class Injector(ThreadingHTTPServer):
    """The server.

    Args:
        store_port: Where the local Application Insights listens.
        seed: Which faults come, in which order.
        slow_s: How long it keeps the other side waiting when it is slow, in seconds.
        only: The faults to choose from; all unless given.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, store_port: int, seed: int, slow_s: float, only: Sequence[str] | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.store_port = store_port
        self.slow_s = slow_s
        self.order = random.Random(seed)
        self.random = random.Random(seed)
        self.ledger = Ledger()
        self.lock = threading.Lock()
        self.healthy = threading.Event()
        self.ended = threading.Event()
        self.kinds = list(only or FAULTS)
        self.stray_port = 0

    @property
    def faults(self) -> int:
        """Return how many faults were injected."""
        return sum(self.ledger.faults.values())

    def next_fault(self) -> str | None:
        """Return what happens to the next request."""
        if self.healthy.is_set():
            return None
        with self.lock:
            kind = self.order.choice(self.kinds)
            self.ledger.faults[kind] += 1
            return kind

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: connections are cut on purpose."""


@contextlib.contextmanager
def injecting(store_port: int, seed: int, slow_s: float = 0.2, only: Sequence[str] | None = None) -> Iterator[Injector]:
    """Run an injector on a free port, and another server to which none of its redirects may lead."""
    injector = Injector(store_port, seed, slow_s, only)
    stray = _Stray(injector.ledger)
    injector.stray_port = stray.server_address[1]
    for server in (injector, stray):
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield injector
    finally:
        injector.ended.set()
        for server in (injector, stray):
            server.shutdown()
            server.server_close()


class _Stray(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(("127.0.0.1", 0), _StrayHandler)
        self.ledger = ledger


class _StrayHandler(BaseHTTPRequestHandler):
    server: _Stray

    def do_POST(self) -> None:
        self.server.ledger.strayed += 1
        self.send_error(500)

    def log_message(self, *_: Any) -> None:
        pass


class _Handler(BaseHTTPRequestHandler):
    server: Injector
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.items = json.loads(gzip.decompress(body) if self.headers["Content-Encoding"] == "gzip" else body)
        begun = time.monotonic()
        kind = self.server.next_fault()
        try:
            (FAULTS[kind] if kind is not None else _Handler.pass_on)(self)
        finally:
            if time.monotonic() - begun > self.server.slow_s / 2:  # too late, perhaps, for the other side to hear it
                self.untold(self.items)

    def log_message(self, *_: Any) -> None:
        pass

    # What is done with the items.

    def forward(self, items: list[Any]) -> tuple[int, bytes]:
        """Give items to the store, which takes all of them."""
        if not items:
            return 200, b""
        store = HTTPConnection("127.0.0.1", self.server.store_port, timeout=30)
        with contextlib.closing(store):
            store.request("POST", PATH, json.dumps(items), {"Content-Type": "application/json"})
            answer = store.getresponse()
            return answer.status, answer.read()

    def forward_untold(self) -> None:
        """Give items to the store without saying so."""
        self.untold(self.items)
        self.forward(self.items)

    def untold(self, items: list[Any]) -> None:
        with self.server.lock:
            self.server.ledger.untold.update(map(item_id, items))

    def refuse(self, items: list[Any]) -> None:
        with self.server.lock:
            self.server.ledger.told_refused.update(map(item_id, items))

    # What is answered.

    def answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for name, text in headers.items():
            self.send_header(name.replace("_", "-"), text)
        self.end_headers()
        self.wfile.write(body)

    def hang_up(self) -> None:
        self.close_connection = True

    def reset(self) -> None:
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def choose(self, among: Sequence[Any]) -> Any:
        with self.server.lock:
            return self.server.random.choice(among)

    # The faults.

    def pass_on(self) -> None:
        self.answer(*self.forward(self.items))

    def drop_before(self) -> None:
        self.hang_up()

    def drop_after(self) -> None:
        self.forward_untold()
        self.hang_up()

    def reset_before(self) -> None:
        self.reset()

    def reset_after(self) -> None:
        self.forward_untold()
        self.reset()

    def delay(self) -> None:
        self.server.ended.wait(self.server.slow_s / 10)
        self.pass_on()

    def delay_too_long(self) -> None:
        self.forward_untold()
        self.server.ended.wait(self.server.slow_s * 2)
        self.hang_up()

    def slow_drip(self) -> None:
        self.forward_untold()
        with contextlib.suppress(OSError):
            for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}":
                self.connection.sendall(bytes([byte]))
                if self.server.ended.wait(self.server.slow_s / 10):
                    break
        self.hang_up()

    def status(self) -> None:
        body = b'{"itemsReceived":1,"itemsAccepted":0,"errors":[]}'
        self.answer(self.choose(RETRYABLE), body, Retry_After="0")

    def refusal(self) -> None:
        self.refuse(self.items)
        self.answer(self.choose(REFUSALS), b"no")

    def too_large(self) -> None:
        if len(self.items) == 1:
            self.refuse(self.items)
        self.answer(413, b"")

    def partly(self) -> None:
        """Take some, refuse some, and say so rightly."""
        self._take_some((200, 200, 200, 500, 429, 439, 400))

    def partly_later(self) -> None:
        """Take some, want the others later, and say so rightly."""
        self._take_some((200, 200, 200, 500, 429, 439))

    def _take_some(self, among: Sequence[int]) -> None:
        codes = [self.choose(among) for _ in self.items]
        taken = [item for item, code in zip(self.items, codes, strict=True) if code == 200]
        self.refuse([item for item, code in zip(self.items, codes, strict=True) if code in REFUSALS])
        self.forward(taken)
        errors = [
            {"index": index, "statusCode": code, "message": "no"} for index, code in enumerate(codes) if code != 200
        ]
        self.answer(206 if errors else 200, self._told(len(taken), errors))

    def partly_wrong(self) -> None:
        """Take all, and name items that are none, some twice, or too few."""
        self.forward_untold()
        number = len(self.items)
        one = {"index": 0, "statusCode": 500, "message": "no"}
        accepted, errors = self.choose(
            [
                (number - 1, [{**one, "index": number}]),
                (number - 1, [{**one, "index": -1}]),
                (number - 1, [{**one, "index": "0"}]),
                (number - 1, []),
                (number - 2, [one, one]),
                (number + 1, []),
            ]
        )
        self.answer(206, self._told(accepted, errors))

    def _told(self, accepted: int, errors: list[Any]) -> bytes:
        return json.dumps({"itemsReceived": len(self.items), "itemsAccepted": accepted, "errors": errors}).encode()

    def no_json(self) -> None:
        self.forward_untold()
        self.answer(200, self.choose(NO_ANSWERS))

    def cut_short(self) -> None:
        """Announce more than is sent."""
        self.forward_untold()
        self.connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{"itemsReceived":')
        self.hang_up()

    def redirect(self) -> None:
        self.answer(
            self.choose((301, 302, 307, 308)), b"", Location=f"http://127.0.0.1:{self.server.server_address[1]}{MOVED}"
        )

    def redirect_astray(self) -> None:
        self.answer(307, b"", Location=f"http://localhost:{self.server.stray_port}{PATH}")


FAULTS: dict[str, Callable[[_Handler], None]] = {
    function.__name__: function
    for function in (
        _Handler.pass_on,
        _Handler.drop_before,
        _Handler.drop_after,
        _Handler.reset_before,
        _Handler.reset_after,
        _Handler.delay,
        _Handler.delay_too_long,
        _Handler.slow_drip,
        _Handler.status,
        _Handler.refusal,
        _Handler.too_large,
        _Handler.partly,
        _Handler.partly_later,
        _Handler.partly_wrong,
        _Handler.no_json,
        _Handler.cut_short,
        _Handler.redirect,
        _Handler.redirect_astray,
    )
}
"""What may happen to a request, `pass_on` being that nothing does."""

CLEAR = (
    "pass_on",
    "drop_before",
    "reset_before",
    "delay",
    "status",
    "partly_later",
    "redirect",
    "redirect_astray",
)
"""Those after which the sender can know what has arrived, and that refuse nothing for good."""

SLOW = ("delay_too_long", "slow_drip")
"""Those that keep the sender waiting until it gives up."""

REDIRECTS = ("redirect", "redirect_astray")
"""Those that send the sender elsewhere. The exporter by itself follows wherever they lead, and does not come back."""

QUICK = tuple(kind for kind in FAULTS if kind not in SLOW)
"""All others."""
