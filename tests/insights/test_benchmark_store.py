"""The store that benchmarks ask is the one that ingestion would have written."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from store_data import Data, fill
from store_items import TABLES, bodies, items

from pf_monitor.insights import Store
from pf_monitor.insights.schema import stored
from pf_monitor.insights.server import running

DATA = Data(requests=300, start=datetime(2024, 5, 1, tzinfo=UTC), end=datetime(2024, 5, 1, 0, 20, tzinfo=UTC))


def columns(store: Store, table: str) -> dict[str, list[Any]]:
    """Every column of a table, hidden ones too, but for the id that each row is given."""
    cursor = store._connection.execute(
        "SELECT * EXCLUDE itemId REPLACE (customDimensions::JSON::VARCHAR AS customDimensions)"
        f" FROM {stored(table)} ORDER BY timestamp, coalesce({'name' if table != 'exceptions' else 'type'}, ''),"
        " customDimensions::VARCHAR"
    )
    names = [name for name, *_ in cursor.description or ()]
    return dict(zip(names, map(list, zip(*cursor.fetchall(), strict=True)), strict=True))


@pytest.fixture
def made(tmp_path: Path) -> Path:
    with Store.open(tmp_path / "made") as store:
        assert list(fill(store, DATA)) == [300]
    return tmp_path / "made"


def test_what_is_made_for_benchmarks_equals_what_is_ingested(made: Path, tmp_path: Path) -> None:
    with Store.open(made, read_only=True) as store:
        expected = {table: columns(store, table) for table in TABLES}
        sent = list(items(store))
    assert len(sent) > 1200
    with running(tmp_path / "sent") as port, httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        for body in bodies(sent, 100):
            answer = client.post("/v2.1/track", content=body, headers={"Content-Encoding": "gzip"})
            assert answer.json()["errors"] == []

    with Store.open(tmp_path / "sent", read_only=True) as store:
        for table in TABLES:
            ingested = columns(store, table)
            assert ingested.keys() == expected[table].keys()
            for name, values in ingested.items():
                assert values == expected[table][name], f"{table}.{name}"
