"""Asking each page once when a server has started, so that nobody has to wait for its queries and for the disk."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

import httpx

from pf_monitor.web.background import PRIORITY
from pf_monitor.web.pages import pages

_ANY_OPERATION: Final = "0" * 32
_LATEST: Final = tuple(
    f"{table} | top 1 by timestamp desc | project operation_Id" for table in ("requests", "exceptions")
)
"""A trace with errors reads what another does not."""
_TIMEOUT: Final = 60.0
_RANGE: Final = "?last=7d"
"""Which part of the store's columns is in memory then."""


@contextmanager
def warming(address: str, token: str | None = None) -> Iterator[None]:
    """Ask a server's pages, within; the server may start later than this.

    It takes a thread of its own some seconds: one or two to have the queries translated, and one for each million spans
    of the last week. While somebody waits for a page, it waits too. A page that fails is left alone: it says so itself
    when it is asked.

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
    headers = PRIORITY if token is None else {**PRIORITY, "Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=address, headers=headers, trust_env=False, timeout=_TIMEOUT) as client:
        for path in _paths(client):
            if done.is_set():
                return
            with suppress(httpx.HTTPError):
                client.get(path)


def _paths(client: httpx.Client) -> Iterator[str]:
    """Yield every page's address: first what takes least, two traces, then the pages as the navigation has them."""
    for operation in dict.fromkeys(_operation(client, query) for query in _LATEST):
        yield f"/requests/{operation}"
    for page in pages(None):
        if "{" not in page.path:
            yield page.path + (_RANGE if page.has_range else "")
    yield f"/choices.json{_RANGE}"


def _operation(client: httpx.Client, query: str) -> str:
    with suppress(httpx.HTTPError, ValueError, LookupError, TypeError):
        answer = client.post("/v1/apps/local/query", json={"query": query})
        return str(answer.json()["tables"][0]["rows"][0][0])
    return _ANY_OPERATION
