"""What a few characters of a query may ask for: rows of `range`, and text of `strrep`.

DuckDB makes the whole of either at once. It does not look for an interrupt then, and takes memory that its own limit
does not count.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

MAX_RANGE: Final = 10_000_000
"""Rows of a range; a list of so many takes 80 MB."""

_MAX_REPEATS: Final = 1024
"""As in Azure: more are not made, without an error."""

_MAX_REPEATED: Final = 1024 * 1024
"""Characters of a text that is repeated."""


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
