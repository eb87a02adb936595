"""Every kind of callable can be decorated, bare or with arguments, and stays what it is."""

from __future__ import annotations

import asyncio
import functools
import inspect

import pytest

import pf_monitor


@pf_monitor.node
def function(a, b=2):
    return a + b


@pf_monitor.node(name="coroutine")
async def coroutine_(a):
    return a


@pf_monitor.node
def generator(n):
    received = yield 0
    yield received
    return "done"


@pf_monitor.node
async def async_generator(n):
    for i in range(n):
        yield str(i)


class Methods:
    @pf_monitor.node
    def method(self, a):
        return a

    @pf_monitor.node
    @staticmethod
    def static(a):
        return a

    @pf_monitor.node
    @classmethod
    def of_class(cls, a):
        return cls, a


@pf_monitor.flow
class Chat:
    def __call__(self, question: str) -> str:
        return question.upper()


def test_they_stay_what_they_are_to_inspect():
    assert inspect.isfunction(function)
    assert inspect.iscoroutinefunction(coroutine_)
    assert inspect.isgeneratorfunction(generator)
    assert inspect.isasyncgenfunction(async_generator)
    assert inspect.isclass(Chat)
    assert str(inspect.signature(function)) == "(a, b=2)"
    assert function.__name__ == "function"
    assert function.__module__ == __name__


def test_functions(monitor):
    assert function(1) == 3
    assert monitor.spans()["function"]["inputs"] == '{"b":2,"a":1}'


async def test_coroutines(monitor):
    assert await coroutine_(5) == 5
    assert monitor.spans()["coroutine"]["output"] == "5"


def test_generators_keep_send_and_return_value(monitor):
    running = generator(1)
    assert inspect.isgenerator(running)
    assert next(running) == 0
    assert running.send("hello") == "hello"
    with pytest.raises(StopIteration) as stop:
        next(running)
    assert stop.value.value == "done"
    assert monitor.spans()["generator"]["output"] == '[0,"hello"]'


async def test_async_generators(monitor):
    assert [item async for item in async_generator(3)] == ["0", "1", "2"]
    assert monitor.spans()["async_generator"]["output"] == '"012"'


def test_methods(monitor):
    assert Methods().method(1) == 1
    assert Methods.static(2) == 2
    assert Methods.of_class(3) == (Methods, 3)
    inputs = {name: dimensions["inputs"] for name, dimensions in monitor.spans().items()}
    assert inputs == {"method": '{"a":1}', "static": '{"a":2}', "of_class": '{"a":3}'}


def test_callable_classes_are_flows_by_their_own_name(monitor):
    assert isinstance(Chat(), Chat)
    assert Chat()("hi") == "HI"
    spans = monitor.spans()
    assert spans["Chat"]["question"] == "hi"
    assert spans["Chat"]["answer"] == "HI"


def test_partials_and_callable_objects(monitor):
    class Adder:
        def __call__(self, a, b):
            return a + b

    assert pf_monitor.node(name="partial")(functools.partial(lambda a, b: a * b, 3))(4) == 12
    assert pf_monitor.node(Adder())(1, 2) == 3
    assert monitor.spans()["Adder"]["inputs"] == '{"a":1,"b":2}'


def test_a_generator_runs_nothing_before_its_first_item(monitor):
    ran = []

    @pf_monitor.node
    def lazy():
        ran.append(1)
        yield 1

    running = lazy()
    assert ran == []
    assert monitor.spans() == {}
    assert list(running) == [1]


def test_nothing_leaks_into_the_consumer_between_two_items(monitor):
    @pf_monitor.node
    def inner():
        return 1

    @pf_monitor.flow
    def stream(question):
        yield "a"
        inner()
        yield "b"

    @pf_monitor.node
    def consumer():
        return 1

    running = stream("q")
    next(running)
    consumer()
    list(running)
    parents = {row["name"]: row["operation_ParentId"] for row in monitor.rows("union requests, dependencies")}
    ids = {row["name"]: row["id"] for row in monitor.rows("union requests, dependencies")}
    assert parents["inner"] == ids["stream"]
    assert parents["consumer"] == ""


def test_a_stream_closed_early_is_abandoned_and_keeps_what_it_gave(monitor):
    @pf_monitor.flow
    def stream(question):
        yield "one "
        yield "two "
        yield "three"

    running = stream("q")
    next(running), next(running)
    running.close()
    span = monitor.spans()["stream"]
    assert (span["pf_monitor.outcome"], span["answer"]) == ("abandoned", "one two ")
    [row] = monitor.rows("requests")
    assert row["success"] == "True"


async def test_a_cancelled_task_is_cancelled_and_not_failed(monitor):
    begun = asyncio.Event()

    @pf_monitor.flow
    async def slow(question):
        begun.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(slow("q"))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert monitor.spans()["slow"]["pf_monitor.outcome"] == "cancelled"
    assert monitor.rows("exceptions") == []


def test_an_error_in_mid_stream_keeps_what_was_given(monitor):
    @pf_monitor.flow
    def stream(question):
        yield "one"
        raise ValueError("lost")

    running = stream("q")
    next(running)
    with pytest.raises(ValueError, match="lost"):
        next(running)
    span = monitor.spans()["stream"]
    assert (span["pf_monitor.outcome"], span["answer"]) == ("error", "one")
    assert [row["outerMessage"] for row in monitor.rows("exceptions")] == ["lost"]


def test_a_flow_that_returns_a_stream_in_a_field_ends_with_the_stream(monitor):
    @pf_monitor.flow(answer="outputs.answer")
    def chat(question):
        def pieces():
            yield "to"
            yield "gether"

        return {"answer": pieces(), "source": "catalogue"}

    output = chat("q")
    assert monitor.spans() == {}
    assert "".join(output["answer"]) == "together"
    span = monitor.spans()["chat"]
    assert (span["answer"], span["output"]) == ("together", '{"source":"catalogue"}')
