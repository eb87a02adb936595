"""Rows on their way to the database: a JSON text for those that are alike, its columns as arrays."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import compress
from operator import not_
from typing import Any, NamedTuple

import orjson

from pf_monitor.insights.envelope import Row
from pf_monitor.insights.keys import plain_columns
from pf_monitor.insights.schema import DIMENSIONS

Values = dict[str, object]


class Document(NamedTuple):
    """Rows of one table, encoded for `layout.documents_sql`."""

    table: str
    plain: bool
    """Whether the keys' columns are filled, all of their values being plain."""
    columns: frozenset[str]
    text: str


def encode(rows: Sequence[Row]) -> list[Document]:
    """Encode rows, with the keys' columns beside their own.

    Rows of one shape, which have the same columns and the same custom dimensions, become a document: an exporter's
    items have a handful of shapes, and so nothing has to be looked for row by row.

    Raises:
        orjson.JSONEncodeError: If a value cannot be JSON, such as a lone surrogate.
    """
    shapes: defaultdict[tuple[str, tuple[str, ...], tuple[str, ...] | None], list[Values]] = defaultdict(list)
    for table, values in rows:
        dimensions = values.get(DIMENSIONS)
        keys = tuple(dimensions) if isinstance(dimensions, dict) else None
        shapes[table, tuple(values), keys].append(values)
    return [document for (table, names, _), alike in shapes.items() for document in _documents(table, names, alike)]


def _documents(table: str, names: Sequence[str], rows: Sequence[Values]) -> Iterator[Document]:
    """Encode rows of one shape: one document, or two where the values of only some are plain."""
    columns: dict[str, Any] = dict(zip(names, zip(*(row.values() for row in rows), strict=True), strict=True))
    dimensions = columns.get(DIMENSIONS)
    known = plain_columns(dimensions) if dimensions is not None and isinstance(dimensions[0], dict) else None
    if known is None and dimensions is not None and len(rows) > 1:
        plain = [plain_columns([one]) is not None for one in dimensions]
        if any(plain):
            yield from _documents(table, names, list(compress(rows, plain)))
            yield from _documents(table, names, list(compress(rows, map(not_, plain))))
            return
    if known is not None:
        columns.update(known)
    yield Document(table, known is not None, frozenset(columns), orjson.dumps(columns).decode())
