"""Sampling by whole request: what arrives, what it says it stands for, and that nothing grows."""

from __future__ import annotations

import contextlib
import math
import os
import random
import subprocess
import sys
import threading
from collections import Counter

import pytest
from opentelemetry import context as context_api
from opentelemetry.sdk.trace.sampling import TraceIdRatioBased
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

import pf_monitor
from pf_monitor import runtime
from pf_monitor.instrument import parentage, watch
from pf_monitor.local import connection_string
from pf_monitor.model.kinds import Kind, Outcome
from pf_monitor.pipeline import sampling
from pf_monitor.pipeline.sampling import RequestEnd, Sampler
from pf_monitor.settings import Settings

from .conftest import GOLDEN

ALL = {"chat", "retrieve", "ask"}
SPANS = "union requests, dependencies"


@pf_monitor.retrieval
def retrieve(question):
    return ["It weighs 2 kg."]


@pf_monitor.node
def ask(question, documents):
    if question == "fail":
        raise ValueError("no answer")
    if question == "slow":
        runtime.recorder.clock_ns += 5_000_000_000
    return "2 kg"


@pf_monitor.flow
def chat(question):
    try:
        return ask(question, retrieve(question))
    except ValueError:
        return "sorry"


class FixedIds:
    """A recorder whose ids come from a seed, and the finished steps that it makes."""

    capture_content = False

    def __init__(self, seed):
        self._random = random.Random(seed)

    def flows(self, number):
        return [self._finished(Kind.FLOW, Outcome.OK) for _ in range(number)]

    def late(self, root, outcome):
        """Return a step of a request that has ended."""
        token = parentage.attach(parentage.activate(root, context_api.get_current()))
        try:
            return self._finished(Kind.NODE, outcome)
        finally:
            parentage.detach(token)

    def _finished(self, kind, outcome):
        step, _ = watch.begin(self, kind, "chat")
        step.finish(outcome)
        return step

    def now_ns(self):
        return 0

    def tick(self):
        return 0

    def new_trace_id(self):
        return self._random.getrandbits(128)

    def new_span_id(self):
        return self._random.getrandbits(64)

    def record(self, step):
        step.parent = None


def within_binomial_bounds(found, n, ratio):
    return abs(found - n * ratio) <= 5 * math.sqrt(n * ratio * (1 - ratio))


# What is kept.


def test_a_request_is_kept_or_dropped_whole(sampled):
    monitor = sampled(sampling_ratio=0.5)
    for _ in range(60):
        chat("q")
    arrived = monitor.traces()
    assert 0 < len(arrived) < 60
    assert all(names == ALL for names in arrived.values())


def test_a_request_is_kept_or_dropped_whole_across_threads(sampled):
    monitor = sampled(sampling_ratio=0.5)

    @pf_monitor.flow(name="chat")
    def threaded(question):
        documents = []
        context = context_api.get_current()

        def look():
            token = context_api.attach(context)
            documents.extend(retrieve(question))
            context_api.detach(token)

        thread = threading.Thread(target=look)
        thread.start()
        thread.join()
        return ask(question, documents)

    requests = [threading.Thread(target=lambda: [threaded("q") for _ in range(10)]) for _ in range(4)]
    for request in requests:
        request.start()
    for request in requests:
        request.join()
    arrived = monitor.traces()
    assert 0 < len(arrived) < 40
    assert all(names == ALL for names in arrived.values())


@pytest.mark.parametrize("ratio", [0.0, 0.01, 0.1, 0.5, 0.9])
def test_the_ratio_is_met(ratio):
    sampler = Sampler(Settings(sampling_ratio=ratio, sampling_keep_errors=False))
    ids = FixedIds(seed=20260101)
    kept = sum(len(sampler.take([step])) for step in ids.flows(4_000))
    assert within_binomial_bounds(kept, 4_000, ratio)


def test_the_decision_is_that_of_opentelemetry():
    ratio = 0.37
    sampler = Sampler(Settings(sampling_ratio=ratio, sampling_keep_errors=False))
    theirs = TraceIdRatioBased(ratio)
    for step in FixedIds(seed=1).flows(1_000):
        agreed = theirs.should_sample(None, step.context.trace_id, "chat").decision.is_sampled()
        assert bool(sampler.take([step])) == agreed


def test_errors_are_kept_whole_and_stand_for_themselves(sampled):
    monitor = sampled(sampling_ratio=0.0)
    chat("q")
    chat("fail")
    assert list(monitor.traces().values()) == [ALL]
    [exception] = monitor.rows("exceptions")
    assert exception["itemCount"] == 1
    assert {row["itemCount"] for row in monitor.rows(SPANS)} == {1}


def test_errors_can_be_sampled_like_the_rest(sampled):
    monitor = sampled(sampling_ratio=0.0, sampling_keep_errors=False)
    chat("fail")
    assert monitor.traces() == {}


def test_slow_requests_are_kept_whole(sampled):
    monitor = sampled(sampling_ratio=0.0, sampling_keep_slower_than_ms=1_000)
    chat("q")
    chat("slow")
    chat("q")
    assert list(monitor.traces().values()) == [ALL]


def test_what_is_sent_later_follows_the_decision(sampled):
    monitor = sampled(sampling_ratio=0.5)
    late = []

    @pf_monitor.flow(name="chat")
    def spawns(question):
        late.append(context_api.get_current())

    for _ in range(20):
        spawns("q")
    decided = set(monitor.traces())
    for context in late:
        token = context_api.attach(context)
        retrieve("afterwards")
        context_api.detach(token)
    arrived = monitor.traces()
    assert set(arrived) == decided
    assert all(names == {"chat", "retrieve"} for names in arrived.values())


def test_an_error_keeps_the_other_requests_of_its_trace_that_still_run(sampled):
    monitor = sampled(sampling_ratio=0.0)
    caller = TraceContextTextMapPropagator().extract({"traceparent": f"00-{'ab' * 16}-{'cd' * 8}-01"})

    @pf_monitor.flow(name="outer")
    def outer():
        retrieve("before the other one fails")
        context = context_api.attach(caller)
        chat("fail")
        context_api.detach(context)

    token = context_api.attach(caller)
    outer()
    context_api.detach(token)
    assert monitor.traces() == {"ab" * 16: ALL | {"outer"}}
    assert len(monitor.rows("dependencies | where name == 'retrieve'")) == 2


# What is counted.


def test_metrics_are_exact(sampled):
    monitor = sampled(sampling_ratio=0.1)

    @pf_monitor.flow(name="counted")
    def counted(question):
        pf_monitor.record_usage("gpt-4o-mini", input_tokens=100, output_tokens=7, provider="openai")
        if question % 10 == 0:
            raise ValueError(question)

    for number in range(100):
        with contextlib.suppress(ValueError):
            counted(number)
    sums = monitor.rows(
        "customMetrics | where name in ('flow_request', 'token_consumption') | summarize v=sum(value) by name"
    )
    assert {row["name"]: row["v"] for row in sums} == {"flow_request": 100, "token_consumption": 10_700}
    assert len(monitor.traces()) < 50


def test_item_counts_add_up_to_the_truth(sampled):
    monitor = sampled(sampling_ratio=0.1)
    n, failed = 400, 20
    for number in range(n):
        chat("fail" if number % (n // failed) == 0 else "q")
    [total] = monitor.rows(f"{SPANS} | summarize items=sum(itemCount), arrived=count()")
    assert total["arrived"] < 3 * n / 4
    # The bound for the ones that went well, each of which stands for ten.
    assert abs(total["items"] - 3 * n) <= 3 * 5 * math.sqrt((n - failed) * 0.9 / 0.1)
    counts = monitor.rows(f"{SPANS} | summarize n=count() by itemCount | order by itemCount asc")
    assert counts[0] == {"itemCount": 1, "n": 3 * failed}
    assert [row["itemCount"] for row in counts] == [1, 10]


def test_everything_stands_for_itself_without_sampling(sampled):
    monitor = sampled()
    assert monitor.recorder._sampler is None
    for _ in range(5):
        chat("q")
    assert Counter(row["itemCount"] for row in monitor.rows(SPANS)) == {1: 15}
    assert not any("sampleRate" in name for row in monitor.rows(SPANS) for name in row["customDimensions"])


def test_feedback_is_never_sampled(sampled):
    monitor = sampled(sampling_ratio=0.0)

    @pf_monitor.flow
    def judged(question):
        pf_monitor.record_feedback(True)

    for _ in range(5):
        judged("q")
    assert [row["itemCount"] for row in monitor.rows("customEvents")] == [1] * 5
    assert monitor.traces() == {}


# Who decides.


@pytest.mark.parametrize(("honour", "arrives"), [(False, True), (True, False)])
def test_a_caller_who_does_not_sample_is_honoured_only_where_that_is_wanted(sampled, honour, arrives):
    monitor = sampled(sampling_honour_caller=honour)
    asked = TraceContextTextMapPropagator().extract({"traceparent": f"00-{'ab' * 16}-{'cd' * 8}-00"})
    token = context_api.attach(asked)
    chat("q")
    context_api.detach(token)
    chat("another caller")
    assert ("ab" * 16 in monitor.traces()) is arrives
    assert len(monitor.traces()) == 1 + arrives
    [metric] = monitor.rows("customMetrics | where name == 'flow_request' | summarize v=sum(value)")
    assert metric["v"] == 2


def test_two_processes_decide_alike(sampled):
    monitor = sampled(sampling_ratio=0.5)
    callers = [f"00-{number * GOLDEN:032x}-{'cd' * 8}-01" for number in range(1, 41)]
    other = """
import sys
from opentelemetry import context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
import pf_monitor

@pf_monitor.flow
def elsewhere(question):
    return question

for caller in sys.argv[1:]:
    token = context.attach(TraceContextTextMapPropagator().extract({"traceparent": caller}))
    elsewhere("q")
    context.detach(token)
"""
    environment = {
        **os.environ,
        "PF_MONITOR_ENABLED": "true",
        "PF_MONITOR_SAMPLING_RATIO": "0.5",
        "APPLICATIONINSIGHTS_CONNECTION_STRING": connection_string(monitor.port),
    }
    subprocess.run([sys.executable, "-c", other, *callers], env=environment, check=True, timeout=120)
    for caller in callers:
        token = context_api.attach(TraceContextTextMapPropagator().extract({"traceparent": caller}))
        chat("q")
        context_api.detach(token)
    arrived = monitor.traces()
    assert 0 < len(arrived) < len(callers)
    assert all(names == ALL | {"elsewhere"} for names in arrived.values())


def test_a_forked_child_leaves_what_was_held_back_to_its_parent(unmonitored, monkeypatch):
    ids = FixedIds(seed=3)
    sampler = Sampler(Settings(sampling_ratio=0.999999))
    [step] = ids.flows(1)
    assert sampler.take([step]) == []
    monkeypatch.setattr(os, "getpid", lambda: -1)
    assert sampler.take([RequestEnd(step)]) == []


# What is bounded.


def test_many_undecided_requests_stay_within_bounds(monkeypatch):
    monkeypatch.setattr(sampling, "MOST_HELD", 50)
    monkeypatch.setattr(sampling, "MOST_REMEMBERED", 10)
    sampler = Sampler(Settings(sampling_ratio=0.5))
    steps = FixedIds(seed=4).flows(1_000)
    kept = [rate for step in steps for _, rate in sampler.take([step])]
    assert sum(len(request.steps) for request in sampler._undecided.values()) == sampler._number_held == 50
    assert len(sampler._decided) == 10
    assert set(kept) == {50.0}  # the oldest are decided by ratio, and say so
    assert within_binomial_bounds(len(kept), 950, 0.5)


def test_what_is_undecided_too_long_is_decided_by_ratio():
    now = [0.0]
    sampler = Sampler(Settings(sampling_ratio=0.9), clock=lambda: now[0])
    steps = FixedIds(seed=5).flows(20)
    assert sampler.take(steps) == []
    now[0] = sampling.LONGEST_HELD_S + 1
    kept = sampler.take([])
    assert 0 < len(kept) <= 20
    assert sampler._number_held == 0


def test_an_error_after_a_decision_is_still_kept():
    now = [0.0]
    sampler = Sampler(Settings(sampling_ratio=0.0), clock=lambda: now[0])
    ids = FixedIds(seed=6)
    [first] = ids.flows(1)
    assert sampler.take([first, RequestEnd(first)]) == []
    failed = ids.late(first, Outcome.ERROR)
    afterwards = ids.late(first, Outcome.OK)
    assert sampler.take([failed, afterwards]) == [(failed, 100.0), (afterwards, 100.0)]


def test_the_end_of_the_process_decides_what_is_left(sampled):
    monitor = sampled(sampling_ratio=0.999999)
    running = chat_that_streams("q")
    next(running)
    assert monitor.traces() == {}
    runtime.stop(30)
    assert list(monitor.traces().values()) == [{"retrieve"}]
    running.close()


@pf_monitor.flow
def chat_that_streams(question):
    yield from retrieve(question)


# What is set.


def test_the_settings_come_from_the_environment():
    settings = Settings().with_environment(
        {
            "PF_MONITOR_SAMPLING_RATIO": "0.25",
            "PF_MONITOR_SAMPLING_KEEP_ERRORS": "false",
            "PF_MONITOR_SAMPLING_KEEP_SLOWER_THAN_MS": "2000",
            "PF_MONITOR_SAMPLING_HONOUR_CALLER": "true",
        }
    )
    assert settings == Settings(
        sampling_ratio=0.25,
        sampling_keep_errors=False,
        sampling_keep_slower_than_ms=2000,
        sampling_honour_caller=True,
    )


@pytest.mark.parametrize("wrong", ["lots", "1.5", "-0.1", "nan", "inf", "10%"])
def test_a_wrong_ratio_is_said_and_samples_nothing(unmonitored, caplog, wrong):
    assert Settings().with_environment({"PF_MONITOR_SAMPLING_RATIO": wrong}) == Settings()
    [record] = caplog.records
    assert record.getMessage() == (
        f"pf_monitor ignores PF_MONITOR_SAMPLING_RATIO='{wrong}': it has to be a number from 0 to 1."
    )


def test_configure_takes_a_ratio(unmonitored, caplog):
    pf_monitor.configure(sampling_ratio=0.25)
    assert runtime.current_settings().sampling_ratio == 0.25
    pf_monitor.configure(sampling_ratio=25)
    assert runtime.current_settings().sampling_ratio == 0.25
    assert "sampling_ratio=25" in caplog.text
