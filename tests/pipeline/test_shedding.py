"""When more requests come than can be prepared for sending, whole ones are left out and counted."""

from __future__ import annotations

import threading
from collections import Counter

import pytest

import pf_monitor
from pf_monitor import runtime
from pf_monitor.model.kinds import Kind, Outcome
from pf_monitor.pipeline.shedding import Shedder
from pf_monitor.pipeline.worker import QUEUE_LENGTH

from .conftest import IDS
from .test_sampling import FixedIds

NODES = 8
FAILING = 50
"""One request of so many fails."""


@pf_monitor.node
def step(question):
    return question


@pf_monitor.flow
def busy(number):
    for _ in range(NODES):
        step("How heavy is the tent?")
    if number % FAILING == 0:
        raise RuntimeError("no answer")
    return "2 kg"


def ask(numbers):
    for number in numbers:
        if number % FAILING:
            busy(number)
        else:
            with pytest.raises(RuntimeError, match="no answer"):
                busy(number)


def held_up(monitor, monkeypatch):
    """Let nothing be sent until what is returned is set."""
    gate = threading.Event()
    sink = monitor.recorder._sink
    send = sink.send_spans

    def wait_and_send(spans):
        gate.wait(30)
        send(spans)

    monkeypatch.setattr(sink, "send_spans", wait_and_send)
    return gate


def test_whole_requests_are_left_out_and_counted_and_those_with_errors_are_kept(sampled, monkeypatch):
    monitor = sampled()
    gate = held_up(monitor, monkeypatch)
    asked = 2 * QUEUE_LENGTH // (NODES + 1)
    ask(range(1, asked + 1))
    gate.set()
    rows = monitor.rows("union requests, dependencies | project operation_Id, name, failed = success == false")
    of_trace = Counter(row["operation_Id"] for row in rows)
    failed = {row["operation_Id"] for row in rows if row["name"] == "busy" and row["failed"]}
    assert len(failed) == asked // FAILING
    assert {of_trace[trace] for trace in of_trace.keys() - failed} == {NODES + 1}
    assert 0 < len(of_trace) < asked
    [metrics] = monitor.rows(
        "customMetrics | summarize requests = sumif(value, name == 'flow_request'), "
        "nodes = sumif(value, name == 'node_request'), "
        "dropped = sumif(value, name == 'pf_monitor.dropped_items' "
        "and customDimensions['pf_monitor.reason'] == 'overload')"
    )
    assert metrics == {"requests": asked, "nodes": asked * NODES, "dropped": asked * (NODES + 1) - len(rows)}


def test_when_it_is_over_everything_is_sent_again(sampled, monkeypatch):
    monitor = sampled()
    gate = held_up(monitor, monkeypatch)
    ask(range(1, QUEUE_LENGTH // NODES))
    gate.set()
    assert runtime.flush(30)
    monitor.recorder._shedder.adapt(waiting=0.0, elapsed_s=1.0)
    monitor.recorder._shedder.adapt(waiting=0.0, elapsed_s=1.0)
    before = len(monitor.traces())
    ask(range(1, 20))
    assert len(monitor.traces()) == before + 19


def finished(trace_id, outcome=Outcome.OK):
    ids = FixedIds(1)
    ids.new_trace_id = lambda: trace_id
    return ids._finished(Kind.NODE, outcome)


def test_a_share_of_new_requests_is_let_in_and_all_errors():
    shedder = Shedder()
    shedder.thin([], 0.25)
    traces = [IDS + number * IDS // 100 for number in range(100)]
    assert sum(shedder.admits(finished(trace)) for trace in traces) == 25
    assert all(shedder.admits(finished(trace, Outcome.ERROR)) for trace in traces)
    assert sum(shedder.passes(finished(trace)) for trace in traces) == 25


def test_the_share_follows_what_waits_and_so_does_the_rest():
    shedder = Shedder()
    assert shedder.adapt(waiting=0.9, elapsed_s=1.0) == 1.0  # nothing is shed yet
    shedder.thin([], 0.5)
    rests = [shedder.adapt(waiting, elapsed_s=0.1) for waiting in (0.25, 0.5, 0.5, 0.25, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)]
    assert rests == pytest.approx([2.0, 2.44, 2.98, 2.98, 2.44, 2.0, 1.64, 1.34, 1.10, 1.0], abs=0.01)


def test_what_is_refused_for_want_of_room_takes_the_rest_of_its_request_along():
    shedder = Shedder()
    shedder.refuse(finished(7))
    assert not shedder.passes(finished(7))
    assert shedder.passes(finished(7, Outcome.ERROR))
