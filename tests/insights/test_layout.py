"""Stores of other versions, and what a query sees of columns that are not Azure's: nothing."""

from __future__ import annotations

import gzip
from pathlib import Path

import duckdb
import pytest
from talk import envelope, request

from pf_monitor.insights import Store, StoreError
from pf_monitor.insights.envelope import to_row
from pf_monitor.insights.hashing import HASHED, hash_of
from pf_monitor.insights.keys import KEYS
from pf_monitor.insights.store import ROW_GROUP

STORES = Path(__file__).parent / "stores"
"""The same store as each earlier layout wrote it: plain values, odd ones, and none."""


@pytest.fixture(params=[1, 2])
def old_store(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    with gzip.open(STORES / f"layout-{request.param}.duckdb.gz") as packed:
        (tmp_path / "insights.duckdb").write_bytes(packed.read())
    return tmp_path


def test_an_older_store_is_brought_up_to_date_once(old_store: Path) -> None:
    told: list[str] = []
    for _ in range(2):
        with Store.open(old_store, on_upgrade=lambda: told.append("once")) as store:
            assert store.query(
                "requests | project name, operation_Id, item_kind = tostring(customDimensions['pf_monitor.kind']),"
                " flow = tostring(customDimensions['pf_monitor.flow']),"
                " tokens = tolong(customDimensions['pf_monitor.usage.total_tokens']),"
                " cost = todouble(customDimensions['pf_monitor.usage.cost_usd']), customDimensions.question"
                " | order by name asc"
            ).rows == [
                ["r0", f"{0:032x}", "flow", "", 42, None, '"Why?"'],
                ["r1", f"{1:032x}", "flow", "3", 7, None, None],
                ["r2", f"{2:032x}", "", "", None, 0.001, None],
                ["r3", f"{3:032x}", "", "", None, None, None],
            ]
            assert store.query(f"requests | where operation_Id == '{1:032x}' | project name").rows == [["r1"]]
            assert store.query(
                "dependencies | project name, tolong(customDimensions['gen_ai.usage.input_tokens'])"
            ).rows == [["call", 17]]
            assert store.query("customMetrics | project value").rows == [[2.0]]
            assert store.query(
                "requests | order by name asc | project hash_xxhash64(tostring(customDimensions.question))"
            ).rows == [[hash_of(text)] for text in ("Why?", "", "", "")]
    assert told == ["once"]
    with Store.open(old_store) as store:
        store.append([to_row(request("new"))])
        assert store.query("requests | count").rows == [[5]]


def test_an_older_store_is_not_changed_by_reading(old_store: Path) -> None:
    with pytest.raises(StoreError, match="run `pf-monitor up` once, which updates it"):
        Store.open(old_store, read_only=True)


def test_a_newer_store_is_left_alone(tmp_path: Path) -> None:
    Store.open(tmp_path).close()
    with duckdb.connect(tmp_path / "insights.duckdb") as connection:
        connection.execute("UPDATE items.layout SET version = 99")

    with pytest.raises(StoreError, match=r"newer pf-monitor \(layout 99; this one knows 3\): update pf-monitor"):
        Store.open(tmp_path)


@pytest.mark.parametrize("value", ["text", "17", 7.5, True, "\x00", "1e400"])
def test_no_result_shows_the_keys_own_columns(store: Store, value: object) -> None:
    store.append([to_row(request(properties=dict.fromkeys([*KEYS, HASHED], value)))])
    shown = [column.name for column in store.query("requests").columns]

    assert not [name for name in shown if not name.isidentifier()]
    for kql in ("requests | take 1", "requests | where isnotempty(customDimensions['pf_monitor.kind'])", "union *"):
        assert sorted(column.name for column in store.query(kql).columns if column.name in shown) == sorted(shown)
        assert all(column.name.isidentifier() for column in store.query(kql).columns)


def test_each_property_lies_in_a_column_of_its_own_though_a_part_of_a_table_is_not_full(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        rows = [to_row(request(properties={"question": "Why?", "answer": "So."}))] * (ROW_GROUP // 4)
        store.append(rows)

    with duckdb.connect(tmp_path / "insights.duckdb", read_only=True) as connection:
        segments = "SELECT max(count) FROM pragma_storage_info('items.requests') WHERE column_name = 'customDimensions'"
        texts = f"{segments} AND segment_type = 'VARCHAR' GROUP BY column_path"
        assert connection.execute(texts).fetchall() == [(len(rows),)] * 2


def test_one_operation_is_found_among_others(store: Store) -> None:
    for number in range(50):
        tags = {"ai.operation.id": f"{number % 7:032x}"}
        store.append([to_row(request(f"r{number}") | {"tags": tags})])
        call = envelope("RemoteDependencyData", {"name": f"d{number}", "duration": "00:00:01", "success": True})
        store.append([to_row(call | {"tags": tags})])

    for number in (3, 5):
        wanted = [[f"{table}{n}"] for table in "dr" for n in range(number, 50, 7)]
        kql = f'union requests, dependencies | where operation_Id == "{number:032x}" | project name'
        assert sorted(store.query(kql).rows) == sorted(wanted)
        joined = f'requests | where operation_Id == "{number:032x}" | join kind=inner (requests) on name | count'
        assert store.query(joined).rows == [[len(wanted) // 2]]


def test_one_operation_is_found_whatever_tables_it_is_in_and_however_large(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    kql = 'union requests, dependencies, exceptions | where operation_Id == "o\'1" | project name'
    for number in range(4):
        store.append([to_row(request(f"r{number}") | {"tags": {"ai.operation.id": f"o'{number % 2}"}})])
        assert sorted(store.query(kql).rows) == [[f"r{n}"] for n in range(1, number + 1, 2)]

    monkeypatch.setattr("pf_monitor.insights.operations._MOST_LOCATED", 1)
    assert sorted(store.query(kql).rows) == [["r1"], ["r3"]]


def test_rows_with_other_columns_than_those_before_are_stored_as_they_are(store: Store) -> None:
    plain, odd = {"pf_monitor.kind": "flow"}, {"pf_monitor.kind": 7}
    sent = [
        ("a", {}, plain),
        ("b", {"ai.user.id": "u"}, plain),
        ("c", {"ai.session.id": "s"}, odd),
        ("d", {}, {}),
        ("e", {"ai.user.id": "v", "ai.session.id": "t"}, odd),
    ]
    for name, tags, properties in sent:
        store.append([to_row(request(name, properties=properties) | {"tags": tags})])
    kind = 'tostring(customDimensions["pf_monitor.kind"])'
    assert store.query(f"requests | project name, user_Id, session_Id, {kind} | order by name asc").rows == [
        ["a", "", "", "flow"],
        ["b", "u", "", "flow"],
        ["c", "", "s", "7"],
        ["d", "", "", ""],
        ["e", "v", "t", "7"],
    ]


def test_values_that_are_not_plain_do_not_change_their_neighbours(store: Store) -> None:
    tokens = "pf_monitor.usage.total_tokens"
    values: dict[str, object] = {"a": "12", "b": "012", "c": 7, "d": "many", "e": "30"}
    store.append(
        [to_row(request(name, properties={tokens: value, "question": name})) for name, value in values.items()]
    )
    assert store.query(
        f"requests | project name, tolong(customDimensions['{tokens}']), tostring(customDimensions['{tokens}']),"
        " hash_xxhash64(tostring(customDimensions.question)) | order by name asc"
    ).rows == [
        ["a", 12, "12", hash_of("a")],
        ["b", 12, "012", hash_of("b")],
        ["c", 7, "7", hash_of("c")],
        ["d", None, "many", hash_of("d")],
        ["e", 30, "30", hash_of("e")],
    ]
