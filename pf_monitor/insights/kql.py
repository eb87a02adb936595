"""KQL becomes SQL for the store: read-only, on the known tables only, errors with their place in the query.

`duckdb-kql` translates. This module and `properties.py` alone know its intermediate form, for what it leaves to do:
aggregates that it refuses or gets wrong, reading single custom dimensions without touching the others, and errors that
point at a place.

Why a query can write nothing and reach nothing: the path taken through the translator has no form for a statement that
writes, functions are an allow-list, and every relation that the finished SQL reads is checked (`relations.py`). The
store adds DuckDB's own locks.
"""

from __future__ import annotations

import dataclasses
import difflib
import re
from collections.abc import Iterable, Sequence
from datetime import UTC
from typing import Final, NamedTuple

import duckdb
from duckdb_kql import KqlError, KqlSchemaError, KqlSyntaxError, KqlUnsupportedError, SourceSpan, ir
from duckdb_kql.lower import lower
from duckdb_kql.translate import to_sql

from pf_monitor.insights.bounding import TOO_LARGE, bound_translation, is_too_large
from pf_monitor.insights.hashing import teach_translator
from pf_monitor.insights.operations import operation_asked_for, rows_of
from pf_monitor.insights.plainer import plainer
from pf_monitor.insights.properties import Property, find_properties, read_properties, walk
from pf_monitor.insights.pruning import needed_columns, without_unread
from pf_monitor.insights.schema import DIMENSIONS, TABLES, stored
from pf_monitor.insights.timespan import Timespan
from pf_monitor.table import Column, QueryError

MAX_QUERY_LENGTH: Final = 100_000
"""Characters. Azure takes more, but the parser here is Python."""


class Sql(NamedTuple):
    """A translated query."""

    text: str
    reads_properties: bool
    """Whether it reads single custom dimensions, rather than the whole column as JSON."""
    operation: str | None
    """The operation whose rows alone it reads."""


def translate(kql: str, timespan: Timespan | None = None, *, by_property: bool = True) -> Sql:
    """Translate a query to one SELECT.

    Args:
        kql: The query.
        timespan: If given, the tables hold only the items of this range.
        by_property: Whether single custom dimensions may be read by themselves where the query allows it. The result
            is the same either way; without it, the dimensions of every row are put together as JSON and parsed.

    Raises:
        QueryError: If it is not KQL, or uses what cannot be translated, or a table that does not exist.
    """
    if len(kql) > MAX_QUERY_LENGTH:
        raise QueryError(f"The query has {len(kql)} characters; at most {MAX_QUERY_LENGTH} are taken")
    bound_translation()
    teach_translator()
    _check_comparisons(kql)
    try:
        query = lower(_with_counts(kql))
        if is_too_large(query):
            raise QueryError(TOO_LARGE)
        tables = _tables(query, kql)
        operation = operation_asked_for(query)
        _mend_aggregates(query)
        properties = find_properties(query) if by_property else None
        hidden = [] if properties is None else [name for one in properties for name in one.columns]
        needed = needed_columns(query, kql)
        names = {table: [*(column.name for column in columns), *hidden] for table, columns in needed.items()}
        kept = set(_KEPT.findall(_without_text(kql)))
        body = _LET.sub(lambda let: _let(let[1], is_kept=let[2] in kept), str(to_sql(query, names)))
    except KqlError as error:
        raise _explain(error, kql) from error
    except RecursionError:
        raise QueryError("The query is nested too deeply") from None
    body = plainer(body, query)
    if properties is not None:
        body, properties = without_unread(read_properties(body, properties), properties)
    where = _where(timespan, operation)
    sources = [f'"{one}" AS NOT MATERIALIZED ({_source(one, needed[one], properties)}{where})' for one in tables]
    return Sql(_with(sources, body), reads_properties=properties is not None, operation=operation)


_LET = re.compile(r'("_l\d+_(\w+)") AS \(')
"""How the translator begins a `let` that is a table. It is a name for what it says, as in Azure: a filter behind it
reaches the table, and columns that nobody reads are not made. DuckDB would make it whole where it is named twice."""

_KEPT = re.compile(r"\blet\s+(\w+)\s*=\s*materialize\s*\(")
"""How a query says that a `let` shall be made whole, once; the translator takes it for a name all the same."""


def _let(name: str, *, is_kept: bool) -> str:
    return f"{name} AS {'' if is_kept else 'NOT '}MATERIALIZED ("


def _with(parts: Sequence[str], body: str) -> str:
    """Put common table expressions in front of a statement that may have its own."""
    if not parts:
        return body
    prefix = f"WITH {', '.join(parts)}"
    return f"{prefix}, {body.removeprefix('WITH ')}" if body.startswith("WITH ") else f"{prefix} {body}"


def _source(table: str, columns: Iterable[Column], properties: Sequence[Property] | None) -> str:
    """What a query sees of a table."""
    own = (
        f"{DIMENSIONS}::JSON AS {DIMENSIONS}"
        if properties is None and column.name == DIMENSIONS
        else f'"{column.name}"'
        for column in columns
    )
    shown = ", ".join((*own, *(selected for one in properties or () for selected in one.selected)))
    return f"SELECT {shown} FROM {stored(table)}"  # noqa: S608 - of names known here


def _where(timespan: Timespan | None, operation: str | None) -> str:
    """Which rows of the tables a query sees."""
    conditions = []
    if operation is not None:
        conditions.append(rows_of(operation))
    if timespan is not None:
        start, end = (moment.astimezone(UTC).isoformat().replace("+00:00", "Z") for moment in timespan)
        conditions.append(f"timestamp >= TIMESTAMP '{start}' AND timestamp < TIMESTAMP '{end}'")
    return f" WHERE {' AND '.join(conditions)}" if conditions else ""


def visualization(kql: str) -> str | None:
    """Return what a closing `render` operator asks for (`timechart`, ...), or None without one."""
    match = _RENDER.search(_without_text(kql))
    return match[1] if match else None


_RENDER = re.compile(r"\|\s*render\s+(\w+)[^|]*$")


_TEXT = re.compile(r"""//[^\n]*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'""")


def _without_text(kql: str) -> str:
    """A query with its comments and string literals blanked, every other character at its place."""
    return _TEXT.sub(lambda match: " " * len(match[0]), kql)


_ASSIGNMENT = re.compile(r"\|\s*(?:where|filter)\s+[\w.]+\s*(=)(?![=~])")


def _check_comparisons(kql: str) -> None:
    """Refuse `where name = 5`, of which the translator would make `where 5`, which is always true."""
    if match := _ASSIGNMENT.search(_without_text(kql)):
        raise QueryError("'=' does not compare: write '=='", *_line_and_pos(kql, match.start(1)))


_COUNT = re.compile(r"\b(?:take|limit|top)\s+([A-Za-z_]\w*)")
_NUMBER = re.compile(r"\blet\s+([A-Za-z_]\w*)\s*=\s*(\d+)\s*;")


def _with_counts(kql: str) -> str:
    """Write out the count of `take size` where `let size = 50;` stands before it: the translator takes numbers only."""
    bare = _without_text(kql)
    numbers = dict(_NUMBER.findall(bare))
    for match in reversed(list(_COUNT.finditer(bare))):
        if (number := numbers.get(match[1])) is not None:
            kql = kql[: match.start(1)] + number + kql[match.end(1) :]
    return kql


def _tables(query: ir.Query, kql: str) -> list[str]:
    """The tables that a query reads."""
    nodes = list(walk(query))
    bound = {name for node in nodes if isinstance(node, ir.Query) for name, _ in node.lets}
    tables: set[str] = set()
    for node in nodes:
        if isinstance(node, ir.TableRef | ir.WildcardTableRef) and (node.database or getattr(node, "cluster", None)):
            raise _at(kql, "database", "There is one database here: name the table alone")
        if isinstance(node, ir.WildcardTableRef):
            tables.update(TABLES)
        elif isinstance(node, ir.TableRef) and node.name in TABLES:
            tables.add(node.name)
        elif isinstance(node, ir.TableRef) and node.name not in bound:
            raise _at(kql, node.name, f"'{node.name}' is not a table{_suggestion(node.name, TABLES)}")
    return sorted(tables)


def _mend_aggregates(query: ir.Query) -> None:
    for node in walk(query):
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
    for node in walk(aggregate):
        if isinstance(node, ir.FunctionCall) and node.name in {"make_list", "make_set"} and len(node.args) > 1:
            raise KqlUnsupportedError(f"{node.name} with a size limit", hint=f"use {node.name}(x) without it")
    call = aggregate.expr
    if not (isinstance(call, ir.FunctionCall) and call.name == "percentiles" and aggregate.name is None):
        return [aggregate]
    value, *ranks = call.args
    return [dataclasses.replace(aggregate, expr=ir.FunctionCall("percentile", (value, rank))) for rank in ranks]


_OPERATORS: Final = frozenset(
    re.findall(
        r"\S+",
        """
        as consume count distinct evaluate extend facet find fork getschema invoke join limit lookup make-series
        mv-apply mv-expand order parse parse-where partition project project-away project-keep project-rename
        project-reorder reduce render sample sample-distinct scan search serialize sort summarize take top top-nested
        union where
        """,
    )
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
    if not rest.strip():
        return QueryError("The query ends too early", line, pos)
    message = diagnostic.message.partition(" expecting ")[0]
    return QueryError(f"Syntax error: {message}", line, pos)


def explain_database_error(error: duckdb.Error, kql: str) -> QueryError:
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
    return QueryError(message, *_line_and_pos(kql, found.start())) if found else QueryError(message)


def _line_and_pos(kql: str, index: int) -> tuple[int, int]:
    before = kql[:index]
    return before.count("\n") + 1, index - (before.rfind("\n") + 1)


def _suggestion(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean '{close[0]}'?" if close else ""
