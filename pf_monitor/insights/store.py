"""The store: the tables in one DuckDB file, written by one thread, read by any number.

What is promised: when `append` returns, the rows are on disk (a crash keeps them) and the next query sees them. Queries
never wait for the writer, since DuckDB gives each its own snapshot, and the writer commits what has gathered while it
was busy in one transaction.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Self

import duckdb

from pf_monitor.insights.kql import explain_database_error, visualization
from pf_monitor.insights.layout import LayoutError, prepare
from pf_monitor.insights.operations import located
from pf_monitor.insights.relations import check_relations
from pf_monitor.insights.result import read_result
from pf_monitor.insights.retention import Held, Keeper, Limits, Retention
from pf_monitor.insights.rows import Batch, Row, batches
from pf_monitor.insights.schema import CATALOG
from pf_monitor.insights.templates import KEPT, Translation, translation
from pf_monitor.insights.timespan import Timespan
from pf_monitor.insights.writer import StoreError, Writer
from pf_monitor.table import QueryError, Table

FILE_NAME: Final = "insights.duckdb"

MAX_RESULT_ROWS: Final = 500_000
"""The most rows that a query may return; Azure's own limit."""

QUERY_SECONDS: Final = 60.0
"""How long a query may run, unless its caller says otherwise."""


QUERIES_AT_ONCE: Final = 4
"""Each uses all cores, and they share the database's memory."""

WAIT_SECONDS: Final = 30.0
"""How long a query waits for others to end."""

_BETWEEN_INTERRUPTS: Final = 0.05
"""Seconds; one that comes before a statement has begun is forgotten."""

_BETWEEN_LOOKS: Final = 0.002
"""Seconds between two looks whether a query shall be stopped."""

MOST_SPILLED: Final = 10 * 1024**3
"""Bytes that queries together may write to disk, for what they have no memory for."""


class TooManyQueriesError(QueryError):
    """Others run already; the same query may be answered a little later."""


class QueryStoppedError(QueryError):
    """Whoever asked had the query stopped, and may ask it again."""


class StoreBusyError(StoreError):
    """Another process has the store open."""


class Store:
    """The telemetry of one local Application Insights.

    Open it with `Store.open`; close it, or use it as a context manager. All methods may be called from any thread.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, *, read_only: bool) -> None:
        self._connection = connection
        self._checked: set[str] = set()
        self._turns = threading.BoundedSemaphore(QUERIES_AT_ONCE)
        self._running: set[duckdb.DuckDBPyConnection] = set()
        self._closing = False
        self._writer = None if read_only else Writer(connection)
        self._keeper: Keeper | None = None

    @classmethod
    def open(cls, directory: Path, *, read_only: bool = False, on_upgrade: Callable[[], object] = lambda: None) -> Self:
        """Open the store in a directory, which is made if need be and closed to all but its owner.

        Args:
            directory: The directory.
            read_only: Whether nothing shall be written.
            on_upgrade: Called before the store of an earlier version is brought up to date, which may take a minute.

        Raises:
            StoreBusyError: If another process has it open.
            StoreError: If it cannot be opened for another reason, or there is none and `read_only` is asked for.
        """
        path = directory / FILE_NAME
        if read_only and not path.exists():
            raise StoreError(f"There is no telemetry in {directory}")
        connection = duckdb.connect(config=_CONFIG)
        try:
            if not read_only:
                directory.mkdir(mode=0o700, parents=True, exist_ok=True)
                directory.chmod(0o700)
            _attach(connection, path, read_only=read_only)
            if not read_only:
                path.chmod(0o600)
            prepare(connection, read_only=read_only, on_upgrade=on_upgrade)
        except (LayoutError, duckdb.Error, OSError) as error:
            connection.close()
            if isinstance(error, duckdb.IOException) and "lock" in str(error):
                raise StoreBusyError(f"Another process has the store in {directory} open") from error
            raise StoreError(f"Cannot open the store in {directory}: {error}") from error
        _lock_down(connection)
        return cls(connection, read_only=read_only)

    def append(self, rows: Sequence[Row]) -> Mapping[int, str]:
        """Store rows durably; return the reasons for those that the database refused, by index.

        Raises:
            StoreError: If nothing could be stored, as when the disk is full.
        """
        return self.submit(batches(enumerate(rows))).result()

    def submit(self, batches: Sequence[Batch]) -> Future[Mapping[int, str]]:
        """Like `append`, without waiting for it; the future's reasons are by the rows' places."""
        if self._writer is None:
            raise StoreError("The store is open for reading only")
        return self._writer.submit(batches)

    def query(
        self,
        kql: str,
        timespan: Timespan | None = None,
        *,
        limit: int = MAX_RESULT_ROWS,
        timeout: float = QUERY_SECONDS,
        stop: threading.Event | None = None,
    ) -> Table:
        """Run a KQL query.

        Args:
            kql: The query.
            timespan: If given, the tables hold only the items of this range.
            limit: The most rows that it may return.
            timeout: The most seconds that it may run.
            stop: Stops it once it is set.

        Raises:
            QueryStoppedError: If `stop` was set before it was answered.
            TooManyQueriesError: If as many as may run at once have not made room for it in time.
            QueryError: If the query is wrong, runs too long, needs too much memory or returns too much.
            StoreError: If the store is closed.
        """
        if not self._turns.acquire(timeout=WAIT_SECONDS):
            raise TooManyQueriesError(
                f"{QUERIES_AT_ONCE} other queries run, and none ended within {WAIT_SECONDS:g} s: ask again later"
            )
        try:
            return self._answered(kql, timespan, limit, timeout, stop)
        finally:
            self._turns.release()

    def _answered(
        self, kql: str, timespan: Timespan | None, limit: int, timeout: float, stop: threading.Event | None
    ) -> Table:
        deadline = time.monotonic() + timeout
        try:
            translated = _translated(kql, timespan, by_property=True)
            try:
                result = self._run(translated, limit, deadline, stop)
            except duckdb.Error as error:
                is_about_limits = isinstance(error, duckdb.InterruptException | duckdb.OutOfMemoryException)
                if is_about_limits or not translated.sql.reads_properties:
                    raise
                # What stands around a property in the translated query may take JSON only.
                result = self._run(_translated(kql, timespan, by_property=False), limit, deadline, stop)
        except duckdb.InterruptException as error:
            if self._closing:
                raise StoreError("The store is closed") from error
            if stop is not None and stop.is_set():
                raise QueryStoppedError("The query was stopped") from error
            raise QueryError(
                f"The query ran longer than {timeout:g} s and was stopped: narrow its time range, or summarize earlier"
            ) from error
        except duckdb.OutOfMemoryException as error:
            raise QueryError(
                "The query needs more memory than there is for it: narrow its time range, or summarize earlier"
            ) from error
        except duckdb.Error as error:
            raise explain_database_error(error, kql) from error
        return result._replace(visualization=visualization(kql))

    def _run(self, translated: Translation, limit: int, deadline: float, stop: threading.Event | None) -> Table:
        if self._closing:
            raise StoreError("The store is closed")
        cursor = self._connection.cursor()
        self._running.add(cursor)
        try:
            self._check(cursor, translated.template)
            with _interrupted_at(deadline, stop, cursor):
                cursor.execute("BEGIN TRANSACTION READ ONLY")
                sql = translated.sql
                cursor.execute(sql.text if sql.operation is None else located(cursor, sql.text, sql.operation))
                return read_result(cursor, limit)
        finally:
            self._running.discard(cursor)
            cursor.close()

    def _check(self, cursor: duckdb.DuckDBPyConnection, template: str) -> None:
        if template in self._checked:
            return
        check_relations(cursor, template)
        if len(self._checked) >= KEPT:
            self._checked.clear()
        self._checked.add(template)

    def keep_within(self, limits: Limits) -> None:
        """From now on delete what exceeds the limits, oldest first."""
        if self._writer is not None and self._keeper is None:
            self._keeper = Keeper(Retention(limits), self._writer)

    @property
    def held(self) -> Held | None:
        """What retention has come to; None while nothing is deleted."""
        return None if self._keeper is None else self._keeper.retention.held

    def close(self) -> None:
        """Store what is still under way, end the queries that run, and close the file."""
        self._closing = True
        for _ in range(QUERIES_AT_ONCE):
            while not self._turns.acquire(timeout=_BETWEEN_INTERRUPTS):
                for cursor in tuple(self._running):
                    cursor.interrupt()
        self._turns.release(QUERIES_AT_ONCE)  # who comes now hears that it is closed
        if self._keeper is not None:
            self._keeper.close()
        if self._writer is not None:
            self._writer.close()
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


ROW_GROUP: Final = 30_720
"""Rows that are compressed together: DuckDB's default is four times as many, and has the last ones compressed anew at
each checkpoint until there are as many. That costs ingestion more than the disk it saves (15 %) is worth."""

_CONFIG: Final[dict[str, str | int | float | list[str]]] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "checkpoint_threshold": "512MB",
    "memory_limit": "50%",
    "python_enable_replacements": False,
    # DuckDB's default is a fourth of its own row group, which is nearly all of one here.
    "variant_minimum_shredding_size": ROW_GROUP // 4,
}


def _attach(connection: duckdb.DuckDBPyConnection, path: Path, *, read_only: bool) -> None:
    quoted = str(path).replace("'", "''")
    options = "READ_ONLY" if read_only else f"ROW_GROUP_SIZE {ROW_GROUP}"
    connection.execute(f"ATTACH '{quoted}' AS {CATALOG} ({options})")
    spill = f"{path}.tmp".replace("'", "''")
    connection.execute(f"SET temp_directory = '{spill}'")
    # Half of what is free: what comes in needs room too.
    connection.execute(f"SET max_temp_directory_size = '{min(MOST_SPILLED, _free_bytes(path) // 2)}B'")


def _free_bytes(path: Path) -> int:
    return shutil.disk_usage(path.parent).free


def _translated(kql: str, timespan: Timespan | None, *, by_property: bool) -> Translation:
    try:
        return translation(kql, timespan, by_property=by_property)
    except QueryError:
        raise
    except Exception as error:
        reason = f"{type(error).__name__}: {error}".strip(": ")[:300]
        raise QueryError(f"The query cannot be translated ({reason})") from error


@contextmanager
def _interrupted_at(deadline: float, stop: threading.Event | None, cursor: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Interrupt what runs on a cursor, within, once a deadline of the monotonic clock has passed or `stop` is set."""
    done = threading.Event()

    def watch() -> None:
        while True:
            left = deadline - time.monotonic()
            is_due = left <= 0 or (stop is not None and stop.is_set())
            if is_due:
                cursor.interrupt()
            if done.wait(_BETWEEN_INTERRUPTS if is_due else left if stop is None else min(left, _BETWEEN_LOOKS)):
                return

    watcher = threading.Thread(target=watch, name="pf-monitor-query-deadline", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()


def _lock_down(connection: duckdb.DuckDBPyConnection) -> None:
    """Cut the database off from files, network, extensions and settings, for good."""
    connection.execute("SET GLOBAL TimeZone = 'UTC'")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
