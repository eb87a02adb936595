"""What a few characters of a query may ask for: rows of `range`, text of `strrep`, and SQL.

DuckDB makes the whole of the first two at once. It does not look for an interrupt then, and takes memory that its own
limit does not count. The translator writes an argument as often as SQL needs it: of a `strcat` eight times, so that
five within each other, which take 130 characters of KQL, would take 130 million of SQL.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from typing import Final

from duckdb_kql import ir, translate

from pf_monitor.table import QueryError

TOO_LARGE: Final = "The query is too large: compute what stands deep within it in steps, each with `extend`"

MAX_RANGE: Final = 10_000_000
"""Rows of a range; a list of so many takes 80 MB."""

_MAX_EXPRESSION: Final = 1_000_000
"""Characters of SQL that one expression may take; those of the dashboard take some thousand."""

_MAX_NODES: Final = 100_000
"""Of a query's tree; the dashboard's have some thousand."""

_MAX_REPEATS: Final = 1024
"""As in Azure: more are not made, without an error."""

_MAX_REPEATED: Final = 1024 * 1024
"""Characters of a text that is repeated."""


def is_too_large(query: object) -> bool:
    """Whether a query has too many nodes when each is counted as often as there are ways to it.

    Each `let` stands where it is named, so that a few of them can double each other to any number.
    """
    known: dict[int, int] = {}

    def counted(node: object) -> int:
        if isinstance(node, list | tuple):
            return sum(map(counted, node))
        if not dataclasses.is_dataclass(node):
            return 0
        if (found := known.get(id(node))) is None:
            found = 1 + sum(counted(getattr(node, field.name)) for field in dataclasses.fields(node))
            known[id(node)] = found
        return found

    return counted(query) > _MAX_NODES


def bound_translation() -> None:
    """Have the translator give up where one expression takes too much SQL; for good."""
    if not hasattr(translate.render_expr, "bound"):
        vars(translate)["render_expr"] = _bound(translate.render_expr)


def _bound(render: Callable[[ir.Expr], str]) -> Callable[[ir.Expr], str]:
    def rendered(node: ir.Expr) -> str:
        sql = render(node)
        if len(sql) > _MAX_EXPRESSION:
            raise QueryError(TOO_LARGE)
        return sql

    rendered.bound = _MAX_EXPRESSION  # type: ignore[attr-defined]  # a mark
    return rendered


def bounded(sql: str) -> str:
    """Return a query's SQL, in which what has no bound has one."""
    done: list[str] = []
    position = 0
    while match := _TOKEN.search(sql, position):
        if (bound := _BOUNDS.get(match[0])) is None:
            done.append(sql[position : match.end()])
            position = match.end()
            continue
        arguments, end = _arguments(sql, match.end())
        done += sql[position : match.start()], bound([bounded(one) for one in arguments])
        position = end
    return "".join(done) + sql[position:]


_TOKEN = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|\b(?:generate_series|repeat)\(|[(),]|\[|\]""")


def _arguments(sql: str, position: int) -> tuple[list[str], int]:
    """The arguments of a call that has just been opened, and where it ends."""
    arguments: list[str] = []
    depth, begin = 0, position
    while match := _TOKEN.search(sql, position):
        position, found = match.end(), match[0]
        if depth == 0 and found in {",", ")"}:
            arguments.append(sql[begin : match.start()].strip())
            begin = position
        if depth == 0 and found == ")":
            break
        depth += found.endswith(("(", "[")) - (found in {")", "]"})
    return arguments, position


def _series(arguments: list[str]) -> str:
    if len(arguments) != 3:  # others are the translator's own, over what is there
        return f"generate_series({', '.join(arguments)})"
    start, stop, step = arguments
    if all(one.endswith(" AS BIGINT)") for one in arguments):
        steps = f"({stop} - {start}) / {step}"
    else:
        steps = f"(epoch(CAST({stop} AS TIMESTAMP)) - epoch(CAST({start} AS TIMESTAMP))) / epoch({step})"
    message = f"This range has more than {MAX_RANGE} rows: take a larger step"
    # In the place of an argument, since what is an alternative to an error DuckDB may make all the same.
    stop = f"CASE WHEN {steps} > {MAX_RANGE} THEN error('{message}') ELSE {stop} END"
    return f"generate_series({start}, {stop}, {step})"


def _repeated(arguments: list[str]) -> str:
    text, number = arguments
    most = f"{_MAX_REPEATED} // greatest(1, length(_text))"
    # A list of one, so that the text is not written, and made, twice.
    return f"list_transform([{text}], lambda _text: repeat(_text, least({number}, {_MAX_REPEATS}, {most})))[1]"


_BOUNDS: Final[dict[str, Callable[[list[str]], str]]] = {"generate_series(": _series, "repeat(": _repeated}
