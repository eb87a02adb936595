"""What was acknowledged is kept, by its owner alone, and is there for the next query."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path

import httpx
import pytest
from talk import Server, request

from pf_monitor.insights import Store, StoreBusyError, StoreError
from pf_monitor.insights.envelope import Row, to_row
from pf_monitor.table import QueryError


def test_acknowledged_items_survive_a_kill(tmp_path: Path) -> None:
    directory = tmp_path / "insights"
    command = [
        sys.executable,
        "-c",
        "from pf_monitor.cli import main; main()",
        "up",
        "--port",
        "0",
        "--data",
        directory,
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            url = process.stdout.readline().split()[-1]
            with httpx.Client(base_url=url, trust_env=False) as client:
                for number in range(20):
                    body = json.dumps([request(f"{number}", properties={"n": number})] * 50)
                    assert client.post("/v2.1/track", content=body).status_code == 200
        finally:
            process.kill()

    with Store.open(directory, read_only=True) as store:
        assert store.query("requests | summarize count(), sum(toint(customDimensions.n))").rows == [[1000, 50 * 190]]


def test_an_answered_item_is_in_the_next_query(server: Server) -> None:
    for number in range(30):
        assert server.track(json.dumps(request())).status_code == 200
        assert server.rows("requests | count") == [{"Count": number + 1}]


def test_writers_and_readers_together(store: Store) -> None:
    """Many at once: nothing lost, and no reader ever sees half of what was appended together."""
    rows = [to_row(request("pair")), to_row(request("pair"))]
    writers = [threading.Thread(target=lambda: [store.append(rows) for _ in range(50)]) for _ in range(4)]
    for writer in writers:
        writer.start()
    counts = []
    while any(writer.is_alive() for writer in writers):
        counts.append(store.query("requests | count").rows[0][0])
    for writer in writers:
        writer.join()

    assert counts == sorted(counts)
    assert all(count % 2 == 0 for count in counts if isinstance(count, int))
    assert store.query("requests | count").rows == [[400]]


def test_a_row_that_the_database_refuses_is_refused_alone(store: Store) -> None:
    good = to_row(request("good"))
    bad = Row("requests", good.values | {"timestamp": "yesterday", "name": "bad"})

    refused = store.append([good, bad, good])

    assert list(refused) == [1]
    assert store.query("requests | project name").rows == [["good"], ["good"]]


def test_the_directory_is_its_owners_alone(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    with Store.open(tmp_path):
        assert tmp_path.stat().st_mode & 0o777 == 0o700


def test_reopened_store_has_everything(tmp_path: Path) -> None:
    for number in range(3):
        with Store.open(tmp_path) as store:
            store.append([to_row(request(properties={"n": number}))])

    with Store.open(tmp_path) as store:
        assert store.query("requests | summarize sum(toint(customDimensions.n))").rows == [[3]]


def test_a_store_in_use_says_so(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from pf_monitor.insights import Store\n"
        "with Store.open(Path(sys.argv[1])): print('open', flush=True); input()"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        with pytest.raises(StoreBusyError, match="Another process has the store"):
            Store.open(tmp_path)
        process.communicate(b"\n")


def test_what_cannot_be_opened_says_so(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="There is no telemetry in"):
        Store.open(tmp_path / "nowhere", read_only=True)
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="Cannot open the store"):
        Store.open(tmp_path / "file")
    (tmp_path / "insights.duckdb").write_bytes(b"not a database" * 1000)
    with pytest.raises(StoreError, match="Cannot open the store"):
        Store.open(tmp_path)


def test_read_only_and_closed_stores_refuse_rows(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    store.close()
    with pytest.raises(StoreError, match="closed"):
        store.append([to_row(request())])
    with Store.open(tmp_path, read_only=True) as reading:
        assert reading.query("requests | count").rows == [[0]]
        with pytest.raises(StoreError, match="reading only"):
            reading.append([to_row(request())])
        with pytest.raises(QueryError):
            reading.query("nothing")
