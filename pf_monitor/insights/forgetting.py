"""Deleting what one session or one user left, for good: not a byte of it stays in the file.

DuckDB only marks deleted rows, and leaves the bytes of freed blocks where they are. So all that stays is written to a
new file, which then takes the old one's place.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple

import duckdb
import orjson

from pf_monitor.insights.layout import prepare
from pf_monitor.insights.schema import CATALOG, SCHEMA, TABLES, stored
from pf_monitor.insights.store import FILE_NAME, ROW_GROUP, Store, StoreBusyError
from pf_monitor.insights.writer import StoreError

_OLD: Final = "old"


class Forgotten(NamedTuple):
    """What was deleted, or would be.

    Attributes:
        operations: How many requests.
        rows: How many rows of all tables.
    """

    operations: int
    rows: int


def operations_of(directory: Path, *, session: str | None = None, user: str | None = None) -> list[str]:
    """Return the operations that belong to a session or a user.

    Args:
        directory: Where the store is.
        session: The session, as `session.id` has it.
        user: The user, as `user_Id` has it: where users are hashed, the hash.

    Raises:
        StoreError: If there is no store, it cannot be read, or another process has it open.
    """
    if not (directory / FILE_NAME).exists():
        raise StoreError(f"There is no telemetry in {directory}")
    conditions = []
    if session is not None:
        text = orjson.dumps(session).decode()
        conditions.append(f'session_Id == {text} or tostring(customDimensions["session.id"]) == {text}')
    if user is not None:
        conditions.append(f"user_Id == {orjson.dumps(user).decode()}")
    with Store.open(directory) as store:
        found = store.query(
            f"union {', '.join(TABLES)} | where isnotempty(operation_Id) and ({' or '.join(conditions)})"
            " | distinct operation_Id"
        )
    return [str(row[0]) for row in found.rows]


def forget(directory: Path, operations: list[str]) -> Forgotten:
    """Delete all rows of operations.

    Args:
        directory: Where the store is. It needs as much room again as the store has.
        operations: Their ids.

    Raises:
        StoreBusyError: If another process has the store open.
        StoreError: If the rest could not be written; the store is as it was then.
    """
    path, fresh = directory / FILE_NAME, directory / f"{FILE_NAME}.new"
    fresh.unlink(missing_ok=True)
    try:
        with duckdb.connect() as connection:
            rows = _copy_the_rest(connection, path, fresh, operations)
        fresh.chmod(0o600)
        fresh.replace(path)
    except (duckdb.Error, OSError) as error:
        fresh.unlink(missing_ok=True)
        if isinstance(error, duckdb.IOException) and "lock" in str(error):
            raise StoreBusyError(f"Another process has the store in {directory} open") from error
        raise StoreError(f"Nothing was deleted: the store in {directory} could not be written anew: {error}") from error
    return Forgotten(len(operations), rows)


def _copy_the_rest(connection: duckdb.DuckDBPyConnection, path: Path, fresh: Path, operations: list[str]) -> int:
    connection.execute(f"ATTACH '{_quoted(path)}' AS {_OLD} (READ_ONLY)")
    connection.execute(f"ATTACH '{_quoted(fresh)}' AS {CATALOG} (ROW_GROUP_SIZE {ROW_GROUP})")
    prepare(connection, read_only=False)
    connection.execute("CREATE TEMP TABLE forgotten AS SELECT unnest(?::VARCHAR[]) AS operation", [operations])
    gone = 0
    for table in TABLES:
        old = f"{_OLD}.{SCHEMA}.{table}"
        others = f"SELECT * FROM {old} WHERE operation_Id NOT IN (SELECT operation FROM forgotten)"  # noqa: S608 - of known names
        connection.execute(f"INSERT INTO {stored(table)} BY NAME {others}")
        before = _number(connection, f"SELECT count(*) FROM {old}")  # noqa: S608 - of known names
        gone += before - _number(connection, f"SELECT count(*) FROM {stored(table)}")  # noqa: S608 - of known names
    connection.execute(f"CHECKPOINT {CATALOG}")
    connection.execute(f"DETACH {CATALOG}")
    return gone


def _number(connection: duckdb.DuckDBPyConnection, sql: str) -> int:
    row = connection.execute(sql).fetchone()
    return int(row[0]) if row else 0


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")
