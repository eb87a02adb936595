"""Rows on their way to the tables: one by one, and those that are alike together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import compress
from typing import Any, NamedTuple

from pf_monitor.insights.schema import DIMENSIONS

Columns = dict[str, Sequence[Any]]
"""Columns of some rows, by name, each as long as there are rows."""


class Row(NamedTuple):
    """A row for a table; a column that is absent stays empty, but for `itemId`, which the store makes."""

    table: str
    values: dict[str, Any]


class Batch(NamedTuple):
    """Rows of one table that have the same columns and the same custom dimensions.

    What an exporter sends comes in a handful of such batches, and is read, checked and encoded a column at a time:
    item by item that takes nearly twice as long.
    """

    table: str
    columns: Columns
    places: Sequence[int]
    """Where each row stands among those that came with it."""

    def rows(self) -> Iterator[tuple[int, Row]]:
        """Yield the rows, each after its place."""
        for number, place in enumerate(self.places):
            yield place, Row(self.table, {name: values[number] for name, values in self.columns.items()})

    def only(self, chosen: Sequence[bool]) -> Batch:
        """Return some of the rows."""
        columns: Columns = {name: list(compress(values, chosen)) for name, values in self.columns.items()}
        return Batch(self.table, columns, list(compress(self.places, chosen)))


def batches(rows: Iterable[tuple[int, Row]]) -> list[Batch]:
    """Put rows that are alike together.

    Args:
        rows: Rows of any tables, each after its place.
    """
    alike: defaultdict[tuple[str, tuple[str, ...], tuple[str, ...] | None], list[tuple[int, Row]]] = defaultdict(list)
    for place, row in rows:
        dimensions = row.values.get(DIMENSIONS)
        keys = tuple(dimensions) if isinstance(dimensions, dict) else None
        alike[row.table, tuple(row.values), keys].append((place, row))
    return [_batch(table, names, found) for (table, names, _), found in alike.items()]


def _batch(table: str, names: Sequence[str], rows: Sequence[tuple[int, Row]]) -> Batch:
    columns: Columns = {name: [row.values[name] for _, row in rows] for name in names}
    return Batch(table, columns, [place for place, _ in rows])
