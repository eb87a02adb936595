"""The one thread that writes to the database: everything that has gathered since its last commit is one transaction."""

from __future__ import annotations

import queue
import threading
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from typing import Final, NamedTuple

import duckdb
import orjson

from pf_monitor.insights.documents import Document, encode
from pf_monitor.insights.envelope import Row
from pf_monitor.insights.layout import documents_sql, roll_back

_BATCH_ROWS: Final = 20_000
"""Rows in one transaction, about: bounds memory and the wait of those whose rows come last."""


class StoreError(Exception):
    """The store cannot be opened, or cannot keep what it was given."""


class _Submission(NamedTuple):
    rows: Sequence[Row]
    documents: Sequence[Document] | None
    """The rows encoded; None where one of them cannot be."""
    future: Future[Mapping[int, str]]


_Chore = Callable[[duckdb.DuckDBPyConnection], None]


class Writer:
    """The thread, from its making to `close`."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._cursor = connection.cursor()
        self._waiting: queue.SimpleQueue[_Submission | _Chore | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="pf-monitor-store", daemon=True)
        self._thread.start()

    def submit(self, rows: Sequence[Row]) -> Future[Mapping[int, str]]:
        """Have rows stored; the future gives the reasons for those that the database refused, by index."""
        try:
            documents = encode(rows)  # here, on the caller's thread, while the writer's own is busy with DuckDB
        except orjson.JSONEncodeError:
            documents = None
        submission = _Submission(rows, documents, Future())
        self._put(submission)
        return submission.future

    def do(self, chore: _Chore) -> None:
        """Have something else done by the thread, between two transactions. It must not raise."""
        self._put(chore)

    def _put(self, work: _Submission | _Chore) -> None:
        with self._lock:
            if self._closed:
                raise StoreError("The store is closed")
            self._waiting.put(work)

    def close(self) -> None:
        """Do what is still waiting, and end the thread."""
        with self._lock:
            self._closed = True
            self._waiting.put(None)
        self._thread.join()
        self._cursor.close()

    def _run(self) -> None:
        while (work := self._waiting.get()) is not None:
            batch, after = self._gather(work) if isinstance(work, _Submission) else ([], work)
            if batch:
                self._write(batch)
            if after is None:
                return
            if after is not _NOTHING:
                after(self._cursor)

    def _gather(self, first: _Submission) -> tuple[list[_Submission], _Chore | None]:
        """Take the submissions that are waiting, up to a batch, and what is to be done after them: None is the end."""
        batch, rows = [first], len(first.rows)
        while rows < _BATCH_ROWS:
            try:
                work = self._waiting.get_nowait()
            except queue.Empty:
                break
            if not isinstance(work, _Submission):
                return batch, work
            batch.append(work)
            rows += len(work.rows)
        return batch, _NOTHING

    def _write(self, batch: Sequence[_Submission]) -> None:
        documents = [one for each in batch for one in each.documents or ()]
        try:
            if any(each.documents is None for each in batch):
                raise ValueError("A row cannot be encoded")  # noqa: TRY301 - then each is tried and answered by itself
            self._insert(documents)
        except Exception:  # noqa: BLE001 - whatever it was, each submission is tried and answered by itself
            for each in batch:
                self._write_alone(each)
        else:
            for each in batch:
                each.future.set_result({})

    def _write_alone(self, submission: _Submission) -> None:
        try:
            submission.future.set_result(self._insert_or_refuse(submission.rows, 0))
        except Exception as error:  # noqa: BLE001 - the thread lives on, the caller is told
            failure = StoreError(f"Cannot store telemetry: {error}")
            failure.__cause__ = error
            submission.future.set_exception(failure)

    def _insert_or_refuse(self, rows: Sequence[Row], offset: int) -> dict[int, str]:
        """Insert all that can be, halving what fails until the rows that the database refuses stand alone."""
        try:
            self._insert(encode(rows))
        except (duckdb.DataError, duckdb.IntegrityError, duckdb.InvalidInputException, orjson.JSONEncodeError) as error:
            if len(rows) == 1:
                return {offset: str(error).partition("\n")[0]}
            middle = len(rows) // 2
            refused = self._insert_or_refuse(rows[:middle], offset)
            return refused | self._insert_or_refuse(rows[middle:], offset + middle)
        return {}

    def _insert(self, documents: Sequence[Document]) -> None:
        groups: defaultdict[tuple[str, bool], list[Document]] = defaultdict(list)
        for one in documents:
            groups[one.table, one.plain].append(one)
        self._cursor.execute("BEGIN")
        try:
            for (table, plain), group in groups.items():
                columns = group[0].columns.union(*(one.columns for one in group))
                self._cursor.execute(documents_sql(table, columns, plain=plain), [[one.text for one in group]])
            self._cursor.execute("COMMIT")
        except BaseException:
            roll_back(self._cursor)
            raise


def _nothing(_: duckdb.DuckDBPyConnection) -> None:
    """Nothing waits behind a batch."""


_NOTHING: Final = _nothing
