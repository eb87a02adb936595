"""What the server asks itself, which waits while people do."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final, Protocol

from starlette.requests import Request

from pf_monitor.insights import QueryStoppedError, Timespan
from pf_monitor.table import Table
from pf_monitor.web.page import Source

PRIORITY: Final = {"Priority": "u=7"}
"""The header of a request that nobody waits for: RFC 9218 calls its urgency that of background tasks."""

_LONGEST_WAIT: Final = 30.0
"""Seconds; a page that is asked again and again does not keep the others cold for ever."""


class StoppableSource(Protocol):
    """A source whose queries can be stopped."""

    def query(self, kql: str, timespan: Timespan | None = None, *, stop: threading.Event | None = None) -> Table:
        """Run a query; see `Source`.

        Raises:
            QueryStoppedError: If `stop` was set before it was answered.
        """


class Background:
    """Asks one thing at a time, and none while somebody waits for a page; used from any thread.

    What is being asked when somebody comes is stopped, and asked again after that: it would have the processor.

    Args:
        source: What answers.
    """

    def __init__(self, source: StoppableSource) -> None:
        self._source = source
        self._waiting = 0
        self._nobody_waits = threading.Condition()
        self._one = threading.Lock()
        self._stop = threading.Event()

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
            self._stop.set()
        try:
            yield
        finally:
            with self._nobody_waits:
                self._waiting -= 1
                self._nobody_waits.notify_all()

    def query(self, kql: str, timespan: Timespan | None = None) -> Table:
        """Run a query while nobody waits; see `Source`."""
        patient_until = time.monotonic() + _LONGEST_WAIT
        with self._one:
            while (left := patient_until - time.monotonic()) > 0:
                with self._nobody_waits:
                    self._nobody_waits.wait_for(lambda: not self._waiting, left)
                    self._stop = threading.Event()
                with suppress(QueryStoppedError):
                    return self._source.query(kql, timespan, stop=self._stop)
            return self._source.query(kql, timespan)
