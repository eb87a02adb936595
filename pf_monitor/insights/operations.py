"""Queries for one operation, the trace view's own: which one they ask for.

Tables are in the order of time, so nothing says where the rows of an operation lie. Reading every operation_Id would
take longer than all else; a short hash beside it (`layout.py`) is read in its place.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from duckdb_kql import ir

from pf_monitor.insights.properties import walk

_COLUMN = "operation_Id"


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
