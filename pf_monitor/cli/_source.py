"""Where the commands get answers from: the running server, the store itself when none runs, or Azure."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from pf_monitor.cli._azure import azure_source
from pf_monitor.cli._local import fail, needs_local_extra
from pf_monitor.local import PORT, default_directory
from pf_monitor.local_server import RefusedError, ServerSource

if TYPE_CHECKING:
    from pf_monitor.azure.source import Target
    from pf_monitor.insights import Store
    from pf_monitor.table import Table


class Source(Protocol):
    """Something that answers KQL."""

    def query(self, kql: str, since: timedelta | None = None) -> Table:
        """Run a query on the telemetry of the time since, or on all of it.

        Raises:
            QueryError: If the query is wrong.
        """


class StoreSource:
    """The store in a directory, opened for reading."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def query(self, kql: str, since: timedelta | None = None) -> Table:
        """See `Source`."""
        from pf_monitor.insights import Timespan

        now = datetime.now(UTC)
        return self._store.query(kql, None if since is None else Timespan(now - since, now))


@contextmanager
def open_source(url: str | None, target: Target | None = None) -> Iterator[Source]:
    """Give what answers queries, within: Azure if asked for; the server at a URL; else the usual server or its store.

    Ends the command with a message if there is none.
    """
    if target is not None:
        with azure_source(target) as azure:
            yield azure
        return
    with needs_local_extra():
        from pf_monitor.insights import Store, StoreError

    with ServerSource.connect(url or f"http://127.0.0.1:{PORT}") as server:
        try:
            is_up = server.is_up()
        except RefusedError as error:
            fail(str(error))
        if is_up:
            yield server
            return
    if url is not None:
        fail(f"No local Application Insights answers at {url}. Start one with: pf-monitor up")
    try:
        store = Store.open(default_directory(), read_only=True)
    except StoreError as error:
        fail(f"No local Application Insights runs on port {PORT}. {error}. Start one with: pf-monitor up")
    with store:
        yield StoreSource(store)
