"""Rows on their way to the database: a JSON text for those that are alike, its columns as arrays."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import compress
from operator import not_
from typing import NamedTuple

import orjson

from pf_monitor.insights.keys import plain_columns
from pf_monitor.insights.rows import Batch, Columns
from pf_monitor.insights.schema import DIMENSIONS


class Document(NamedTuple):
    """Rows of one table, encoded for `layout.documents_sql`."""

    table: str
    plain: bool
    """Whether the keys' columns are filled, all of their values being plain."""
    columns: frozenset[str]
    text: str


def encode(batches: Iterable[Batch]) -> list[Document]:
    """Encode rows, with the keys' columns beside their own.

    Raises:
        orjson.JSONEncodeError: If a value cannot be JSON, such as a lone surrogate.
    """
    return [document for batch in batches for document in _documents(batch.table, batch.columns)]


def _documents(table: str, columns: Columns) -> Iterator[Document]:
    """Encode alike rows: one document, or two where the values of only some are plain."""
    dimensions = columns.get(DIMENSIONS)
    known = plain_columns(dimensions) if dimensions and isinstance(dimensions[0], dict) else None
    if known is None and dimensions is not None and len(dimensions) > 1:
        plain = [plain_columns([one]) is not None for one in dimensions]
        if any(plain):
            for chosen in (plain, list(map(not_, plain))):
                yield from _documents(table, {name: list(compress(each, chosen)) for name, each in columns.items()})
            return
    document = columns if known is None else columns | known
    yield Document(table, known is not None, frozenset(document), orjson.dumps(document).decode())
