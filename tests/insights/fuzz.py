"""Send very many bad requests to a local Application Insights: `python tests/insights/fuzz.py --requests 1000000`.

They go through the whole server but the sockets, as many at once as queries may run. Every tenth comes from somebody
who has not got the token of a server that asks for one. It tells what was answered and what took longest, and what is
wrong: each status that is a server's fault, each answer that takes too long or that a stranger should not get, and each
file outside the store that is opened.
"""

from __future__ import annotations

import asyncio
import collections
import faulthandler
import heapq
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated
from urllib.parse import unquote

import typer
from starlette.types import ASGIApp, Message

sys.path.insert(0, str(Path(__file__).parent))

from fuzzing import TOKEN, Sent, made, made_by_a_stranger

from pf_monitor.insights import Store
from pf_monitor.insights.access import Access
from pf_monitor.insights.api import create_app
from pf_monitor.insights.store import QUERIES_AT_ONCE
from pf_monitor.web.site import routes

QUERY_S = 5.0
"""How long a query may run here: a few in a million run as long as they may."""

LONGEST_S = 90.0
"""On a busy machine it is noticed late that a query has run too long, and others wait for it."""

ROUND = 10_000
"""Requests to one store; the next begins with an empty one, or else joins of equal items would fill the time."""

STRANGERS = 10
"""One request in so many comes from somebody without the token."""

SLOWEST = 10
"""How many of the slowest requests are told."""

MOST_FOUND = 20
"""Faults after which it stops."""


class FoundError(AssertionError):
    """Something is wrong with how a request was answered."""


class Asked:
    """A server that is asked without sockets, and without a client's own notions of what may be sent."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def status(self, sent: Sent) -> int:
        """Send a request and return the status.

        Raises:
            FoundError: If the server is at fault, or slow.
        """
        path, _, query = sent.path.partition("?")
        headers = {"host": "127.0.0.1:4319", "content-length": str(len(sent.content))} | sent.headers
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": sent.method,
            "scheme": "http",
            "path": unquote(path),
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers.items()],
            "client": (f"10.0.{len(sent.content) % 256}.{len(sent.path)}", 1),
            "server": ("127.0.0.1", 4319),
        }
        messages: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": sent.content, "more_body": False}

        async def send(message: Message) -> None:
            messages.append(message)

        try:
            await asyncio.wait_for(self._app(scope, receive, send), LONGEST_S)
        except TimeoutError:
            raise FoundError(f"no answer within {LONGEST_S:g} s") from None
        status = int(messages[0]["status"])
        if status >= 500:
            raise FoundError(f"HTTP {status}: {b''.join(part.get('body', b'') for part in messages)[:300]!r}")
        return status


async def refused(stranger: Asked, sent: Sent) -> int:
    """Send a request to a server that asks for a token, without it, and return the status.

    Raises:
        FoundError: If that is not one that refuses.
    """
    status = await stranger.status(sent)
    if status not in {401, 403, 429}:
        raise FoundError(f"HTTP {status} for a stranger")
    return status


def asked(store: Store, token: str | None = None) -> Asked:
    """Return a server over a store."""
    return Asked(create_app(store, routes(store), Access(frozenset(), token)))


class Run:
    """Sends the requests of seeds, and keeps what came of them."""

    def __init__(self) -> None:
        self.statuses: collections.Counter[str] = collections.Counter()
        self.slowest: list[tuple[float, int, str]] = []
        self.found = 0
        self.outside: set[str] = set()
        self.places: list[str] = []

    async def round(self, seeds: range) -> None:
        """Send requests to one store."""
        with tempfile.TemporaryDirectory() as name, Store.open(Path(name)) as store:
            self.places.append(name)
            client, stranger = asked(store), asked(store, TOKEN)
            if len(self.places) == 1:  # what is loaded when it is first needed is loaded now
                for early in range(500):
                    await client.status(made(-1 - early))
                    await refused(stranger, made_by_a_stranger(-1 - early))
                _watch(self.places, self.outside)
            left = iter(seeds)
            await asyncio.gather(*(self._send(left, client, stranger) for _ in range(QUERIES_AT_ONCE)))

    async def _send(self, seeds: Iterator[int], client: Asked, stranger: Asked) -> None:
        for seed in seeds:
            is_stranger = seed % STRANGERS == 0
            sent = made_by_a_stranger(seed) if is_stranger else made(seed)
            began = time.monotonic()
            try:
                status = await (refused(stranger, sent) if is_stranger else client.status(sent))
            except Exception as error:  # noqa: BLE001 - whatever it is, it is found
                self._find(f"seed {seed}, {sent}: {error!r}")
                continue
            if self.outside:
                self._find(f"at seed {seed} or just before, {sent}: opened {self.outside}")
                self.outside.clear()
            took = time.monotonic() - began
            heapq.heappush(self.slowest, (took, seed, f"{sent.method} {sent.path} {sent.content[:300]!r}"))
            if len(self.slowest) > SLOWEST:
                heapq.heappop(self.slowest)
            who = "a stranger" if is_stranger else f"{sent.method} {sent.path.partition('?')[0]}"
            self.statuses[f"{who} {status}"] += 1

    def _find(self, what: str) -> None:
        typer.echo(f"FOUND {what}", err=True)
        self.found += 1
        if self.found >= MOST_FOUND:
            raise FoundError(f"{self.found} faults")


async def run(number: int, seed: int) -> Run:
    """Send requests, and return what came of them."""
    done = Run()
    started = time.monotonic()
    for first in range(seed, seed + number, ROUND):
        await done.round(range(first, min(first + ROUND, seed + number)))
        sent = done.statuses.total()
        rate = sent / (time.monotonic() - started)
        typer.echo(f"{sent:,} requests, {rate:,.0f} a second, slowest {max(done.slowest)[0]:.1f} s", err=True)
    return done


def _watch(places: list[str], outside: set[str]) -> None:
    """Note which files are opened outside the store; what Python itself and its packages consist of is not meant."""
    ours = (sys.prefix, sys.base_prefix, str(Path(__file__).parents[2]), "/proc/self", "/dev/null")

    def audit(event: str, arguments: tuple[object, ...]) -> None:
        if event == "open" and isinstance(arguments[0], str | bytes):
            path = os.fsdecode(arguments[0])
            if not path.startswith((*ours, *places)):
                outside.add(path)

    sys.addaudithook(audit)


def main(
    requests: Annotated[int, typer.Option(help="How many.")] = 1_000_000,
    seed: Annotated[int, typer.Option(help="Where to begin.")] = 0,
) -> None:
    """Fuzz ingestion, the query API and the pages."""
    faulthandler.enable()
    assert Store.query.__kwdefaults__ is not None
    Store.query.__kwdefaults__["timeout"] = QUERY_S
    started = time.monotonic()
    done = asyncio.run(run(requests, seed))
    took = time.monotonic() - started
    for what, number in sorted(done.statuses.items()):
        typer.echo(f"{number:>9,}  {what}")
    for seconds, slow, what in sorted(done.slowest, reverse=True):
        typer.echo(f"{seconds:>7.2f} s  seed {slow}: {what}")
    what = f"{done.found} faults, see above" if done.found else f"no crash, no 500, none slower than {LONGEST_S:g} s"
    typer.echo(f"{requests:,} requests in {took:,.0f} s: {what}")
    raise typer.Exit(1 if done.found else 0)


if __name__ == "__main__":
    typer.run(main)
