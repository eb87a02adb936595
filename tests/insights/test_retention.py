"""What the store gives up: the oldest first, no more than needed, and its space with it."""

from __future__ import annotations

import gc
import json
import resource
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest
from talk import Server, request

from pf_monitor.insights import Limits, Store, retention
from pf_monitor.insights.envelope import Row, to_row
from pf_monitor.insights.inserts import Inserts
from pf_monitor.insights.retention import Retention, used_bytes

NOW = datetime(2024, 6, 1, tzinfo=UTC)


def item(day: int, number: int, **properties: object) -> Row:
    """An item of a day of May."""
    time = datetime(2024, 5, day, tzinfo=UTC) + timedelta(seconds=number)
    return to_row(request(properties=properties) | {"time": time.isoformat()})


def passes(store: Store, limits: Limits) -> Retention:
    """Do passes until nothing is left to delete."""
    done = Retention(limits, lambda: NOW)
    with store._connection.cursor() as cursor:
        while done.run(cursor):
            pass
    return done


def test_items_beyond_the_age_go_in_passes(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "PASS_ROWS", 7)
    store.append([item(day, number) for day in (1, 2, 3) for number in range(20)])

    done = passes(store, Limits(timedelta(days=29, hours=12), 10**12))

    assert store.query("requests | summarize count(), min(timestamp)").rows == [[20, "2024-05-03T00:00:00Z"]]
    assert done.held.deleted == 40


def test_the_oldest_go_until_the_size_is_kept(store: Store) -> None:
    for day in range(1, 9):
        texts = (
            f"{day}-{number}-" + "".join(chr(40 + (number * k) % 80) for k in range(1, 400)) for number in range(20_000)
        )
        store.append([item(day, number, question=text) for number, text in enumerate(texts)])
    with store._connection.cursor() as cursor:
        cursor.execute("CHECKPOINT store")
        before = used_bytes(cursor)

    done = passes(store, Limits(timedelta(days=365), before // 2))

    ((left, oldest, newest),) = store.query("requests | summarize count(), min(timestamp), max(timestamp)").rows
    assert before // 4 < done.held.used <= before // 2
    assert newest == "2024-05-08T05:33:19Z"
    assert left == 160_000 - done.held.deleted
    assert isinstance(oldest, str)
    assert oldest > "2024-05-03"


def test_within_the_limits_nothing_goes(store: Store) -> None:
    store.append([item(31, 0)])
    assert passes(store, Limits()).held.deleted == 0
    assert store.query("requests | count").rows == [[1]]


def test_a_store_is_kept_within_its_limits_while_it_is_open(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        store.append([item(1, 0), to_row(request() | {"time": datetime.now(UTC).isoformat()})])
        store.keep_within(Limits())
        store.append([item(1, 1)])  # the writer has done the pass that was asked for before
    with Store.open(tmp_path, read_only=True) as store:
        assert store.query("requests | where timestamp < datetime(2024-05-01T00:00:01Z) | count").rows == [[0]]
        assert store.query("requests | where timestamp > ago(1h) | count").rows == [[1]]


def test_a_full_disk_is_said_and_got_over(
    server: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    body = json.dumps([request()] * 100)
    assert server.track(body).status_code == 200

    def full(*_: object) -> None:
        raise duckdb.TransactionException('Could not write file "insights.duckdb.wal": No space left on device')

    with monkeypatch.context() as patched:
        patched.setattr(Inserts, "insert", full)
        answer = server.track(body)
    gc.collect()  # asyncio would tell now of an error that nobody looked at

    message = "Cannot store telemetry: the disk is full. Make room, or keep less: pf-monitor up --keep-gb 2"
    assert answer.status_code == 503
    assert [error["message"] for error in answer.json()["errors"]] == [message] * 100
    assert caplog.records == []
    assert server.rows("requests | count") == [{"Count": 100}]
    assert server.track(body).status_code == 200
    assert server.rows("requests | count") == [{"Count": 200}]


def test_nothing_that_was_acknowledged_is_lost_when_files_can_grow_no_more(server: Server) -> None:
    body = json.dumps([request(properties={"question": f"{number}" * 2000}) for number in range(100)])
    acknowledged = 0
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4 * 1024**2, hard))
    try:
        while (answer := server.track(body)).status_code == 200:
            acknowledged += 100
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    assert answer.status_code == 503
    assert answer.json()["errors"][0]["message"].startswith("Cannot store telemetry: ")
    assert server.rows("requests | count") == [{"Count": acknowledged}]
    assert server.track(body).status_code == 200
    assert server.rows("requests | count") == [{"Count": acknowledged + 100}]
