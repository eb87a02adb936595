"""The same SQL in fewer words.

The translator writes for any type what nearly always is of a known one. DuckDB sees through it, but takes its time to
read it: half of what a page's query needs on a small store.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from typing import Any, Final

from duckdb_kql import ir
from duckdb_kql.translate import render_expr

from pf_monitor.insights.bounding import bounded
from pf_monitor.insights.properties import walk
from pf_monitor.insights.schema import TABLES


def plainer(sql: str, query: ir.Query) -> str:
    """Return a query's SQL with times, bins of time, texts and percentiles said plainly.

    A datetime that is written out need not be parsed in each of Kusto's formats. A bin of `timestamp` needs neither
    floating point nor time zones, which take DuckDB ten times as long. A text is its own `tostring`. A join on times
    that are never null need not care for null, so that DuckDB can look for the few times of one side in the other. What
    sums and counts values passes over null by itself: asking each row first takes as long again. A text that is looked
    for is no pattern.
    Before all this, what has no bound gets one (`bounding.py`).
    """
    nodes = list(walk(query))
    sql = bounded(sql)
    for node in nodes:
        if isinstance(node, ir.Literal) and node.kind == "datetime" and _ISO_TIME.fullmatch(str(node.value)):
            sql = sql.replace(render_expr(node), f"TIMESTAMP '{node.value}'")
    for name in _texts(nodes):
        written = render_expr(ir.FunctionCall("tostring", (ir.ColumnRef(name),)))
        sql = sql.replace(written, f"coalesce({render_expr(ir.ColumnRef(name))}, '')")
    for name in _times(query, nodes):
        column = render_expr(ir.ColumnRef(name))
        sql = sql.replace(f"_l.{column} IS NOT DISTINCT FROM _r.{column}", f"_l.{column} = _r.{column}")
    sql = _CONTAINS.sub(r"ILIKE '%\1%'", sql)
    sql = _BIN.sub(r"""time_bucket(\1, "timestamp", TIMESTAMP '1970-01-01')""", sql)
    return _together(_OF_VALUES.sub(r"\1", _COUNTED.sub(r"count(\1)", sql)))


_CONTAINS = re.compile(
    r"""ILIKE '%' \|\| replace\(replace\(replace\('((?:[^'%_\\]|'')+)', '\\', '\\\\'\), '%', '\\%'\), '_', '\\_'\)"""
    r""" \|\| '%' ESCAPE '\\'"""
)
"""A text to look for in which nothing has to be escaped: DuckDB looks for it as such, rather than for a pattern."""

_OF_VALUES = re.compile(r"""(\b(?:sum|min|max|avg)\(("[^"]+")\)) FILTER \(WHERE \(\2 IS NOT NULL\)\)""")
_COUNTED = re.compile(r"""\bcount\(\*\) FILTER \(WHERE \(("[^"]+") IS NOT NULL\)\)""")


_PERCENTILE = re.compile(r"quantile_disc\(((?:(?!quantile_disc).)*?), CAST\((\d+) AS BIGINT\) / 100\.0\)", re.DOTALL)


def _together(sql: str) -> str:
    """Take the percentiles of the same values from one sorting of them, which DuckDB shares by the aggregate's text."""
    ranks: defaultdict[str, list[str]] = defaultdict(list)
    for values, rank in _PERCENTILE.findall(sql):
        if rank not in ranks[values]:
            ranks[values].append(rank)

    def shared(match: re.Match[str]) -> str:
        values, rank = match.groups()
        if len(ranks[values]) == 1:
            return match[0]
        asked = ", ".join(f"{one} / 100.0" for one in ranks[values])
        return f"quantile_disc({values}, [{asked}])[{ranks[values].index(rank) + 1}]"

    return _PERCENTILE.sub(shared, sql)


_ISO_TIME = re.compile(
    r"\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,6})?Z"
)
"""A time that exists in every month."""

_BIN = re.compile(
    r"""to_timestamp\(floor\(epoch\("timestamp"\) / epoch\((INTERVAL '\d+(?:d|h|m|s|ms)')\)\) \* epoch\(\1\)\)"""
    " AT TIME ZONE 'UTC'"
)

_TEXT_COLUMNS: Final = frozenset(
    column.name for columns in TABLES.values() for column in columns if column.type == "string"
) - frozenset(column.name for columns in TABLES.values() for column in columns if column.type != "string")
"""The columns that are text in every table that has them."""

_MAKES_COLUMNS_OTHERWISE = (
    *(ir.CommandSource, ir.DataTable, ir.GraphSource, ir.MvExpand, ir.Parse, ir.PrintSource, ir.ProjectRename),
    *(ir.RangeSource, ir.GraphToTable, ir.ToScalar),
)


def _texts(nodes: Iterable[Any]) -> set[str]:
    """The names that can only be columns of text: Azure's own, and those that a query makes with `tostring`."""
    made: defaultdict[str, list[Any]] = defaultdict(list)
    for node in nodes:
        if isinstance(node, _MAKES_COLUMNS_OTHERWISE):
            return set()
        if isinstance(node, ir.NamedExpr) and node.name is not None:
            made[node.name].append(node.expr)
    own = {name for name in _TEXT_COLUMNS if all(_is_text(one, name) for one in made[name])}
    others = {column.name for columns in TABLES.values() for column in columns}
    return own | {name for name, exprs in made.items() if name not in others and all(_is_text(e, name) for e in exprs)}


def _times(query: ir.Query, nodes: Iterable[Any]) -> set[str]:
    """The names of a join's keys that can only be times of items, which are never null.

    An outer join makes nulls; behind it, no other may ask for them.
    """
    last = next((one for one in reversed(query.operators) if isinstance(one, ir.Join)), None)
    made: defaultdict[str, list[Any]] = defaultdict(list)
    joined: set[str] = set()
    for node in nodes:
        if isinstance(node, _MAKES_COLUMNS_OTHERWISE) or (isinstance(node, ir.Union) and not _is_of_tables(node)):
            return set()
        if isinstance(node, ir.NamedExpr) and node.name is not None:
            made[node.name].append(node.expr)
        if isinstance(node, ir.Join):
            if node.kind not in {"inner", "innerunique"} and node is not last:
                return set()
            joined.update(key.left for key in node.keys if key.left == key.right)
    return {name for name in joined if (made[name] or name == "timestamp") and all(_is_time(one) for one in made[name])}


def _is_time(expression: Any) -> bool:
    match expression:
        case (
            ir.ColumnRef(name="timestamp") | ir.FunctionCall(name="max" | "min", args=(ir.ColumnRef(name="timestamp"),))
        ):
            return True
        case _:
            return False


def _is_of_tables(union: Any) -> bool:
    return all(isinstance(one.source, ir.TableRef) and not one.operators and not one.lets for one in union.branches)


def _is_text(expression: Any, name: str) -> bool:
    match expression:
        case ir.FunctionCall(name="tostring"):
            return True
        case ir.ColumnRef(name=passed):
            return bool(passed == name)
        case _:
            return False
