"""Items are read together: what comes of each is what would come of it alone."""

from __future__ import annotations

import copy
import json
from datetime import datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from talk import envelope, request

from pf_monitor.insights.documents import encode
from pf_monitor.insights.envelope import read, to_row
from pf_monitor.insights.fields import EnvelopeError
from pf_monitor.insights.rows import Row, batches

_CALL = {"id": "1", "target": "t", "type": "x", "name": "n", "data": "d", "resultCode": "0", "success": True}
_POINT = {"name": "requests", "value": 3, "count": 2, "min": 1, "max": 2, "stdDev": 0.5}
_ERROR = {"typeName": "ValueError", "message": "no", "hasFullStack": True, "stack": "at a", "parsedStack": []}

ITEMS: list[dict[str, Any]] = [
    request(properties={"question": "why?", "pf_monitor.usage.total_tokens": "12"}),
    envelope("RemoteDependencyData", {**_CALL, "duration": "0.00:00:01.5", "properties": {"a": "b"}}),
    envelope("ExceptionData", {"exceptions": [_ERROR], "severityLevel": "Error", "properties": {}}),
    envelope("MessageData", {"message": "hello", "severityLevel": 1, "measurements": {"m": 1.5}}),
    envelope("EventData", {"name": "asked", "properties": {"score": "4.5"}}),
    envelope("MetricData", {"metrics": [_POINT]}),
    envelope("MetricData", {"metrics": [{"name": r"\Process(python)\% Processor Time", "value": 5.5}]}),
    envelope("PageViewData", {"id": "1", "name": "p", "url": "u", "duration": "00:00:02"}),
    envelope("AvailabilityData", {"id": "1", "name": "a", "duration": "00:00:02", "success": "true"}),
]
ODD = st.sampled_from(
    [None, "", "x", "7", 7, 0, -1.5, True, 10**30, float("nan"), [], {}, ["y"], {"k": "v"}, {"k": None}, {"k": [1]}]
)


@st.composite
def sent(draw: st.DrawFn) -> list[Any]:
    """Items of a few kinds, of which some have an odd value somewhere."""
    items = [copy.deepcopy(draw(st.sampled_from(ITEMS))) for _ in range(draw(st.integers(1, 8)))]
    for item in items:
        if draw(st.integers(0, 2)) == 0:
            where = draw(st.sampled_from(list(_objects(item))))
            where[draw(st.sampled_from(sorted(where) or ["new"]))] = draw(ODD)
    return [draw(ODD) if draw(st.integers(0, 20)) == 0 else item for item in items]


def _objects(value: Any) -> Any:
    if isinstance(value, dict):
        yield value
        for one in value.values():
            yield from _objects(one)
    if isinstance(value, list):
        for one in value:
            yield from _objects(one)


def alone(item: Any) -> Row | str:
    try:
        return to_row(item)
    except EnvelopeError as error:
        return str(error)


def shown(found: Row | str) -> object:
    """What can be compared: NaN equals nothing, and is null in the store."""
    if isinstance(found, str):
        return found
    values = json.loads(json.dumps(found.values, default=datetime.isoformat), parse_constant=lambda _: None)
    return found.table, values


@given(sent())
def test_what_is_read_together_is_what_each_is_alone(items: list[Any]) -> None:
    reading = read(enumerate(items))
    found: dict[int, Row | str] = {place: row for batch in reading.batches for place, row in batch.rows()}
    assert not found.keys() & reading.refused.keys()
    found |= reading.refused
    assert {place: shown(one) for place, one in found.items()} == {
        place: shown(alone(item)) for place, item in enumerate(items)
    }


@given(sent())
@example([request(properties={"question": text}) for text in ("why?", None, "how?")])
def test_rows_that_wait_for_the_disk_are_the_same_rows(items: list[Any]) -> None:
    batches = read(enumerate(items)).batches
    encoded = encode(batches)
    waiting = {place: shown(row) for document in encoded.documents for place, row in document.rows()}
    assert waiting == {
        place: shown(row) for batch in batches for place, row in batch.rows() if place not in encoded.refused
    }


def test_many_alike_are_one_batch_and_one_document() -> None:
    reading = read(enumerate(copy.deepcopy(ITEMS) * 3))
    assert [batch.places for batch in reading.batches] == [[n, n + len(ITEMS), n + 2 * len(ITEMS)] for n in range(9)]
    assert len(encode(reading.batches).documents) == len(ITEMS)


def test_one_that_cannot_be_read_leaves_the_others_together() -> None:
    items = [copy.deepcopy(ITEMS[0]) for _ in range(9)]
    items[4]["time"] = "never"
    reading = read(enumerate(items))
    assert [batch.places for batch in reading.batches] == [[0, 1, 2, 3, 5, 6, 7, 8]]
    assert reading.refused == {4: "Field 'time' must be an ISO-8601 time, not 'never'"}


def test_what_cannot_be_json_is_refused_and_its_neighbours_are_not() -> None:
    rows = [(n, Row("customEvents", {"name": name})) for n, name in enumerate(["a", "\ud83d", "b"])]
    encoded = encode(batches(rows))
    assert [list(document.rows()) for document in encoded.documents] == [[rows[0]], [rows[2]]]
    assert encoded.refused.keys() == {1}


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: item["data"]["baseType"])
def test_nothing_of_what_is_read_is_changed(item: dict[str, Any]) -> None:
    before = copy.deepcopy(item)
    read([(0, item)])
    assert item == before
