"""Queries for one operation, the trace view's own: which one they ask for, and where its rows lie.

Tables are in the order of time, so nothing says where the rows of an operation lie. Reading every operation_Id would
take longer than all else; a short hash beside it (`layout.py`) is read in its place. It is read by a statement of its
own: DuckDB opens every column of a query in each part of a table before it knows that no row there is wanted, and
opening customDimensions takes three times as long as reading the hash.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any, Final

import duckdb
from duckdb_kql import ir

from pf_monitor.insights.layout import OPERATION_HASH, operation_hash
from pf_monitor.insights.properties import walk
from pf_monitor.insights.schema import TABLES, stored

_COLUMN = "operation_Id"

_MOST_LOCATED: Final = 2_000
"""Rows whose places are written into a query."""


def rows_of(operation: str) -> str:
    """Return the condition, in SQL, that the rows of an operation fulfil, and hardly any other."""
    literal = "'{}'".format(operation.replace("'", "''"))
    return f'"{OPERATION_HASH}" = {operation_hash(literal)}'


def located(cursor: duckdb.DuckDBPyConnection, sql: str, operation: str) -> str:
    """Return a statement for the rows of an operation that says where they lie.

    Args:
        cursor: In the transaction in which the statement will run: another may have the rows elsewhere.
        sql: The statement, which reads `rows_of` the operation.
        operation: The operation.
    """
    sources = {name: f"FROM {stored(name)} WHERE {rows_of(operation)}" for name in TABLES}
    read = [name for name, source in sources.items() if source in sql]
    found = cursor.execute(" UNION ALL ".join(f"SELECT '{name}', rowid {sources[name]}" for name in read)).fetchmany(
        _MOST_LOCATED + 1
    )
    if len(found) > _MOST_LOCATED:
        return sql
    places: defaultdict[str, list[str]] = defaultdict(list)
    for name, row in found:
        places[name].append(str(row))
    for name in read:
        where = f"rowid IN ({', '.join(places[name])})" if name in places else "false"
        sql = sql.replace(sources[name], f"FROM {stored(name)} WHERE {where}")
    return sql


def operation_asked_for(query: ir.Query) -> str | None:
    """Return the operation whose rows alone a query can return, if its first condition says so.

    The form is `table | where operation_Id == "…"`, or the same behind a union of tables, with no other table in the
    query: then the condition may just as well stand in the tables.
    """
    operators = list(query.operators)
    tables = [query.source]
    if operators and isinstance(operators[0], ir.Union):
        union: Any = operators.pop(0)
        branches: list[Any] = list(union.branches)
        if not all(isinstance(one, ir.Query) and not one.operators and not one.lets for one in branches):
            return None
        tables += [one.source for one in branches]
    read = [node for node in walk(query) if isinstance(node, ir.TableRef | ir.WildcardTableRef)]
    if len(read) != len(tables) or not all(isinstance(one, ir.TableRef) for one in tables):
        return None
    if not operators or not isinstance(operators[0], ir.Where):
        return None
    return next(_operations(operators[0].predicate), None)


def _operations(condition: Any) -> Iterator[str]:
    match condition:
        case ir.BinaryOp(op="and", left=left, right=right):
            yield from _operations(left)
            yield from _operations(right)
        case ir.BinaryOp(op="==", left=ir.ColumnRef(name=name), right=asked) if name == _COLUMN:
            literal = asked.value if isinstance(asked, ir.LetRef) else asked
            if isinstance(literal, ir.Literal) and literal.kind == "string":
                yield str(literal.value)
        case _:
            pass
