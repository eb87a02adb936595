"""What a server takes on at once is bounded: what is beyond it is refused in words, and can come again."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from talk import Server, request

from pf_monitor.insights import Store, StoreError, api, body, result, server
from pf_monitor.insights import store as store_module
from pf_monitor.insights.api import create_app
from pf_monitor.insights.envelope import Row, to_row
from pf_monitor.insights.server import running
from pf_monitor.table import QueryError
from pf_monitor.web.site import routes

ITEM = json.dumps(request()).encode()
COUNT = "/v1/apps/local/query?query=requests|count"


@pytest.fixture
async def client(store: Store, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a server that has room for one item and a half."""
    monkeypatch.setattr(api, "MAX_HELD_BYTES", len(ITEM) * 3 // 2)
    transport = httpx.ASGITransport(create_app(store, routes(store)))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        yield client


async def slowly(content: bytes, go_on: asyncio.Event, begun: asyncio.Event) -> AsyncIterator[bytes]:
    yield content[:-1]
    begun.set()
    await go_on.wait()
    yield content[-1:]


async def test_bodies_that_arrive_together_are_bounded_together(client: httpx.AsyncClient) -> None:
    go_on, begun = asyncio.Event(), asyncio.Event()
    first = asyncio.create_task(client.post("/v2.1/track", content=slowly(ITEM, go_on, begun)))
    await begun.wait()

    refused = await client.post("/v2.1/track", content=ITEM)
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
    assert refused.json()["errors"][0]["message"] == "The server is busy with other items: send these again"
    assert (await client.post("/v2.1/track", content=b"[]")).status_code == 400  # for this there is room

    go_on.set()
    assert (await first).status_code == 200
    assert (await client.post("/v2.1/track", content=ITEM)).status_code == 200


async def test_what_waits_for_the_disk_takes_room_too(
    client: httpx.AsyncClient, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk, parsed, submit = threading.Event(), asyncio.Event(), store.submit
    loop = asyncio.get_running_loop()

    def submitted(rows: Sequence[Row]) -> Future[Mapping[int, str]]:
        future = submit(rows)
        loop.call_soon_threadsafe(parsed.set)
        return future

    monkeypatch.setattr(store, "submit", submitted)
    assert store._writer is not None
    store._writer.do(lambda _: disk.wait(60))
    waiting = asyncio.create_task(client.post("/v2.1/track", content=ITEM))
    await parsed.wait()
    refused = await client.post("/v2.1/track", content=ITEM)
    disk.set()

    assert (refused.status_code, (await waiting).status_code) == (503, 200)
    assert (await client.post("/v2.1/track", content=ITEM)).status_code == 200
    assert store.query("requests | count").rows == [[2]]


async def test_who_sends_too_slowly_makes_room_for_others(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "BODY_SECONDS", 0.01)
    never = asyncio.Event()

    answer = await client.post("/v2.1/track", content=slowly(ITEM, never, asyncio.Event()))
    assert answer.status_code == 408
    assert answer.json()["errors"][0]["message"] == "The body did not arrive within 0.01 s"

    monkeypatch.setattr(api, "BODY_SECONDS", 60)
    assert (await client.post("/v2.1/track", content=ITEM)).status_code == 200


@pytest.mark.parametrize(
    "content",
    [b"[" + b"{}," * 3 + b"{}]", b"{}\n" * 4, b"[" + b"{}," * 4, b"x\r" * 4],
    ids=["array", "lines", "cut", "none"],
)
def test_items_are_bounded_however_small(server: Server, monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setattr(body, "MAX_ITEMS", 3)
    answer = server.track(content)

    assert answer.status_code == 413
    assert answer.json()["errors"][0]["message"] == "The body has more than 3 items"


def test_values_are_bounded_however_small(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body, "_MAX_VALUES", 1000)
    few = json.dumps([request(properties={"text": "x" * 2000})])
    many = json.dumps([request(properties={"list": [[]] * 500})])

    assert server.track(few).status_code == 200
    answer = server.track(many)
    assert (answer.status_code, answer.json()["errors"][0]["message"]) == (413, "The body has more than 1000 values")


def test_a_damaged_array_of_items_that_are_nested_too_deeply_is_no_fault_of_the_server(server: Server) -> None:
    deep = "[" * 900 + "]" * 900
    answer = server.track(f'[{json.dumps(request())},{{"x": NaN, "y": {deep}}}]')

    assert (answer.status_code, answer.json()["itemsAccepted"]) in {(206, 1), (200, 2)}


@contextmanager
def busy(store: Store) -> Iterator[None]:
    """Have as many queries run as may."""
    for _ in range(store_module.QUERIES_AT_ONCE):
        assert store._turns.acquire(blocking=False)
    yield
    for _ in range(store_module.QUERIES_AT_ONCE):
        store._turns.release()


async def test_queries_at_once_are_bounded(
    client: httpx.AsyncClient, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "WAIT_SECONDS", 0.01)
    with busy(store):
        answer = await client.get(COUNT)
        page = await client.get("/requests", headers={"Accept": "text/html"})
        assert (await client.post("/v2.1/track", content=ITEM)).status_code == 200

    message = "4 other queries run, and none ended within 0.01 s: ask again later"
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert answer.json() == {"error": {"message": message, "code": "ServiceUnavailable"}}
    assert (page.status_code, "The server is busy" in page.text, message in page.text) == (503, True, True)
    assert (await client.get(COUNT)).json()["tables"][0]["rows"] == [[1]]


async def test_no_number_of_waiting_queries_keeps_items_waiting(client: httpx.AsyncClient, store: Store) -> None:
    with busy(store):
        queries = [asyncio.create_task(client.get(COUNT)) for _ in range(60)]  # there are forty threads for them
        assert (await client.post("/v2.1/track", content=ITEM)).status_code == 200
        assert not any(query.done() for query in queries)

    assert {(await query).status_code for query in queries} == {200}


HUNGRY = "range x from 1 to 2000000 step 1 | extend y = strcat('a long beginning ', x) | summarize count() by y | count"


@pytest.mark.parametrize("spilled", [1_000_000, 1_000_000_000])
def test_what_queries_write_to_disk_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spilled: int) -> None:
    monkeypatch.setitem(store_module._CONFIG, "memory_limit", "40MB")
    monkeypatch.setattr(store_module, "MOST_SPILLED", spilled)
    with Store.open(tmp_path) as store:
        if spilled == 1_000_000:
            with pytest.raises(QueryError, match="needs more memory than there is for it: narrow its time range"):
                store.query(HUNGRY)
        else:
            assert store.query(HUNGRY).rows == [[2_000_000]]
        store.append([to_row(request())])
        assert store.query("requests | count").rows == [[1]]


@pytest.mark.parametrize(
    "kql",
    [
        "range x from 1 to 1e9 step 1",
        "range x from 5 to -1000000000 step -1 | count",
        "range x from 1 to 9 step 0",
        "let n = 1000000000; range x from 1 to n step 1 | count",
        "range t from datetime(2000-01-01) to datetime(2024-01-02T00:00:00Z) step 1ms | count",
        "requests | extend y = 1 | join kind=inner (range y from 1 to 1000000000 step 1) on y",
    ],
)
def test_a_range_that_is_too_long_is_refused_at_once(store: Store, kql: str) -> None:
    """DuckDB would make it whole, deaf to interrupts, in memory that its limit does not count."""
    with pytest.raises(QueryError, match="This range has more than 10000000 rows: take a larger step"):
        store.query(kql)


@pytest.mark.parametrize(
    ("kql", "rows"),
    [
        ("range x from 1 to 5 step 2", [[1], [3], [5]]),
        ("range x from 5 to 1 step -2", [[5], [3], [1]]),
        ("range x from 5 to 1 step 2", []),
        ("range x from 1 to 10000000 step 1 | count", [[10_000_000]]),
        ("range t from ago(1d) to now() step 6h | count", [[5]]),
        (
            "range t from datetime(2024-01-01) to datetime(2024-01-02T00:00:00Z) step 12h",
            [["2024-01-01T00:00:00Z"], ["2024-01-01T12:00:00Z"], ["2024-01-02T00:00:00Z"]],
        ),
        ("print a = ') generate_series(1, 2, 3)', b = \"it's (\"", [[") generate_series(1, 2, 3)", "it's ("]]),
        ("print strrep('ab', 3), strrep('ab', -1), strrep('', 5)", [["ababab", "", ""]]),
        ("range x from 1 to 2 step 1 | extend y = strrep(strrep('ab', x), 2)", [[1, "abab"], [2, "abababab"]]),
        ("print strlen(strrep('a', 1000000000))", [[1024]]),  # as in Azure
        ("print strlen(strrep(strrep(strrep('ab', 1000), 1000), 1000))", [[1_048_000]]),
    ],
)
def test_ranges_and_repeated_text_are_as_ever_below_the_bound(store: Store, kql: str, rows: list[list[object]]) -> None:
    assert store.query(kql).rows == rows


ENDLESS = (
    "range a from 1 to 1000000 step 1 | extend k = 1"
    " | join kind=inner (range b from 1 to 1000000 step 1 | extend k = 1) on k | summarize max(a + b)"
)


def test_closing_ends_what_runs(tmp_path: Path) -> None:
    ended: list[Exception] = []

    def ask(store: Store) -> None:
        try:
            store.query(ENDLESS)
        except StoreError as error:
            ended.append(error)

    with Store.open(tmp_path) as store:
        threads = [threading.Thread(target=ask, args=(store,)) for _ in range(3)]
        for thread in threads:
            thread.start()
        while len(store._running) < 3:
            threading.Event().wait(0.001)
    for thread in threads:
        thread.join()

    assert [str(error) for error in ended] == ["The store is closed"] * 3
    with pytest.raises(StoreError, match="The store is closed"):
        store.query("requests")


def test_the_text_of_a_result_is_bounded(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(result, "MAX_RESULT_CHARACTERS", 1024**2)
    store.append([to_row(request("x" * 1000))] * 1100)

    with pytest.raises(QueryError, match="The result has more than 1 MiB of text: add 'take', 'project' fewer columns"):
        store.query("requests | project name")
    assert len(store.query("requests | project name | take 1000").rows) == 1000


def test_connections_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "MOST_CONNECTIONS", 3)
    with running(tmp_path) as port:
        url = f"http://127.0.0.1:{port}/health"
        assert httpx.get(url, trust_env=False).status_code == 200
        with socket.create_connection(("127.0.0.1", port)), socket.create_connection(("127.0.0.1", port)):
            assert httpx.get(url, trust_env=False).status_code == 503


@pytest.mark.parametrize("depth", [4, 5, 10, 40])
def test_a_query_that_grows_with_each_let_is_refused(store: Store, depth: int) -> None:
    doubling = " ".join(f"let a{n} = strcat(a{n - 1}, a{n - 1});" for n in range(1, depth + 1))
    with pytest.raises(QueryError, match="The query is too large: compute what stands deep within it in steps"):
        store.query(f"let a0 = 'a'; {doubling} print a{depth}")


def test_in_steps_it_is_answered(store: Store) -> None:
    steps = "| extend a = strcat(a, a) " * 8
    assert store.query(f"print a = 'a' {steps} | project strlen(a)").rows == [[256]]
