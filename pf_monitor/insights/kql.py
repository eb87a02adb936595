"""KQL becomes SQL for the store: read-only, on the known tables only, errors with their place in the query.

`duckdb-kql` translates. This module alone knows its intermediate form, for three things that it leaves to do: aggregates
that it refuses or gets wrong, reading single custom dimensions without touching the others, and errors that point at a
place.

Why a query can write nothing and reach nothing: the path taken through the translator has no form for a statement that
writes, functions are an allow-list, and every relation that the finished SQL reads is checked (`relations.py`). The
store adds DuckDB's own locks.
"""

from __future__ import annotations

import dataclasses
import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

import duckdb
from duckdb_kql import KqlError, KqlSchemaError, KqlSyntaxError, KqlUnsupportedError, SourceSpan, ir
from duckdb_kql.lower import lower, qualify
from duckdb_kql.translate import render_path, to_sql

from pf_monitor.insights.schema import DIMENSIONS, TABLES

MAX_QUERY_LENGTH: Final = 100_000
"""Characters. Azure's own limit is near two million, but nobody types that, and the parser is Python."""


class QueryError(Exception):
    """A query that cannot be run, said so that its author can mend it.

    Attributes:
        message: What is wrong and what to do.
        line: The line of the query that is meant, counted from 1, if there is one.
        pos: The character of that line, counted from 0.
    """

    def __init__(self, message: str, line: int | None = None, pos: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.pos = pos


class Sql(NamedTuple):
    """A translated query."""

    text: str
    reads_variant: bool
    """Whether it reads single custom dimensions straight from the VARIANT column."""


STORED_SCHEMA: Final = "items"
"""The schema of the tables themselves, which no query names."""

VARIANT_SCHEMA: Final = "by_property"
"""The schema whose tables have customDimensions as VARIANT: for queries that read single properties of it."""

JSON_SCHEMA: Final = "whole"
"""The schema whose tables have customDimensions as JSON: for queries that use it in any other way."""


def translate(kql: str, *, use_variant: bool = True) -> Sql:
    """Translate a query to one SQL statement.

    Args:
        kql: The query.
        use_variant: Whether single custom dimensions may be read from the VARIANT column. The result is the same
            either way; without it every row's dimensions are put together as JSON text and parsed.

    Raises:
        QueryError: If it is not KQL, or uses what cannot be translated, or a table that does not exist.
    """
    if len(kql) > MAX_QUERY_LENGTH:
        raise QueryError(f"The query has {len(kql)} characters; at most {MAX_QUERY_LENGTH} are taken")
    try:
        query = lower(kql)
        _check_tables(query, kql)
        _mend_aggregates(query)
        dimensions = _single_dimensions(query) if use_variant else None
        schema = JSON_SCHEMA if dimensions is None else VARIANT_SCHEMA
        text = str(to_sql(qualify(query, schema), _columns_by_table(schema)))
    except KqlError as error:
        raise _explain(error, kql) from error
    except RecursionError:
        raise QueryError("The query is nested too deeply") from None
    if dimensions is None:
        return Sql(text, reads_variant=False)
    return Sql(_read_from_variant(text, dimensions), reads_variant=True)


def visualization(kql: str) -> str | None:
    """Return what a closing `render` operator asks for (`timechart`, ...), or None without one."""
    match = _RENDER.search(kql)
    return match[1] if match else None


_RENDER = re.compile(r"\|\s*render\s+(\w+)[^|]*$")


def _columns_by_table(schema: str) -> dict[str, list[str]]:
    columns = {table: [column.name for column in of_table] for table, of_table in TABLES.items()}
    return {f"{schema}.{table}": names for table, names in columns.items()} | columns


def _nodes(root: object) -> Iterator[Any]:
    """Every node of a query, each once: the tree shares nodes, and walking every path to one would not end."""
    stack, seen = [root], set()
    while stack:
        node = stack.pop()
        if isinstance(node, list | tuple):
            stack.extend(node)
        elif dataclasses.is_dataclass(node) and id(node) not in seen:
            seen.add(id(node))
            yield node
            stack.extend(getattr(node, field.name) for field in dataclasses.fields(node))


# Tables


def _check_tables(query: ir.Query, kql: str) -> None:
    bound = {name for node in _nodes(query) if isinstance(node, ir.Query) for name, _ in node.lets}
    for node in _nodes(query):
        if not isinstance(node, ir.TableRef | ir.WildcardTableRef):
            continue
        if node.database or getattr(node, "cluster", None):
            raise _at(kql, "database", "There is one database here: name the table alone")
        if isinstance(node, ir.TableRef) and node.name not in TABLES and node.name not in bound:
            raise _at(kql, node.name, f"'{node.name}' is not a table{_suggestion(node.name, TABLES)}")


# Aggregates


def _mend_aggregates(query: ir.Query) -> None:
    for node in _nodes(query):
        if not isinstance(node, ir.Query):
            continue
        for index, operator in enumerate(node.operators):
            if isinstance(operator, ir.Summarize):
                aggregates = tuple(one for each in operator.aggregates for one in _mended(each))
                node.operators[index] = dataclasses.replace(operator, aggregates=aggregates)


def _mended(aggregate: ir.NamedExpr) -> Iterable[ir.NamedExpr]:
    """The aggregates to compute in place of one.

    `percentiles(x, 50, 95)` is `percentile(x, 50), percentile(x, 95)` by definition. The translator drops the size
    limit of `make_list(x, n)` and `make_set(x, n)`, so it is refused rather than ignored.
    """
    for node in _nodes(aggregate):
        if isinstance(node, ir.FunctionCall) and node.name in {"make_list", "make_set"} and len(node.args) > 1:
            raise KqlUnsupportedError(f"{node.name} with a size limit", hint=f"use {node.name}(x) without it")
    call = aggregate.expr
    if not (isinstance(call, ir.FunctionCall) and call.name == "percentiles" and aggregate.name is None):
        return [aggregate]
    value, *ranks = call.args
    return [dataclasses.replace(aggregate, expr=ir.FunctionCall("percentile", (value, rank))) for rank in ranks]


# Custom dimensions


def _single_dimensions(query: ir.Query) -> list[tuple[str, str]] | None:
    """Return how the query reads single custom dimensions, or None if it uses the column in any other way too.

    Each is given as the SQL that the translator writes for it, which parses JSON, and the property's name. "Any other
    way" is whatever is not plainly one of two things, a property by a constant name or the column passed on under its
    own name: such a query is answered from the JSON column instead.
    """
    properties: dict[str, str] = {}
    harmless: set[int] = set()
    for node in _nodes(query):
        if isinstance(node, ir.PathAccess) and _is_dimensions(node.base):
            match node.steps:
                case (ir.PathStep(name=str(name), index=None),):
                    properties[render_path(node)] = name
                    harmless.add(id(node.base))
                case _:
                    return None
        elif isinstance(node, ir.Project):
            harmless |= {
                id(e.expr) for e in node.expressions if _is_dimensions(e.expr) and e.name in {None, DIMENSIONS}
            }
    for node in _nodes(query):
        if isinstance(node, ir.ColumnRef):
            if node.name.startswith(DIMENSIONS) and id(node) not in harmless:
                return None
        elif isinstance(node, ir.Distinct) or _rebinds_dimensions(node):
            return None
    return list(properties.items())


def _is_dimensions(node: object) -> bool:
    return isinstance(node, ir.ColumnRef) and node.name == DIMENSIONS


def _rebinds_dimensions(node: Any) -> bool:
    """Whether a node names the column as text: a rename, an expansion, a key, a column of that name made anew."""
    if isinstance(node, ir.ColumnRef | ir.PathStep | ir.Literal | ir.ProjectAway):
        return False
    if isinstance(node, ir.NamedExpr) and _is_dimensions(node.expr):
        return False
    values = (getattr(node, field.name) for field in dataclasses.fields(node))
    return any(_names_dimensions(value) for value in values)


def _names_dimensions(value: object) -> bool:
    if isinstance(value, list | tuple):
        return any(_names_dimensions(one) for one in value)
    return isinstance(value, str) and value.startswith(DIMENSIONS)


def _read_from_variant(sql: str, dimensions: Iterable[tuple[str, str]]) -> str:
    """Read properties as values of the VARIANT column, where the translator wrote JSON functions.

    What is stored in a dimension is a scalar (see `envelope.py`), so that its text is the same either way.
    """
    for by_json, name in dimensions:
        quoted = name.replace("'", "''")
        value = f"variant_extract(\"{DIMENSIONS}\", '{quoted}')"
        sql = sql.replace(f"{by_json} ->> '$'", f"CAST({value} AS VARCHAR)").replace(by_json, f"CAST({value} AS JSON)")
    return sql


# Errors

_OPERATORS: Final = frozenset(
    """
    as consume count distinct evaluate extend facet find fork getschema invoke join limit lookup make-series mv-apply
    mv-expand order parse parse-where partition project project-away project-keep project-rename project-reorder
    reduce render sample sample-distinct scan search serialize sort summarize take top top-nested union where
    """.split()
)


def _explain(error: KqlError, kql: str) -> QueryError:
    """Say a translator's error in the terms of the query, at its place."""
    if isinstance(error, KqlSyntaxError):
        return _explain_syntax(error, kql)
    if isinstance(error, KqlUnsupportedError):
        construct = _word(kql, error.span) or error.construct.rpartition(":")[2]
        hint = "" if error.hint is None or "in this wave" in error.hint else f": {error.hint}"
        message = f"'{construct}' is not supported by the local Application Insights{hint}"
        return QueryError(message, *_place(error.span)) if error.span else _at(kql, construct.split()[0], message)
    if isinstance(error, KqlSchemaError):
        return _at(kql, error.name, f"'{error.name}': {error.hint}")
    return QueryError(str(error))


def _explain_syntax(error: KqlSyntaxError, kql: str) -> QueryError:
    """The parser names the pipe where it gave up; what its author wants to hear of is the operator behind it."""
    if not error.diagnostics:
        return QueryError(str(error))
    diagnostic = error.diagnostics[0]
    line, pos = _place(diagnostic.span)
    rest = kql.splitlines()[line - 1][pos:] if kql.splitlines() else ""
    if operator := re.match(r"\|\s*([A-Za-z][\w-]*)", rest):
        name, pos = operator[1], pos + operator.start(1)
        if name not in _OPERATORS:
            return QueryError(f"'{name}' is not an operator{_suggestion(name, _OPERATORS)}", line, pos)
        return QueryError(f"What follows '{name}' is incomplete or wrong", line, pos)
    message = diagnostic.message.partition(" expecting ")[0]
    return QueryError(f"Syntax error: {message}", line, pos)


def explain_binding(error: duckdb.Error, kql: str) -> QueryError:
    """Say an error of the database in the terms of the query."""
    text = str(error).partition("\n")[0]
    if column := re.search(r'Referenced column "([^"]+)" not found', text):
        names = {column.name for columns in TABLES.values() for column in columns}
        return _at(kql, column[1], f"'{column[1]}' is not a column here{_suggestion(column[1], names)}")
    return QueryError(text.partition(": ")[2] or text)


def _word(kql: str, span: SourceSpan | None) -> str | None:
    """The word that stands at a place: the author's own, where the translator gives its grammar's name."""
    lines = kql.splitlines()
    if span is None or not 0 < span.line <= len(lines):
        return None
    match = re.match(r"[A-Za-z][\w-]*", lines[span.line - 1][span.column :])
    return match[0] if match else None


def _place(span: SourceSpan) -> tuple[int, int]:
    return span.line, span.column


def _at(kql: str, name: str, message: str) -> QueryError:
    """An error at the first place where a name stands as a word of the query."""
    found = re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", kql)
    if found is None:
        return QueryError(message)
    before = kql[: found.start()]
    return QueryError(message, before.count("\n") + 1, found.start() - (before.rfind("\n") + 1))


def _suggestion(name: str, known: Iterable[str] | Mapping[str, object]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean '{close[0]}'?" if close else ""
