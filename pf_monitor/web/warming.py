"""Asking each page once when a server has started, so that nobody has to wait for its queries and for the disk."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import httpx

from pf_monitor.web.pages import pages

_ANY_OPERATION = "0" * 32
_TIMEOUT = 60.0
_LAST = "7d"
"""Which part of the store's columns is in memory then."""


@contextmanager
def warming(address: str, token: str | None = None) -> Iterator[None]:
    """Ask a server's pages, within; the server may start later than this.

    It takes a thread of its own some seconds: one or two to have the queries translated, and one for each million spans
    of the last week. A page that fails is left alone: it says so itself when it is asked.

    Args:
        address: Where the server is, such as `http://127.0.0.1:4319`.
        token: What it asks for, if it does.
    """
    done = threading.Event()
    thread = threading.Thread(target=_ask, args=(address, token, done), name="pf-monitor-warming", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join(timeout=1)


def _ask(address: str, token: str | None, done: threading.Event) -> None:
    ranged = f"?last={_LAST}"
    paths = [page.path.format(operation_id=_ANY_OPERATION) + (ranged if page.has_range else "") for page in pages(None)]
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=address, headers=headers, trust_env=False, timeout=_TIMEOUT) as client:
        for path in (*paths, f"/choices.json{ranged}"):
            if done.is_set():
                return
            with suppress(httpx.HTTPError):
                client.get(path)
