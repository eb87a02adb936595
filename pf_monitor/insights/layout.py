"""How the tables lie in the database: their columns, hidden ones among them, and what brings an older store up.

Beside Azure's columns a table has a typed column for each key of `keys.py`, a short hash of `operation_Id`, by which
the rows of one operation are found without reading a text column whole, and the hash of a question (`hashing.py`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import Final

import duckdb
import orjson

from pf_monitor.insights import hashing
from pf_monitor.insights.keys import KEYS, text_of
from pf_monitor.insights.schema import CATALOG, DIMENSIONS, HIDDEN_PREFIX, SCHEMA, TABLES, sql_type, stored

VERSION: Final = 3
"""The layout that is written here. 1 had Azure's columns alone, and no `layout` table to say so; 2 had no hashes of
questions."""

OPERATION_HASH: Final = f"{HIDDEN_PREFIX}operation"
"""The hidden column with the hash of `operation_Id`."""


class LayoutError(Exception):
    """The database has a layout that cannot be used as it is."""


def prepare(
    connection: duckdb.DuckDBPyConnection, *, read_only: bool, on_upgrade: Callable[[], object] = lambda: None
) -> None:
    """Make the tables, or bring those of an older layout up to date, all or nothing, and what their columns rest on.

    Args:
        connection: To the database.
        read_only: Whether it is open for reading only.
        on_upgrade: Called before an older layout is brought up to date: a few seconds for each million items.

    Raises:
        LayoutError: If the layout is newer than this version's, or older and the database is open for reading only.
    """
    hashing.add_to(connection)
    version = _version(connection)
    if version == VERSION:
        return
    if version > VERSION:
        raise LayoutError(
            f"It was written by a newer pf-monitor (layout {version}; this one knows {VERSION}): update pf-monitor"
        )
    if read_only:
        raise LayoutError("It was written by an earlier pf-monitor: run `pf-monitor up` once, which updates it")
    if version:
        on_upgrade()
    connection.execute("BEGIN")
    try:
        for statement in _upgrade(version):
            connection.execute(statement)
    except BaseException:
        roll_back(connection)
        raise
    connection.execute("COMMIT")
    connection.execute(f"CHECKPOINT {CATALOG}")


def roll_back(connection: duckdb.DuckDBPyConnection) -> None:
    """End a transaction that failed; one whose commit failed has ended by itself."""
    with contextlib.suppress(duckdb.TransactionException):
        connection.execute("ROLLBACK")


def _version(connection: duckdb.DuckDBPyConnection) -> int:
    """The layout of the database: 0 if it is empty."""
    found = connection.execute(
        "SELECT table_name FROM duckdb_tables() WHERE database_name = ? AND schema_name = ?", [CATALOG, SCHEMA]
    ).fetchall()
    names = {name for (name,) in found}
    if "layout" not in names:
        return 1 if names else 0
    row = connection.execute(f"SELECT version FROM {stored('layout')}").fetchone()  # noqa: S608 - a constant
    return int(row[0]) if row else 0


def _upgrade(version: int) -> Iterator[str]:
    if version == 2:
        yield from _upgrade_from_2()
        return
    yield f"CREATE SCHEMA IF NOT EXISTS {CATALOG}.{SCHEMA}"
    for table in TABLES:
        old = stored(f"{table}_1")
        if version == 1:
            yield f"ALTER TABLE {stored(table)} RENAME TO {table}_1"
        yield f"CREATE TABLE {stored(table)} ({', '.join(_definitions(table))})"
        if version == 1:
            yield insert_sql(table, old, [column.name for column in TABLES[table]], plain=False)
            yield f"DROP TABLE {old}"
    yield f"CREATE TABLE {stored('layout')} AS SELECT {VERSION} AS version"


def _upgrade_from_2() -> Iterator[str]:
    text = text_of(hashing.HASHED)
    for table in TABLES:
        yield f'ALTER TABLE {stored(table)} ADD COLUMN "{hashing.COLUMN}" {hashing.SQL_TYPE}'
        hashed = f'"{hashing.COLUMN}" = {hashing.filled(text)}'
        yield f"UPDATE {stored(table)} SET {hashed} WHERE {text} IS NOT NULL"  # noqa: S608 - of known names
    yield f"UPDATE {stored('layout')} SET version = {VERSION}"  # noqa: S608 - likewise


def _definitions(table: str) -> Iterator[str]:
    for column in TABLES[table]:
        # What DuckDB cannot read as the column's type becomes null; without a time no query would find the row again.
        yield f'"{column.name}" {sql_type(column)}{" NOT NULL" if column.name == "timestamp" else ""}'
    for key in KEYS.values():
        yield f'"{key.column}" {key.sql_type}'
    yield f'"{OPERATION_HASH}" UINTEGER'
    yield f'"{hashing.COLUMN}" {hashing.SQL_TYPE}'


def insert_sql(table: str, source: str, columns: Iterable[str], *, plain: bool) -> str:
    """Return the statement that inserts rows.

    Args:
        table: The table.
        source: A relation with the rows, its customDimensions as VARIANT.
        columns: The columns that the relation has; the others stay empty.
        plain: Whether those of the keys are among them, if they have a value; otherwise they are read from
            customDimensions.
    """
    given = set(columns)
    values = [*_values(table, given), *_key_values(given, plain=plain)]
    values.append(operation_hash('"operation_Id"' if "operation_Id" in given else "''"))
    values.append(_question_hash(given, plain=plain))
    return f"INSERT INTO {stored(table)} SELECT {', '.join(values)} FROM {source}"  # noqa: S608 - of known names


def _values(table: str, given: set[str]) -> Iterator[str]:
    for column in TABLES[table]:
        if column.name == "itemId":
            yield 'coalesce("itemId", uuid()::VARCHAR)' if column.name in given else "uuid()::VARCHAR"
        elif column.type == "string":  # a KQL string is never null
            yield f"coalesce(\"{column.name}\", '')" if column.name in given else "''"
        else:
            yield f'"{column.name}"' if column.name in given else "NULL"


def _key_values(given: set[str], *, plain: bool) -> Iterator[str]:
    for key in KEYS.values():
        if plain:
            yield f'"{key.column}"' if key.column in given else "NULL"
        else:
            yield key.filled


def _question_hash(given: set[str], *, plain: bool) -> str:
    if plain:
        return f'"{hashing.COLUMN}"' if hashing.COLUMN in given else "NULL"
    return hashing.filled(text_of(hashing.HASHED))


def operation_hash(value: str) -> str:
    """Return the SQL of an operation's hash, from that of its id."""
    return f"(md5_number_lower(coalesce({value}, '')) % 4294967296)::UINTEGER"


def documents_sql(table: str, columns: frozenset[str], texts: str, *, plain: bool) -> str:
    """Return the statement that inserts documents, JSON texts of which each is an object of one array a column.

    DuckDB reads such a text many times faster than Python binds values, and twice as fast as an array of objects.

    Args:
        table: The table.
        columns: The columns that a document may have; the others stay empty.
        texts: The SQL of a list with the texts.
        plain: Whether those of the keys are among them, if they have a value.
    """
    types = {column.name: "JSON" if column.type == "dynamic" else sql_type(column) for column in TABLES[table]}
    types |= {key.column: key.sql_type for key in KEYS.values()} | {hashing.COLUMN: hashing.SQL_TYPE}
    shape = {name: [kind] for name, kind in types.items() if name in columns}
    cells = ", ".join(f'unnest(document."{name}") AS "{name}"' for name in shape)
    documents = f"SELECT from_json(unnest({texts}), '{orjson.dumps(shape).decode()}') AS document"
    rows = f"SELECT {cells} FROM ({documents})"  # noqa: S608 - of known names
    variant = f"{DIMENSIONS}::VARIANT AS {DIMENSIONS}"
    return insert_sql(table, f"(SELECT * REPLACE ({variant}) FROM ({rows}))", columns, plain=plain)  # noqa: S608 - likewise
