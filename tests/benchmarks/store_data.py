"""A store of any size for the benchmarks: a question-answering flow over some days, in the layout of ingestion.

Every request is what pf_monitor records of one: the flow run, a retrieval, a node and a model call, with the dimensions
of the telemetry contract and text of the usual lengths. Two in a hundred fail, with an exception; one in ten is judged.
A process tells its CPU and memory each minute. Equal arguments give equal telemetry, but for `itemId`.

DuckDB makes the items (`store_data.sql`), far faster than Python would, and the store's own statement inserts them.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from string import Template
from typing import Final, NamedTuple

import duckdb

from pf_monitor.insights import Store
from pf_monitor.insights.layout import insert_sql

SPANS_PER_REQUEST: Final = 4
_CHUNK_REQUESTS: Final = 25_000
_SECTIONS: Final = dict(
    section.split("\n", 1) for section in (Path(__file__).parent / "store_data.sql").read_text().split("-- name: ")[1:]
)
_TABLES: Final = ("requests", "dependencies", "exceptions", "customEvents")


class Data(NamedTuple):
    """What to make.

    Attributes:
        requests: How many.
        start: When the first one comes.
        end: When the last one has come: they are spread evenly.
    """

    requests: int
    start: datetime
    end: datetime

    @property
    def started(self) -> str:
        """The start in SQL."""
        return self.start.astimezone(UTC).replace(tzinfo=None).isoformat(sep=" ")


def fill(store: Store, data: Data) -> Iterator[int]:
    """Write the telemetry to a store, and yield after each part how many requests are in it."""
    with store._connection.cursor() as cursor:
        for name in ("sentences", "passages"):
            cursor.execute(f"CREATE TEMP TABLE {name} AS {_SECTIONS[name]}")
        for first in range(0, data.requests, _CHUNK_REQUESTS):
            last = min(first + _CHUNK_REQUESTS, data.requests)
            cursor.execute(f"CREATE OR REPLACE TEMP TABLE operations AS {_operations(data, first, last)}")
            for table in _TABLES:
                _insert(cursor, table, data)
            yield last
        _insert(cursor, "performanceCounters", data)
        cursor.execute("CHECKPOINT store")


def _operations(data: Data, first: int, last: int) -> str:
    microseconds = (data.end - data.start).total_seconds() * 1_000_000
    return Template(_SECTIONS["operations"]).substitute(
        first=first,
        last=last,
        start=data.started,
        step=f"{microseconds / data.requests:.3f}",
    )


def _insert(cursor: duckdb.DuckDBPyConnection, table: str, data: Data) -> None:
    cost = _SECTIONS["cost"]
    parts = {"origin": _SECTIONS["origin"], "correlation": _SECTIONS["correlation"], "cost": cost}
    parts |= {"start": data.started, "minutes": str((data.end - data.start) // timedelta(minutes=1))}
    items = Template(_SECTIONS[table]).substitute(parts, sums=Template(_SECTIONS["sums"]).substitute(cost=cost))
    rows = f"SELECT * REPLACE (customDimensions::VARIANT AS customDimensions) FROM ({items})"
    columns = [name for name, *_ in cursor.execute(f"DESCRIBE {rows}").fetchall()]
    cursor.execute(insert_sql(table, f"({rows} ORDER BY timestamp)", columns, plain=False))
