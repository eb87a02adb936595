"""What a query gives, whoever answered it: rows under columns in Azure's types, or an error with its place."""

from __future__ import annotations

from typing import Literal, NamedTuple

AzureType = Literal["string", "datetime", "real", "long", "int", "bool", "dynamic", "timespan", "guid"]
"""A column type as the query API names it."""

Value = str | int | float | bool | None
"""A cell: JSON as Azure's API has it. A datetime is ISO-8601 text in UTC, a dynamic its JSON text, a timespan
`d.hh:mm:ss.fffffff`."""


class Column(NamedTuple):
    """One column of a table or of a query's result."""

    name: str
    type: AzureType


class Table(NamedTuple):
    """Rows and the columns that they have."""

    columns: tuple[Column, ...]
    rows: list[list[Value]]
    visualization: str | None = None
    """What the query's `render` asks for."""

    def records(self) -> list[dict[str, Value]]:
        """Return the rows as dicts by column name."""
        names = [column.name for column in self.columns]
        return [dict(zip(names, row, strict=True)) for row in self.rows]


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
