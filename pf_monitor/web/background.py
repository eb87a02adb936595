"""What the server asks itself, which waits while people do."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from starlette.requests import Request

from pf_monitor.insights import Timespan
from pf_monitor.table import Table
from pf_monitor.web.page import Source

PRIORITY: Final = {"Priority": "u=7"}
"""The header of a request that nobody waits for: RFC 9218 calls its urgency that of background tasks."""

_LONGEST_WAIT: Final = 30.0
"""Seconds; a page that is asked again and again does not keep the others cold for ever."""


class Background:
    """Asks one thing at a time, and begins none while somebody waits for a page; used from any thread.

    Args:
        source: What answers.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._waiting = 0
        self._nobody_waits = threading.Condition()
        self._one = threading.Lock()

    @contextmanager
    def source_for(self, request: Request) -> Iterator[Source]:
        """Give what a request's questions are asked, within: this, if it says that nobody waits; else the source."""
        if request.headers.get("Priority") == PRIORITY["Priority"]:
            yield self
        else:
            with self.somebody_waits():
                yield self._source

    @contextmanager
    def somebody_waits(self) -> Iterator[None]:
        """Tell that somebody waits for a page, within."""
        with self._nobody_waits:
            self._waiting += 1
        try:
            yield
        finally:
            with self._nobody_waits:
                self._waiting -= 1
                self._nobody_waits.notify_all()

    def query(self, kql: str, timespan: Timespan | None = None) -> Table:
        """Run a query once nobody waits; see `Source`."""
        with self._one:
            with self._nobody_waits:
                self._nobody_waits.wait_for(lambda: not self._waiting, _LONGEST_WAIT)
            return self._source.query(kql, timespan)
