"""Send very many bad requests to a local Application Insights: `python tests/insights/fuzz.py --requests 1000000`.

They go through the whole server but the sockets. It tells what was answered, and fails at the first status that is a
server's fault, the first answer that takes too long, and the first file outside the store that is opened.
"""

from __future__ import annotations

import asyncio
import collections
import faulthandler
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import httpx
import typer

sys.path.insert(0, str(Path(__file__).parent))

from fuzzing import Sent, made

from pf_monitor.insights import Store
from pf_monitor.insights.api import create_app
from pf_monitor.web.site import routes

LONGEST_S = 90.0
"""A query may run for 60 s; on a busy machine it is noticed a little later."""

ROUND = 10_000
"""Requests to one store; the next begins with an empty one, or else joins of equal items would fill the time."""


class FoundError(AssertionError):
    """Something is wrong with how a request was answered."""


async def answered(client: httpx.AsyncClient, sent: Sent) -> int:
    """Send a request and return the status.

    Raises:
        FoundError: If the server is at fault, or slow.
    """
    headers = {name: value.encode("latin-1") for name, value in sent.headers.items()}
    try:
        answer = await asyncio.wait_for(
            client.request(sent.method, sent.path, content=sent.content, headers=headers), LONGEST_S
        )
    except TimeoutError:
        raise FoundError(f"no answer within {LONGEST_S:g} s") from None
    if answer.status_code >= 500:
        raise FoundError(f"HTTP {answer.status_code}: {answer.text[:300]}")
    return answer.status_code


async def run(number: int, seed: int) -> collections.Counter[str]:
    """Send requests, and return how often each path was answered with each status."""
    statuses: collections.Counter[str] = collections.Counter()
    outside: set[str] = set()
    places: list[str] = []
    started = time.monotonic()
    for first in range(seed, seed + number, ROUND):
        with tempfile.TemporaryDirectory() as name, Store.open(Path(name)) as store:
            places.append(name)
            transport = httpx.ASGITransport(create_app(store, routes(store)))
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:4319") as client:
                if first == seed:  # what is loaded when it is first needed is loaded now
                    for early in range(500):
                        await answered(client, made(-1 - early))
                    _watch(places, outside)
                for index in range(first, min(first + ROUND, seed + number)):
                    sent = made(index)
                    try:
                        status = await answered(client, sent)
                    except Exception as error:
                        raise FoundError(f"seed {index}, {sent}: {error!r}") from error
                    if outside:
                        raise FoundError(f"seed {index}, {sent}: opened {outside}")
                    statuses[f"{sent.method} {sent.path.partition('?')[0]} {status}"] += 1
        done = statuses.total()
        typer.echo(f"{done:,} requests, {done / (time.monotonic() - started):,.0f} a second", err=True)
    return statuses


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
    started = time.monotonic()
    statuses = asyncio.run(run(requests, seed))
    took = time.monotonic() - started
    for what, number in sorted(statuses.items()):
        typer.echo(f"{number:>9,}  {what}")
    typer.echo(f"{requests:,} requests in {took:,.0f} s: no crash, no 500, none slower than {LONGEST_S:g} s")


if __name__ == "__main__":
    typer.run(main)
