"""Rows on their way to the database: one JSON text for each table, its columns as arrays."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import orjson

from pf_monitor.insights.envelope import Row
from pf_monitor.insights.keys import plain_values
from pf_monitor.insights.schema import DIMENSIONS


class Document(NamedTuple):
    """Rows of one table, encoded for `layout.documents_sql`."""

    table: str
    plain: bool
    """Whether the keys' columns are filled, all of their values being plain."""
    columns: frozenset[str]
    text: str


def encode(rows: Sequence[Row]) -> list[Document]:
    """Encode rows, whose values get the keys' columns beside their own.

    Raises:
        orjson.JSONEncodeError: If a value cannot be JSON, such as a lone surrogate.
    """
    groups: defaultdict[tuple[str, bool], list[Mapping[str, object]]] = defaultdict(list)
    for table, values in rows:
        dimensions = values.get(DIMENSIONS)
        known = plain_values(dimensions) if isinstance(dimensions, dict) else None
        if known:
            values.update(known)
        groups[table, known is not None].append(values)
    return [_document(table, plain, group) for (table, plain), group in groups.items()]


def _document(table: str, plain: bool, rows: Sequence[Mapping[str, object]]) -> Document:
    columns = frozenset[str]().union(*rows)
    text = orjson.dumps({name: [row.get(name) for row in rows] for name in columns}).decode()
    return Document(table, plain, columns, text)
