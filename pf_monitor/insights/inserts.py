"""The statements that insert documents, each planned once.

Planning one of them takes as long as inserting some hundred rows, and handing it texts as parameters as long as storing
them. So each is prepared, and takes its texts by calling a function of Python's.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import count
from typing import Final

import duckdb

from pf_monitor.insights.documents import Document
from pf_monitor.insights.layout import documents_sql

_FUNCTION: Final = "pf_monitor_documents"


class Inserts:
    """Inserts documents on one cursor.

    Args:
        cursor: Of a database whose tables are there; no other part of the program inserts into them.
    """

    def __init__(self, cursor: duckdb.DuckDBPyConnection) -> None:
        self._cursor = cursor
        self._texts: list[str] = []
        """What the function returns: the texts that are being inserted."""
        self._columns: defaultdict[tuple[str, bool], frozenset[str]] = defaultdict(frozenset)
        """The columns that the statement for a table reads: all that a document had so far."""
        self._prepared: dict[tuple[str, bool], str] = {}
        """The names of prepared statements."""
        self._numbers = count()
        cursor.create_function(_FUNCTION, lambda: self._texts, [], duckdb.sqltype("VARCHAR[]"), side_effects=True)

    def insert(self, documents: Sequence[Document]) -> None:
        """Insert documents.

        Raises:
            duckdb.Error: If one cannot be inserted; which one, it does not tell.
        """
        groups: defaultdict[tuple[str, bool], list[Document]] = defaultdict(list)
        for one in documents:
            groups[one.table, one.plain].append(one)
        try:
            for kind, group in groups.items():
                self._texts = [one.text for one in group]
                self._cursor.execute(f"EXECUTE {self._statement(kind, group)}")
        finally:
            self._texts = []

    def _statement(self, kind: tuple[str, bool], group: Sequence[Document]) -> str:
        """Return the name of the prepared statement for documents of a table, all plain or none."""
        known = self._columns[kind]
        if kind in self._prepared and all(one.columns <= known for one in group):
            return self._prepared[kind]
        known = known.union(*(one.columns for one in group))
        name = f"pf_monitor_insert_{next(self._numbers)}"
        table, plain = kind
        self._cursor.execute(f"PREPARE {name} AS {documents_sql(table, known, f'{_FUNCTION}()', plain=plain)}")
        if kind in self._prepared:
            self._cursor.execute(f"DEALLOCATE {self._prepared[kind]}")
        self._columns[kind], self._prepared[kind] = known, name
        return name
