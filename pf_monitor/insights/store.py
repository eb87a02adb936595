"""The store: the tables in one DuckDB file, written by one thread, read by any number.

What is promised: when `append` returns, the rows are on disk (a crash keeps them) and the next query sees them. Queries
never wait for the writer, since DuckDB gives each its own snapshot, and the writer commits what has gathered while it
was busy in one transaction.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Self

import duckdb
import orjson

from pf_monitor.insights.envelope import Row
from pf_monitor.insights.kql import SCHEMA, Sql, explain_database_error, translate, visualization
from pf_monitor.insights.relations import check_relations
from pf_monitor.insights.result import read_result
from pf_monitor.insights.schema import DIMENSIONS, TABLES, sql_type
from pf_monitor.insights.timespan import Timespan
from pf_monitor.table import Column, QueryError, Table

FILE_NAME: Final = "insights.duckdb"

MAX_RESULT_ROWS: Final = 500_000
"""The most rows that a query may return; Azure's own limit."""

QUERY_SECONDS: Final = 60.0
"""How long a query may run, unless its caller says otherwise."""

_BATCH_ROWS: Final = 20_000
"""Rows in one transaction, about: bounds memory and the wait of those whose rows come last."""


class StoreError(Exception):
    """The store cannot be opened, or cannot keep what it was given."""


class StoreBusyError(StoreError):
    """Another process has the store open."""


class Store:
    """The telemetry of one local Application Insights.

    Open it with `Store.open`; close it, or use it as a context manager. All methods may be called from any thread.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, *, read_only: bool) -> None:
        self._connection = connection
        self._writer = None if read_only else _Writer(connection)

    @classmethod
    def open(cls, directory: Path, *, read_only: bool = False) -> Self:
        """Open the store in a directory, which is made if need be and closed to all but its owner.

        Raises:
            StoreBusyError: If another process has it open.
            StoreError: If it cannot be opened for another reason, or there is none and `read_only` is asked for.
        """
        path = directory / FILE_NAME
        if read_only and not path.exists():
            raise StoreError(f"There is no telemetry in {directory}")
        try:
            if not read_only:
                directory.mkdir(mode=0o700, parents=True, exist_ok=True)
                directory.chmod(0o700)
            connection = duckdb.connect(str(path), read_only=read_only, config=_CONFIG)
        except duckdb.IOException as error:
            if "lock" in str(error):
                raise StoreBusyError(f"Another process has the store in {directory} open") from error
            raise StoreError(f"Cannot open the store in {directory}: {error}") from error
        except (duckdb.Error, OSError) as error:
            raise StoreError(f"Cannot open the store in {directory}: {error}") from error
        if not read_only:
            _create_tables(connection)
        _lock_down(connection)
        return cls(connection, read_only=read_only)

    def append(self, rows: Sequence[Row]) -> Mapping[int, str]:
        """Store rows durably; return the reasons for those that the database refused, by index.

        Raises:
            StoreError: If nothing could be stored, as when the disk is full.
        """
        return self.submit(rows).result()

    def submit(self, rows: Sequence[Row]) -> Future[Mapping[int, str]]:
        """Like `append`, without waiting for it."""
        if self._writer is None:
            raise StoreError("The store is open for reading only")
        return self._writer.submit(rows)

    def query(
        self,
        kql: str,
        timespan: Timespan | None = None,
        *,
        limit: int = MAX_RESULT_ROWS,
        timeout: float = QUERY_SECONDS,
    ) -> Table:
        """Run a KQL query.

        Args:
            kql: The query.
            timespan: If given, the tables hold only the items of this range.
            limit: The most rows that it may return.
            timeout: The most seconds that it may run.

        Raises:
            QueryError: If the query is wrong, runs too long or returns too much.
        """
        deadline = time.monotonic() + timeout
        try:
            sql = translate(kql, timespan)
            try:
                result = self._run(sql, limit, deadline)
            except duckdb.Error as error:
                if isinstance(error, duckdb.InterruptException) or not sql.reads_properties:
                    raise
                # What stands around a property in the translated query may take JSON only.
                result = self._run(translate(kql, timespan, by_property=False), limit, deadline)
        except duckdb.InterruptException as error:
            raise QueryError(
                f"The query ran longer than {timeout:g} s and was stopped: narrow its time range, or summarize earlier"
            ) from error
        except duckdb.Error as error:
            raise explain_database_error(error, kql) from error
        return result._replace(visualization=visualization(kql))

    def _run(self, sql: Sql, limit: int, deadline: float) -> Table:
        cursor = self._connection.cursor()
        try:
            check_relations(cursor, sql.text)
            with _interrupted_at(deadline, cursor):
                cursor.execute("BEGIN TRANSACTION READ ONLY")
                cursor.execute(sql.text)
                return read_result(cursor, limit)
        finally:
            cursor.close()

    def close(self) -> None:
        """Store what is still under way, and close the file."""
        if self._writer is not None:
            self._writer.close()
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


_Submission = tuple[Sequence[Row], "Future[Mapping[int, str]]"]


class _Writer:
    """The thread that writes: everything that has gathered since the last commit goes into one transaction."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._cursor = connection.cursor()
        self._submissions: queue.SimpleQueue[_Submission | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="pf-monitor-store", daemon=True)
        self._thread.start()

    def submit(self, rows: Sequence[Row]) -> Future[Mapping[int, str]]:
        future: Future[Mapping[int, str]] = Future()
        with self._lock:
            if self._closed:
                raise StoreError("The store is closed")
            self._submissions.put((rows, future))
        return future

    def close(self) -> None:
        with self._lock:
            self._closed = True
            self._submissions.put(None)
        self._thread.join()
        self._cursor.close()

    def _run(self) -> None:
        while (first := self._submissions.get()) is not None:
            batch, more = self._gather(first)
            self._write(batch)
            if not more:
                return

    def _gather(self, first: _Submission) -> tuple[list[_Submission], bool]:
        """Take what else is waiting, up to a batch; say whether there may be more to come."""
        batch, rows = [first], len(first[0])
        while rows < _BATCH_ROWS:
            try:
                submission = self._submissions.get_nowait()
            except queue.Empty:
                break
            if submission is None:
                return batch, False
            batch.append(submission)
            rows += len(submission[0])
        return batch, True

    def _write(self, batch: Sequence[_Submission]) -> None:
        try:
            self._insert([row for rows, _ in batch for row in rows])
        except Exception:  # noqa: BLE001 - whatever it was, each submission is tried and answered by itself
            for rows, future in batch:
                self._write_alone(rows, future)
        else:
            for _, future in batch:
                future.set_result({})

    def _write_alone(self, rows: Sequence[Row], future: Future[Mapping[int, str]]) -> None:
        try:
            future.set_result(self._insert_or_refuse(rows, 0))
        except Exception as error:  # noqa: BLE001 - the thread lives on, the caller is told
            failure = StoreError(f"Cannot store telemetry: {error}")
            failure.__cause__ = error
            future.set_exception(failure)

    def _insert_or_refuse(self, rows: Sequence[Row], offset: int) -> dict[int, str]:
        """Insert all that can be, halving what fails until the rows that the database refuses stand alone."""
        try:
            self._insert(rows)
        except (duckdb.DataError, duckdb.IntegrityError, duckdb.InvalidInputException, orjson.JSONEncodeError) as error:
            if len(rows) == 1:
                return {offset: str(error).partition("\n")[0]}
            middle = len(rows) // 2
            refused = self._insert_or_refuse(rows[:middle], offset)
            return refused | self._insert_or_refuse(rows[middle:], offset + middle)
        return {}

    def _insert(self, rows: Sequence[Row]) -> None:
        by_table: defaultdict[str, list[dict[str, object]]] = defaultdict(list)
        for row in rows:
            by_table[row.table].append(row.values)
        encoded = {table: orjson.dumps(values).decode() for table, values in by_table.items()}
        self._cursor.execute("BEGIN")
        try:
            for table, text in encoded.items():
                self._cursor.execute(_INSERTS[table], [text])
            self._cursor.execute("COMMIT")
        except BaseException:
            self._cursor.execute("ROLLBACK")
            raise


def _insert_sql(table: str) -> str:
    """The statement that inserts a JSON array of rows: DuckDB reads one many times faster than Python binds values."""
    columns = TABLES[table]
    shape = {column.name: "JSON" if column.type == "dynamic" else sql_type(column) for column in columns}
    values = ", ".join(_inserted(column) for column in columns)
    return (
        f"INSERT INTO {SCHEMA}.{table} SELECT {values} FROM"  # noqa: S608 - made of the schema alone
        f" (SELECT unnest(from_json(?::JSON, '[{orjson.dumps(shape).decode()}]')) AS item)"
    )


def _inserted(column: Column) -> str:
    value = f'item."{column.name}"'
    if column.type == "string":
        return f"coalesce({value}, '')"  # a KQL string is never null
    return f"{value}::VARIANT" if column.name == DIMENSIONS else value


_INSERTS: Final = {table: _insert_sql(table) for table in TABLES}

_CONFIG: Final[dict[str, str | int | float | list[str]]] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "checkpoint_threshold": "64MB",
    "python_enable_replacements": False,
}


def _create_tables(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
    for table, columns in TABLES.items():
        # What DuckDB cannot read as the column's type becomes null; without a time no query would find the row again.
        definitions = ", ".join(
            f'"{column.name}" {sql_type(column)}{" NOT NULL" if column.name == "timestamp" else ""}'
            for column in columns
        )
        connection.execute(f"CREATE TABLE IF NOT EXISTS {SCHEMA}.{table} ({definitions})")


@contextmanager
def _interrupted_at(deadline: float, cursor: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Interrupt what runs on a cursor, within, once a deadline of the monotonic clock has passed."""
    done = threading.Event()

    def watch() -> None:
        # An interrupt that comes before a statement has begun is forgotten, so it is repeated.
        wait = max(0.0, deadline - time.monotonic())
        while not done.wait(wait):
            cursor.interrupt()
            wait = 0.05

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
