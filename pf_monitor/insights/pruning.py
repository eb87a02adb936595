"""Which columns a query needs, so that its SQL names no others.

The translator lists every column of its tables in every step. DuckDB reads only those that are used, but it has to
understand them all first, which for the queries of a page takes longer than to answer them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from duckdb_kql import ir

from pf_monitor.insights.properties import Property, walk
from pf_monitor.insights.schema import TABLES
from pf_monitor.table import Column

_WORD = re.compile(r"[A-Za-z_]\w*")
_NAMES_ITS_COLUMNS = (ir.Summarize, ir.Count, ir.Project, ir.Distinct)


def needed_columns(query: ir.Query, kql: str) -> dict[str, list[Column]]:
    """Return the columns of each table that can matter to a query's result: all, unless it says itself what it has.

    Every column is kept whose name stands in the query as a word, wherever and as whatever; so is one that a join would
    give a number.
    """
    nodes = list(walk(query))
    names_columns = any(isinstance(operator, _NAMES_ITS_COLUMNS) for operator in query.operators)
    if not names_columns or any(isinstance(node, ir.Wildcard | ir.GetSchema | ir.WildcardTableRef) for node in nodes):
        return {table: list(columns) for table, columns in TABLES.items()}
    words = {spelled for word in _WORD.findall(kql) for spelled in (word, word.rstrip("0123456789"))}
    # A table without columns is no table.
    words.add("timestamp")
    return {table: [one for one in columns if one.name in words] for table, columns in TABLES.items()}


def without_unread(sql: str, properties: Iterable[Property]) -> tuple[str, list[Property]]:
    """Take the VARIANT of properties out of a finished statement where only their typed columns are read.

    Returns:
        The statement, and the properties, each with the columns that it still has.
    """
    kept: Sequence[Property] = list(properties)
    left: list[Property] = []
    for one in kept:
        column = f'"{one.column}"'
        if one.kept and f"CAST({column}" not in sql:
            shorter = re.sub(f"(?:_[lr]\\.)?{column}(?: AS {column})?, ", "", sql)  # a join says whose it is
            if column not in shorter:
                sql = shorter
                left.append(one._replace(is_read=False))
                continue
        left.append(one)
    return sql, left
