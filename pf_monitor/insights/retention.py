"""What the store gives up, oldest first: items beyond an age, and what makes it larger than it may be.

The writer's thread does it in small passes between transactions, so that those who send wait a moment at most. DuckDB
frees a row group at the next checkpoint after all of its rows are gone, and uses its blocks again; the file itself
becomes shorter only where free blocks lie at its end.
"""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

import duckdb

from pf_monitor.insights.schema import CATALOG, TABLES, stored
from pf_monitor.insights.writer import Writer

_logger = logging.getLogger(__name__)

PASS_ROWS: Final = 100_000
"""Rows that one pass deletes at most, about: a fraction of a second."""


PAUSE_SECONDS: Final = 60.0
"""How long to wait once nothing is left to delete."""


class Limits(NamedTuple):
    """What the store keeps.

    Attributes:
        age: How old an item may become, by its timestamp.
        size: How many bytes the database may use.
    """

    age: timedelta = timedelta(days=30)
    size: int = 10 * 1024**3


class Held(NamedTuple):
    """What retention has come to.

    Attributes:
        used: The bytes that the database uses; the file may be larger, by blocks that are free.
        deleted: The rows that were deleted since the store was opened.
    """

    used: int
    deleted: int


class Retention:
    """Keeps a store within its limits, one pass at a time."""

    def __init__(self, limits: Limits, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._limits = limits
        self._now = now
        self.held = Held(0, 0)
        """As of the last pass."""

    def run(self, cursor: duckdb.DuckDBPyConnection) -> bool:
        """Do one pass; return whether there is more to delete. Never raises: the next pass tries again."""
        try:
            return self._pass(cursor)
        except duckdb.Error as error:
            _logger.warning("Old telemetry could not be deleted, and is tried again: %s", error)
            return False

    def _pass(self, cursor: duckdb.DuckDBPyConnection) -> bool:
        used = used_bytes(cursor)
        expired = (self._now() - self._limits.age).astimezone(UTC).replace(tzinfo=None)
        bound = _bound(cursor, expired)
        if bound is None and used > self._limits.size:
            cursor.execute(f"CHECKPOINT {CATALOG}")  # what the last pass deleted still counts until then
            used = used_bytes(cursor)
            bound = _bound(cursor, datetime.max, _share(cursor, 1 - self._limits.size / used))
        if bound is None:
            self.held = Held(used, self.held.deleted)
            return False
        deleted = sum(_delete(cursor, table, bound) for table in TABLES)
        cursor.execute(f"CHECKPOINT {CATALOG}")
        self.held = Held(used_bytes(cursor), self.held.deleted + deleted)
        _logger.info("Deleted %d items up to %s; %d bytes are in use", deleted, bound.isoformat(), self.held.used)
        return deleted > 0


class Keeper:
    """Has the writer's thread do a pass every minute, and the next at once while there is more to delete."""

    def __init__(self, retention: Retention, writer: Writer) -> None:
        self.retention = retention
        self._writer = writer
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pf-monitor-retention", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop; a pass that is under way is finished first."""
        self._done.set()
        self._thread.join()

    def _run(self) -> None:
        while True:
            more = self._writer.do(self.retention.run).result()
            if self._done.wait(0 if more else PAUSE_SECONDS):
                return


def used_bytes(cursor: duckdb.DuckDBPyConnection) -> int:
    """Return the bytes that the database uses."""
    row = cursor.execute(
        "SELECT used_blocks * block_size FROM pragma_database_size() WHERE database_name = ?", [CATALOG]
    ).fetchone()
    return int(row[0]) if row else 0


def _share(cursor: duckdb.DuckDBPyConnection, share: float) -> int:
    """How many rows a share of all is, rounded up."""
    counts = " + ".join(f"(SELECT count(*) FROM {stored(table)})" for table in TABLES)  # noqa: S608 - of known names
    row = cursor.execute(f"SELECT {counts}").fetchone()
    return math.ceil(share * row[0]) if row and share > 0 else 0


def _bound(cursor: duckdb.DuckDBPyConnection, before: datetime, most: int = PASS_ROWS) -> datetime | None:
    """The time of the last row that a pass deletes: all up to it are older than asked, and not too many.

    Rows of the very same time go together.
    """
    times = " UNION ALL ".join(
        f"SELECT timestamp FROM {stored(table)} WHERE timestamp < $before"  # noqa: S608 - of known names
        for table in TABLES
    )
    row = cursor.execute(
        f"SELECT max(timestamp) FROM (SELECT timestamp FROM ({times}) ORDER BY timestamp LIMIT {min(most, PASS_ROWS)})",  # noqa: S608 - likewise
        {"before": before},
    ).fetchone()
    bound: datetime | None = row[0] if row else None
    return bound


def _delete(cursor: duckdb.DuckDBPyConnection, table: str, bound: datetime) -> int:
    row = cursor.execute(f"DELETE FROM {stored(table)} WHERE timestamp <= $bound", {"bound": bound}).fetchone()  # noqa: S608 - likewise
    return int(row[0]) if row else 0
