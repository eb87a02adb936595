"""Rows on their way to the database: a JSON text for those that are alike, its columns as arrays.

A text is all that is kept of rows until they are stored: the objects that items were parsed to take more than twice as
much memory, and to let them go once they have left the processor's cache took a tenth of the server's time in Python.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from operator import not_
from typing import NamedTuple

import orjson

from pf_monitor.insights.keys import plain_columns
from pf_monitor.insights.rows import Batch, Columns, Row
from pf_monitor.insights.schema import DIMENSIONS, HIDDEN_PREFIX


class Document(NamedTuple):
    """Rows of one table, encoded for `layout.documents_sql`."""

    table: str
    plain: bool
    """Whether the keys' columns are filled, all of their values being plain."""
    columns: frozenset[str]
    places: Sequence[int]
    """Where each row stands among those that came with it."""
    text: str

    def rows(self) -> Iterator[tuple[int, Row]]:
        """Yield the rows again, each after its place."""
        columns: Columns = orjson.loads(self.text)
        own = {name: values for name, values in columns.items() if not name.startswith(HIDDEN_PREFIX)}
        return Batch(self.table, own, self.places).rows()


class Encoded(NamedTuple):
    """What rows come to: each is in a document or has been refused."""

    documents: list[Document]
    refused: dict[int, str]
    """The reasons, by the row's place."""


def encode(rows: Iterable[Batch]) -> Encoded:
    """Encode rows, with the keys' columns beside their own; refused is what cannot be JSON, as a lone surrogate."""
    encoded = Encoded([], {})
    for batch in rows:
        _encode(batch, encoded)
    return encoded


def _encode(batch: Batch, encoded: Encoded) -> None:
    try:
        encoded.documents.extend(_documents(batch))
    except orjson.JSONEncodeError as error:
        if len(batch.places) == 1:
            encoded.refused[batch.places[0]] = str(error)
            return
        middle = len(batch.places) // 2
        first = [number < middle for number in range(len(batch.places))]
        for half in (first, list(map(not_, first))):
            _encode(batch.only(half), encoded)


def _documents(batch: Batch) -> list[Document]:
    """Encode a batch: one document, or two where the values of only some are plain."""
    dimensions = batch.columns.get(DIMENSIONS)
    known = plain_columns(dimensions) if dimensions and isinstance(dimensions[0], dict) else None
    if known is None and dimensions is not None and len(dimensions) > 1:
        plain = [plain_columns([one]) is not None for one in dimensions]
        if any(plain):
            return [one for chosen in (plain, list(map(not_, plain))) for one in _documents(batch.only(chosen))]
    columns = batch.columns if known is None else batch.columns | known
    text = orjson.dumps(columns).decode()
    return [Document(batch.table, known is not None, frozenset(columns), batch.places, text)]
