"""Collected data in Azure Blob Storage, against Azurite."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from azurite import ACCOUNT, KEY, azurite, connection_string
from recorded import ALWAYS, record, recorded
from shop import shop

from pf_monitor import notices, runtime
from pf_monitor.collected.blobs import CONNECTION_STRING
from pf_monitor.collected.places import PlaceError, place
from pf_monitor.collected.writing import Collector
from pf_monitor.quality.collected import CollectedReader
from pf_monitor.quality.monitor import Column, Columns, Target
from pf_monitor.quality.reading import SourceLostError


@pytest.fixture(scope="module")
def account() -> Iterator[str]:
    with azurite() as url:
        yield url


@pytest.fixture
def by_key(account: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv(CONNECTION_STRING, connection_string(account))
    return account


def rows(address: str, columns: Columns | None = None) -> list[Any]:
    columns = columns or Columns()
    with CollectedReader([place(address)], Target(), columns) as reader:
        runs = reader.runs(ALWAYS)
        return reader.rows(ALWAYS, runs, [1.0] * len(runs), columns)


def sas(account: str, container: str, permissions: str) -> str:
    from azure.storage.blob import generate_container_sas

    token: str = generate_container_sas(
        ACCOUNT, container, account_key=KEY, permission=permissions, expiry=datetime.now(UTC) + timedelta(hours=1)
    )
    return f"{account}/{container}/data?{token}"


def test_a_flow_collects_into_a_blob_and_a_monitor_reads_it(by_key, collecting):
    collecting(collect_to=f"{by_key}/flows/data")
    for number in range(3):
        shop(f"How heavy are {number}?", [])
        assert runtime.flush(30)
    runtime.stop(30)
    found = rows(f"{by_key}/flows/data")
    assert sorted(row.texts[Column.PROMPT] for row in found) == [f"How heavy are {n}?" for n in range(3)]
    assert {row.texts[Column.COMPLETION] for row in found} == {"2.1 kg."}
    paths = [path for path in place(f"{by_key}/flows").files() if "model_inputs" in path]
    assert all(path.startswith("data/modelDataCollector/shop/default/model_inputs/") for path in paths)
    assert rows(f"{by_key}/flows/data/modelDataCollector/shop/default") != []
    assert rows(f"{by_key}/flows/dat") == [], "a folder is not a beginning of a name"


def test_the_recorded_records_are_the_same_rows_from_a_blob(by_key):
    folder = recorded()
    blobs = place(f"{by_key}/recorded")
    for path in folder.iterdir():
        blobs.append(path.name, path.read_bytes())
    blobs.close()
    with CollectedReader([place(str(folder))], Target(), Columns()) as reader:
        runs = reader.runs(ALWAYS)
        assert rows(f"{by_key}/recorded") == reader.rows(ALWAYS, runs, [1.0] * len(runs), Columns())


def test_what_is_larger_than_a_block_arrives_whole(by_key):
    blobs = place(f"{by_key}/large")
    lines = [json.dumps(record("model_inputs", [{"question": f"{n}" * 60_000}], f"c{n}")) + "\n" for n in range(100)]
    blobs.append("a.jsonl", "".join(lines).encode())
    blobs.append("a.jsonl", json.dumps(record("model_inputs", [{"question": "last"}], "last")).encode())
    found = list(blobs.read("a.jsonl"))
    blobs.close()
    assert len(found) > 1, "it is read in pieces"
    assert len(rows(f"{by_key}/large")) == 101


def test_a_sas_in_the_url_is_enough_and_is_told_to_nobody(account, by_key, monkeypatch):
    place(f"{by_key}/shared").append(
        "data/x.jsonl", json.dumps(record("model_inputs", [{"question": "?"}], "c")).encode()
    )
    monkeypatch.delenv(CONNECTION_STRING)
    allowed = sas(account, "shared", "racwl")
    assert [row.texts for row in rows(allowed)] == [{Column.PROMPT: "?"}]
    assert place(allowed).name == f"{account}/shared/data"
    with pytest.raises(PlaceError) as refused:
        place(sas(account, "shared", "r")).append("x.jsonl", b"{}")
    assert str(refused.value).startswith(f"{account}/shared/data cannot be written: ")
    assert "sig=" not in str(refused.value)


def test_a_container_that_is_not_there_ends_the_run_with_a_word(by_key):
    with pytest.raises(SourceLostError, match=r"/nowhere cannot be listed: The specified container does not exist"):
        rows(f"{by_key}/nowhere")


def test_while_the_account_is_away_records_are_kept(by_key, monkeypatch, caplog):
    notices.forget()
    nobody = "http://127.0.0.1:9/devstoreaccount1"
    monkeypatch.setenv(CONNECTION_STRING, connection_string(nobody))
    away = place(f"{nobody}/away")
    monkeypatch.setenv(CONNECTION_STRING, connection_string(by_key))
    here = place(f"{by_key}/away")
    collector = Collector(f"{by_key}/away", delay_s=3600)
    collector._place = away
    collector.put("a.jsonl", json.dumps(record("model_inputs", [{"question": "kept"}], "c")).encode())
    assert not collector.flush(60)
    assert f"cannot write collected data: {nobody}/away cannot be written" in caplog.text
    collector._place = here
    assert collector.flush(60)
    collector.stop(30)
    away.close()
    assert [row.texts for row in rows(f"{by_key}/away")] == [{Column.PROMPT: "kept"}]


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("https://acc.blob.core.windows.net/box/a/b", "https://acc.blob.core.windows.net/box/a/b"),
        ("wasbs://box@acc.blob.core.windows.net/a", "https://acc.blob.core.windows.net/box/a"),
        ("abfss://box@acc.dfs.core.windows.net/a/", "https://acc.blob.core.windows.net/box/a"),
        ("https://acc.blob.core.windows.net/box?sv=1&sig=secret", "https://acc.blob.core.windows.net/box"),
    ],
)
def test_addresses_as_azure_writes_them(monkeypatch, address, name):
    monkeypatch.delenv(CONNECTION_STRING, raising=False)
    found = place(address)
    assert found.name == name
    found.close()


def test_a_connection_string_that_is_none_is_said(monkeypatch):
    monkeypatch.setenv(CONNECTION_STRING, "nonsense")
    with pytest.raises(PlaceError, match="is no connection string of a storage account"):
        place("https://acc.blob.core.windows.net/box")
