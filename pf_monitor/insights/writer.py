"""The one thread that writes to the database: everything that has gathered since its last commit is one transaction."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from typing import Final, NamedTuple

import duckdb

from pf_monitor.insights.documents import Document, encode
from pf_monitor.insights.inserts import Inserts
from pf_monitor.insights.layout import roll_back
from pf_monitor.insights.rows import Batch, Row, batches

_BATCH_ROWS: Final = 20_000
"""Rows in one transaction, about: bounds memory and the wait of those whose rows come last."""


class StoreError(Exception):
    """The store cannot be opened, or cannot keep what it was given."""


class _Submission(NamedTuple):
    documents: Sequence[Document]
    refused: Mapping[int, str]
    future: Future[Mapping[int, str]]

    @property
    def size(self) -> int:
        """How many rows there are."""
        return sum(len(document.places) for document in self.documents)


class _Chore(NamedTuple):
    do: Callable[[duckdb.DuckDBPyConnection], bool]
    future: Future[bool]


class Writer:
    """The thread, from its making to `close`."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._cursor = connection.cursor()
        self._inserts = Inserts(self._cursor)
        self._waiting: queue.SimpleQueue[_Submission | _Chore | None] = queue.SimpleQueue()
        self._put_back: list[_Submission | _Chore | None] = []
        """What was taken from the queue before its turn."""
        self._lock = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="pf-monitor-store", daemon=True)
        self._thread.start()

    def submit(self, batches: Iterable[Batch]) -> Future[Mapping[int, str]]:
        """Have rows stored; the future gives the reasons for those that the database refused, by their place."""
        documents, refused = encode(batches)  # on the caller's thread: the writer's own is busy with DuckDB
        submission = _Submission(documents, refused, Future())
        self._put(submission)
        return submission.future

    def do(self, chore: Callable[[duckdb.DuckDBPyConnection], bool]) -> Future[bool]:
        """Have something else done by the thread, between two transactions; it must not raise."""
        waiting = _Chore(chore, Future())
        self._put(waiting)
        return waiting.future

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
        while (work := self._take()) is not None:
            if isinstance(work, _Chore):
                work.future.set_result(work.do(self._cursor))
            else:
                self._write(self._gather(work))

    def _take(self) -> _Submission | _Chore | None:
        return self._put_back.pop() if self._put_back else self._waiting.get()

    def _gather(self, first: _Submission) -> list[_Submission]:
        """Take the submissions that are waiting, up to a batch or to something else."""
        batch, rows = [first], first.size
        while rows < _BATCH_ROWS:
            try:
                work = self._waiting.get_nowait()
            except queue.Empty:
                break
            if not isinstance(work, _Submission):
                self._put_back.append(work)
                break
            batch.append(work)
            rows += work.size
        return batch

    def _write(self, batch: Sequence[_Submission]) -> None:
        try:
            self._insert([one for each in batch for one in each.documents])
        except Exception:  # noqa: BLE001 - whatever it was, each submission is tried and answered by itself
            for each in batch:
                self._write_alone(each)
        else:
            for each in batch:
                each.future.set_result(each.refused)

    def _write_alone(self, submission: _Submission) -> None:
        rows = [row for document in submission.documents for row in document.rows()]
        try:
            submission.future.set_result({**submission.refused, **self._insert_or_refuse(rows)})
        except Exception as error:  # noqa: BLE001 - the thread lives on, the caller is told
            failure = StoreError(f"Cannot store telemetry: {_reason(error)}")
            failure.__cause__ = error
            submission.future.set_exception(failure)

    def _insert_or_refuse(self, rows: Sequence[tuple[int, Row]]) -> dict[int, str]:
        """Insert all that can be, halving what fails until the rows that the database refuses stand alone."""
        try:
            self._insert(encode(batches(rows)).documents)
        except (duckdb.DataError, duckdb.IntegrityError, duckdb.InvalidInputException) as error:
            if len(rows) == 1:
                return {rows[0][0]: str(error).partition("\n")[0]}
            middle = len(rows) // 2
            return self._insert_or_refuse(rows[:middle]) | self._insert_or_refuse(rows[middle:])
        return {}

    def _insert(self, documents: Sequence[Document]) -> None:
        self._cursor.execute("BEGIN")
        try:
            self._inserts.insert(documents)
            self._cursor.execute("COMMIT")
        except BaseException:
            roll_back(self._cursor)
            raise


def _reason(error: Exception) -> str:
    text = str(error)
    if "No space left on device" in text:
        return "the disk is full. Make room, or keep less: pf-monitor up --keep-gb 2"
    return text
