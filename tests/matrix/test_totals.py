"""Sums of flows and nodes under concurrency: every model call counts once, where it belongs, or is named as late."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import functools
import gc
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

import pf_monitor
from pf_monitor import runtime
from pf_monitor.instrument.parentage import current_step
from pf_monitor.model import names
from pf_monitor.model.kinds import Outcome
from pf_monitor.model.step import Step

CALLS = (names.TOTAL_LLM_CALLS, names.TOTAL_INPUT_TOKENS, names.TOTAL_OUTPUT_TOKENS)


def spend(tokens: int = 10) -> None:
    """Call a model."""
    pf_monitor.record_usage("my-model", input_tokens=tokens, output_tokens=1)


def sums(span) -> tuple[int, ...]:
    """Return calls, input tokens and output tokens of a flow or node."""
    return tuple(span.attributes[name] for name in CALLS)


@pytest.fixture
def switching() -> Iterator[None]:
    """Let threads take turns as often as the interpreter can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def test_two_requests_in_flight_never_mix(exported):
    async def main():
        both_have_begun = asyncio.Barrier(2)

        @pf_monitor.node
        async def step(tokens):
            await both_have_begun.wait()
            spend(tokens)
            await asyncio.sleep(0)
            spend(tokens)

        @pf_monitor.flow
        async def chat(question, tokens):
            pf_monitor.set_correlation(session=question)
            await step(tokens)

        await asyncio.gather(chat("a", 1), chat("b", 100))

    asyncio.run(main())
    found = {
        (span.name, span.attributes["session.id"]): (sums(span), f"{span.context.trace_id:x}")
        for span in exported.spans
        if span.name in ("chat", "step")
    }
    first, second = found["chat", "a"][1], found["chat", "b"][1]
    assert first != second
    assert found == {
        ("chat", "a"): ((2, 2, 2), first),
        ("step", "a"): ((2, 2, 2), first),
        ("chat", "b"): ((2, 200, 2), second),
        ("step", "b"): ((2, 200, 2), second),
    }


def test_requests_in_many_threads_never_mix(exported, switching):
    all_have_begun = threading.Barrier(8)

    @pf_monitor.node
    def step(tokens):
        spend(tokens)

    @pf_monitor.flow
    def chat(tokens):
        all_have_begun.wait()
        for _ in range(20):
            step(tokens)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(chat, range(8)))
    flows = [span for span in exported.spans if span.name == "chat"]
    assert sorted(sums(span) for span in flows) == [(20, 20 * tokens, 20) for tokens in range(8)]
    assert len({span.context.trace_id for span in flows}) == 8


def test_nodes_in_threads_count_for_the_flow_whose_context_they_carry(exported, switching):
    together = threading.Barrier(8)

    @pf_monitor.node
    def step(number):
        together.wait()
        for _ in range(50):
            spend(number)

    @pf_monitor.flow
    def chat(question):
        _at_the_same_time([functools.partial(contextvars.copy_context().run, step, number) for number in range(8)])

    chat("q")
    assert sums(exported.named("chat")) == (400, 50 * sum(range(8)), 400)
    steps = [span for span in exported.spans if span.name == "step"]
    assert sorted(sums(span) for span in steps) == [(50, 50 * number, 50) for number in range(8)]
    assert {span.parent.span_id for span in steps} == {exported.named("chat").context.span_id}


def test_the_first_steps_of_a_process_may_end_at_the_same_time(exported, switching):
    together = threading.Barrier(8)

    @pf_monitor.node
    def step(number):
        together.wait()
        return number

    _at_the_same_time([functools.partial(step, number) for number in range(8)])
    assert sorted(span.attributes["output"] for span in exported.spans) == [str(number) for number in range(8)]


def test_a_recorder_that_fails_is_no_matter_of_the_flow(exported, monkeypatch):
    def fail(step):
        raise RuntimeError("full")

    monkeypatch.setattr(runtime.recorder, "record", fail)

    @pf_monitor.node
    def step():
        return "done"

    assert step() == "done"


def test_a_node_in_a_thread_without_a_context_stands_for_itself(exported):
    @pf_monitor.node
    def step(number):
        spend()

    @pf_monitor.flow
    def chat(question):
        thread = threading.Thread(target=step, args=(1,))
        thread.start()
        thread.join()

    chat("q")
    step_span, chat_span = exported.named("step"), exported.named("chat")
    assert (sums(step_span), sums(chat_span)) == ((1, 10, 1), (0, 0, 0))
    assert step_span.parent is None
    assert step_span.context.trace_id != chat_span.context.trace_id
    assert names.FLOW not in step_span.attributes


@pytest.mark.parametrize("sent_at_once", [True, False])
def test_what_outlives_its_request_is_named_and_changes_nothing_that_has_ended(exported, sent_at_once):
    async def main():
        answered = asyncio.Event()

        @pf_monitor.node
        async def remember(question):
            spend()
            await answered.wait()
            spend()

        @pf_monitor.node
        async def begun_later(question):
            await answered.wait()
            spend()

        async def background():
            await remember("q")
            await begun_later("q")

        @pf_monitor.flow
        async def chat(question):
            task = asyncio.create_task(background())
            await asyncio.sleep(0)
            return task

        task = await chat("q")
        if sent_at_once:
            assert runtime.flush(20)
        answered.set()
        await task

    asyncio.run(main())
    early, chat_span, *late = exported.spans
    assert sums(chat_span) == (1, 10, 1)
    assert names.LATE not in {**early.attributes, **chat_span.attributes}
    assert [(span.name, span.attributes[names.LATE], span.attributes[names.OUTCOME]) for span in late] == [
        ("chat my-model", "true", "ok"),
        ("remember", "true", "ok"),
        ("chat my-model", "true", "ok"),
        ("begun_later", "true", "ok"),
    ]
    assert {span.context.trace_id for span in (early, *late)} == {chat_span.context.trace_id}
    assert {span.attributes[names.FLOW] for span in late} == {"chat"}
    [remember] = [span for span in late if span.name == "remember"]
    assert remember.parent == chat_span.context
    assert sums(remember) == (2, 20, 2)


def test_a_task_that_outlives_its_node_counts_for_the_flow(exported):
    async def main():
        node_has_ended = asyncio.Event()

        async def background():
            await node_has_ended.wait()
            spend()

        @pf_monitor.node
        async def begin():
            return asyncio.ensure_future(background())

        @pf_monitor.flow
        async def chat(question):
            task = await begin()
            node_has_ended.set()
            await task

        await chat("q")

    asyncio.run(main())
    call, flow = exported.named("chat my-model"), exported.named("chat")
    assert (sums(exported.named("begin")), sums(flow)) == ((0, 0, 0), (1, 10, 1))
    assert names.LATE not in call.attributes
    assert call.parent == exported.named("begin").context


def test_a_flow_within_a_flow_counts_for_both(exported):
    @pf_monitor.flow
    def inner(question):
        spend()

    @pf_monitor.flow
    def outer(question):
        spend()
        inner(question)

    outer("q")
    assert (sums(exported.named("inner")), sums(exported.named("outer"))) == ((1, 10, 1), (2, 20, 2))


def test_feedback_given_after_the_answer_is_about_the_flow(exported):
    async def main():
        answered = asyncio.Event()

        @pf_monitor.node
        async def ask_the_user():
            await answered.wait()
            pf_monitor.record_feedback(True)

        @pf_monitor.flow
        async def chat(question):
            return asyncio.create_task(ask_the_user())

        task = await chat("q")
        answered.set()
        await task

    asyncio.run(main())
    [event] = exported.events
    assert event.about == exported.named("chat").context


def test_tasks_that_start_the_next_one_keep_no_chain_alive(exported):
    """A poller that starts itself anew inherits the context each time: it must not keep all that went before."""
    steps: list[Step] = []

    async def main():
        done = asyncio.Event()

        @pf_monitor.node
        async def poll(left):
            steps.append(current_step())
            if left:
                asyncio.get_running_loop().call_soon(lambda: tasks.append(asyncio.ensure_future(poll(left - 1))))
            else:
                done.set()

        tasks = [asyncio.ensure_future(poll(5))]
        await done.wait()
        await asyncio.gather(*tasks)

    asyncio.run(main())
    assert [step.parent for step in steps] == [None] * 6
    assert len({span.context.trace_id for span in exported.spans}) == 1


def test_a_step_ends_once_whoever_ends_it(exported, switching):
    for _ in range(50):
        with _running_step() as step:
            together = threading.Barrier(4)

            def end(step=step, together=together):
                together.wait()
                step.finish(Outcome.OK)

            _at_the_same_time([end] * 4)
    assert len(exported.spans) == 50


def test_a_step_that_is_written_to_while_it_ends_arrives_as_one(exported, switching):
    for _ in range(20):
        with _running_step() as step:
            together = threading.Barrier(5)

            def write(number, step=step, together=together):
                together.wait()
                for i in range(60):
                    step.set_attribute(f"own.{number}.{i}", i)
                    step.add_event("event", {"i": i})
                    step.correlation[f"tenant.{number}.{i}"] = "x"

            def end(step=step, together=together):
                together.wait()
                step.finish(Outcome.OK)
                assert runtime.flush(20)

            _at_the_same_time([end, *(functools.partial(write, number) for number in range(4))])
    assert len(exported.spans) == 20
    for span in exported.spans:
        assert span.attributes[names.OUTCOME] == "ok"
        assert len(span.events) <= 40


def test_calls_that_end_with_their_flow_count_or_are_late(exported, switching):
    """Whichever comes first: what the flow was sent with, and what says of itself that it is late, is everything."""
    for _ in range(20):
        together = threading.Barrier(4)

        def call(together=together):
            together.wait()
            spend(1)

        @pf_monitor.flow
        def chat(question, together=together, call=call):
            threads = [threading.Thread(target=contextvars.copy_context().run, args=(call,)) for _ in range(3)]
            for thread in threads:
                thread.start()
            together.wait()
            return threads

        for thread in chat("q"):
            thread.join()
    counted = sum(sums(span)[0] for span in exported.spans if span.name == "chat")
    late = sum(names.LATE in span.attributes for span in exported.spans if span.name == "chat my-model")
    assert counted + late == 60


def test_a_generator_that_the_collector_closes_while_sums_change_blocks_nobody(exported):
    """The collector may run within the lock, and end another step there."""

    @pf_monitor.node
    def abandoned():
        myself = [None]
        myself[0] = yield myself
        yield "and more"

    @pf_monitor.node
    def step():
        for _ in range(50):
            generator = abandoned()
            next(generator)
            generator.send(generator)  # a cycle, which only the collector frees
            spend()

    before = gc.get_threshold()
    gc.set_threshold(1)
    try:
        step()
    finally:
        gc.set_threshold(*before)
        gc.collect()
    assert sums(exported.named("step")) == (50, 500, 50)
    assert len([span for span in exported.spans if span.name == "abandoned"]) == 50


@contextlib.contextmanager
def _running_step() -> Iterator[Step]:
    """Give a step that nobody has ended yet."""

    @pf_monitor.node
    def stream():
        yield current_step()

    running = stream()
    yield next(running)
    running.close()


def _at_the_same_time(functions) -> None:
    with ThreadPoolExecutor(len(functions)) as pool:
        for future in [pool.submit(function) for function in functions]:
            future.result()
