"""The dashboard, served over a store and asked over HTTP as a browser asks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from pf_monitor.insights.server import Pages, running
from pf_monitor.web.site import routes


@contextmanager
def browsing(directory: Path, pages: Pages = routes) -> Iterator[httpx.Client]:
    """Give a client of the dashboard over the store in a directory, within."""
    with (
        running(directory, pages=pages) as port,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=60) as client,
    ):
        yield client
