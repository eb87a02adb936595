"""KQL's `hash_xxhash64` of a text, which the translator does not know, and a column that keeps it for questions.

Requests that asked the same are found by the hash of their question: a number of eight bytes is grouped three times as
fast as the text that it stands for, and reading it is nearly free. The value is Azure's own: xxHash64 with the seed 0
of the text in UTF-8, as a signed number (https://learn.microsoft.com/kusto/query/hash-xxhash64-function).
"""

from __future__ import annotations

from typing import Final

import duckdb
import xxhash
from duckdb_kql import ir
from duckdb_kql.translate import render_expr
from duckdb_kql.translate.functions import SCALAR_FUNCTIONS, FunctionSpec

from pf_monitor.insights.schema import HIDDEN_PREFIX

FUNCTION: Final = "hash_xxhash64"
"""In KQL, and in the database too."""

HASHED: Final = "question"
"""The key of customDimensions whose hash has a column."""

COLUMN: Final = f"{HIDDEN_PREFIX}{HASHED} {FUNCTION}"
"""That column: null where an item has no such key."""

SQL_TYPE: Final = "BIGINT"


def hash_of(text: str) -> int:
    """Return the hash of a text.

    Raises:
        UnicodeEncodeError: If it has a lone surrogate.
    """
    return int.from_bytes(xxhash.xxh64_digest(text.encode()), signed=True)


EMPTY: Final = hash_of("")


def add_to(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the function known to a database, for texts whose hash has no column: a call of Python a row."""
    connection.create_function(FUNCTION, hash_of, ["VARCHAR"], SQL_TYPE)


def teach_translator() -> None:
    """Have the translator take the function, of a text; for good."""
    SCALAR_FUNCTIONS.setdefault(FUNCTION, FunctionSpec(FUNCTION, "udf", FUNCTION + "({0})", (1,)))


def replacement(path: ir.PathAccess) -> tuple[str, str]:
    """Return what the translator writes for the hash of the key's text, and what reads it from its column."""
    text = ir.FunctionCall("tostring", (path,))
    return render_expr(ir.FunctionCall(FUNCTION, (text,))), f'coalesce("{COLUMN}", {EMPTY})'


def filled(text: str) -> str:
    """Return the SQL that fills the column from the key's text."""
    return f"{FUNCTION}({text})"
