"""Whatever a flow is called with, it runs as it would, and something readable is sent."""

from __future__ import annotations

import json
import math
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pf_monitor
from pf_monitor.instrument import content


class HostileRepr:
    def __repr__(self):
        raise RuntimeError("no")

    __str__ = __repr__


class HostileMapping(dict):
    def items(self):
        raise RuntimeError("no")

    def __contains__(self, key):
        raise RuntimeError("no")


class HostileAttribute:
    def __getattribute__(self, name):
        raise RuntimeError("no")


class HostileError(Exception):
    def __str__(self):
        raise RuntimeError("no")


cycle: list = []
cycle.append(cycle)
deep: list = []
for _ in range(10_000):
    deep = [deep]


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (HostileRepr(), f"<{__name__}.HostileRepr>"),
        (HostileMapping(a=1), f"<unreadable {__name__}.HostileMapping>"),
        (HostileAttribute(), f"<unreadable {__name__}.HostileAttribute>"),
        (cycle, ["<cycle>"]),
        (b"\x00\xff", "<bytes of 2 bytes>"),
        (math.nan, None),
        ("\ud83d\udca9 \ud800", "💩 \ufffd"),
        (2**80, "<int of 81 bits>"),
        (threading.Lock(), "<_thread.lock>"),
        (
            {
                1: {
                    "a": {
                        2,
                    }
                }
            },
            {"1": {"a": [2]}},
        ),
    ],
    ids=["repr", "mapping", "attribute", "cycle", "bytes", "nan", "surrogates", "huge int", "lock", "keys"],
)
def test_hostile_arguments(monitor, value, told):
    @pf_monitor.flow(answer="outputs.value")
    def flow(payload):
        return {"value": payload}

    assert flow(value)["value"] is value
    sent = json.loads(monitor.spans()["flow"]["inputs"])["payload"]
    assert sent == told


@pytest.mark.parametrize(
    "value",
    [["a", 1], {"a": "b", "c": None}, {1: "a"}, [["a"]], {"a": ["b"]}, ["x"] * 21, ["x" * 2_001], {}],
    ids=["list", "dict", "number as key", "nested list", "nested dict", "many", "long", "empty"],
)
def test_what_the_user_changes_later_arrives_as_it_was(monitor, value):
    """Small values are written in the pipeline's thread, long after the flow has gone on with them."""

    @pf_monitor.node
    def same(given):
        return given

    def spoil(anything):
        for member in anything.values() if isinstance(anything, dict) else anything:
            if isinstance(member, list):
                member.append(None)
        if isinstance(anything, dict):
            anything["a"] = "spoilt"
        else:
            anything.append("spoilt")

    was = json.loads(json.dumps(value))  # as JSON has it: a key is a text
    spoil(same(value))
    span = monitor.spans()["same"]
    assert json.loads(span["inputs"]) == {"given": was}
    assert json.loads(span["output"]) == was


def test_a_generator_argument_is_not_consumed(monitor):
    @pf_monitor.node
    def total(numbers):
        return sum(numbers)

    assert total(i for i in range(4)) == 6


def test_deep_nesting_ends_somewhere():
    assert "…" in content.to_json(deep).text


def test_50_mb_are_cut_and_the_cut_is_told(monitor):
    text = "x" * 50_000_000

    @pf_monitor.flow
    def flow(question):
        return question

    assert flow(text) is text
    span = monitor.spans()["flow"]
    assert len(span["question"]) == 8192
    assert len(span["question.2"]) == 8192
    assert json.loads(span["pf_monitor.truncated"]) == {"question": 50_000_000, "answer": 50_000_000}
    assert span["pf_monitor.usage.total_tokens"] == "0"


def test_a_hostile_error_is_raised_as_it_is(monitor):
    error = HostileError()

    @pf_monitor.flow
    def flow(question):
        raise error

    with pytest.raises(HostileError) as raised:
        flow("q")
    assert raised.value is error
    [row] = monitor.rows("exceptions")
    assert row["type"] == f"{__name__}.HostileError"
    assert row["outerMessage"] == "<the message cannot be read: its __str__ fails>"


json_like = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=30,
)


@given(json_like)
@settings(max_examples=300, deadline=None)
def test_plain_values_arrive_as_they_are(value):
    assert json.loads(content.to_json(value).text) == value


anything = st.recursive(
    st.binary() | st.text() | st.complex_numbers() | st.just(object()),
    lambda inner: st.lists(inner) | st.tuples(inner, inner),
    max_leaves=20,
)


@given(anything)
@settings(max_examples=200, deadline=None)
def test_anything_at_all_becomes_json(value):
    json.loads(content.to_json(value).text)
