"""What decorated callables keep of what they were: their looks, their errors, their place among other decorators."""

from __future__ import annotations

import abc
import asyncio
import contextlib
import contextvars
import copy
import functools
import gc
import inspect
import pickle
import sys
import warnings
from collections.abc import Callable
from typing import Any

import pytest

import pf_monitor


def function(question: str, /, top: int = 3, *rest: str, lang: str, **options: Any) -> str:
    """Look it up."""
    return question


async def coroutine(question: str, /, top: int = 3, *rest: str, lang: str, **options: Any) -> str:
    """Look it up."""
    return question


def generator(question: str, /, top: int = 3, *rest: str, lang: str, **options: Any):
    """Look it up."""
    yield question


async def async_generator(question: str, /, top: int = 3, *rest: str, lang: str, **options: Any):
    """Look it up."""
    yield question


KINDS = [function, coroutine, generator, async_generator]
ASK = [
    *(inspect.isfunction, inspect.iscoroutinefunction, inspect.isgeneratorfunction, inspect.isasyncgenfunction),
    *(inspect.isawaitable, asyncio.iscoroutinefunction, inspect.isroutine, callable),
]
every_kind = pytest.mark.parametrize("kind", KINDS, ids=[kind.__name__ for kind in KINDS])
every_lazy_kind = pytest.mark.parametrize("kind", KINDS[1:], ids=[kind.__name__ for kind in KINDS[1:]])


@pf_monitor.node
def by_name(question: str) -> str:
    return question.upper()


def _dispose(made: Any) -> None:
    if inspect.iscoroutine(made):
        made.close()


@every_kind
def test_looks(kind):
    decorated = pf_monitor.node(kind)
    assert [ask(decorated) for ask in ASK] == [ask(kind) for ask in ASK]
    assert inspect.signature(decorated) == inspect.signature(kind)
    assert inspect.unwrap(decorated) is kind
    for name in ("__name__", "__qualname__", "__doc__", "__module__", "__annotations__"):
        assert getattr(decorated, name) == getattr(kind, name)


@every_lazy_kind
def test_looks_of_what_they_make(exported, kind):
    made, decorated = kind("q", lang="en"), pf_monitor.node(kind)("q", lang="en")
    assert type(decorated) is type(made)
    assert repr(decorated).split(" at ")[0] == repr(made).split(" at ")[0]
    _dispose(made)
    _dispose(decorated)


@every_kind
@pytest.mark.parametrize(
    ("args", "kwargs"), [((), {}), (("q",), {}), (("q",), {"question": "q"}), (("q", 1), {"lang": "en", "top": 2})]
)
def test_wrong_arguments_are_noticed_at_the_call(exported, kind, args, kwargs):
    with pytest.raises(TypeError) as undecorated:
        kind(*args, **kwargs)
    with pytest.raises(TypeError) as decorated:
        pf_monitor.node(kind)(*args, **kwargs)
    assert str(decorated.value) == str(undecorated.value)
    assert [span.name for span in exported.spans] == ([kind.__name__] if kind is function else [])


@every_kind
def test_without_the_monitor_the_user_gets_their_own(monkeypatch, kind):
    monkeypatch.setattr("pf_monitor.runtime.off", True)
    made = pf_monitor.node(kind)("q", lang="en")
    own_code = getattr(made, "gi_code", None) or getattr(made, "cr_code", None) or getattr(made, "ag_code", None)
    assert own_code is (kind.__code__ if kind is not function else None)
    _dispose(made)


def test_they_are_pickled_and_copied_by_name():
    assert pickle.loads(pickle.dumps(by_name)) is by_name
    assert copy.copy(by_name) is copy.deepcopy(by_name) is by_name


def test_recursion(exported):
    def depth(n: int) -> int:
        return 0 if n == 0 else 1 + decorated(n - 1)

    decorated = pf_monitor.node(depth)
    assert decorated(200) == 200
    assert len(exported.spans) == 201


def test_recursion_of_generators(exported):
    @pf_monitor.node
    def descend(n: int):
        yield n
        if n:
            yield from descend(n - 1)

    assert list(descend(100)) == list(range(100, -1, -1))
    assert len(exported.spans) == 101


# Other decorators above and below.


def test_partial(exported):
    partial = functools.partial(pf_monitor.node(generator), "q", lang="en")
    assert inspect.isgeneratorfunction(partial)
    assert list(partial()) == ["q"]
    assert list(pf_monitor.node(functools.partial(generator, "q", lang="en"))()) == ["q"]
    assert len(exported.spans) == 2


def test_cache(exported):
    calls = []

    @functools.lru_cache
    @pf_monitor.node
    def cached(question):
        calls.append(question)
        return question

    @pf_monitor.node
    @functools.lru_cache
    def cached_below(question):
        calls.append(question)
        return question

    assert [cached("a"), cached("a"), cached_below("b"), cached_below("b")] == ["a", "a", "b", "b"]
    assert calls == ["a", "b"]
    assert [span.name for span in exported.spans] == ["cached", "cached_below", "cached_below"]


def test_abstract_methods_and_properties(exported):
    class Base(abc.ABC):
        @abc.abstractmethod
        @pf_monitor.node
        def above(self): ...

        @pf_monitor.node
        @abc.abstractmethod
        def below(self): ...

    assert Base.__abstractmethods__ == {"above", "below"}

    class Chat:
        @property
        @pf_monitor.node
        def answer(self):
            return "42"

        @functools.cached_property
        @pf_monitor.node
        def context(self):
            return "deep"

    chat = Chat()
    assert (chat.answer, chat.context, chat.context) == ("42", "deep", "deep")
    assert [span.name for span in exported.spans] == ["answer", "context"]


def test_context_managers(exported):
    @contextlib.contextmanager
    @pf_monitor.node
    def above(question):
        try:
            yield question
        except KeyError as error:
            raise ValueError(question) from error

    @contextlib.asynccontextmanager
    @pf_monitor.node
    async def above_async(question):
        yield question

    async def enter():
        async with above_async("q") as value:
            return value

    with above("q") as value:
        assert value == "q"
    with pytest.raises(ValueError, match="q") as raised, above("q"):
        raise KeyError("inside")
    assert isinstance(raised.value.__cause__, KeyError)
    assert asyncio.run(enter()) == "q"
    assert [span.attributes["pf_monitor.outcome"] for span in exported.spans] == ["ok", "error", "ok"]


def test_functions_that_return_coroutines_and_generators(exported):
    @pf_monitor.node
    def returns_coroutine(question):
        return coroutine(question, lang="en")

    @pf_monitor.node
    def returns_generator(question):
        return generator(question, lang="en")

    assert asyncio.run(returns_coroutine("q")) == "q"
    assert list(returns_generator("q")) == ["q"]
    assert [span.attributes["output"] for span in exported.spans] == ['"q"', '"q"']


@every_lazy_kind
def test_what_a_function_returned_and_nobody_ran_is_abandoned(exported, kind):
    @pf_monitor.node
    def returns(question):
        return kind(question, lang="en")

    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        returns("q")
    assert [str(warning.message) for warning in warned] == (
        ["coroutine 'coroutine' was never awaited"] if kind is coroutine else []
    )
    warned.clear()  # a warning holds on to what it is about
    assert exported.named("returns").attributes["pf_monitor.outcome"] == "abandoned"


# Asynchronous generators and their event loop.


@pytest.mark.parametrize("decorate", [lambda function: function, pf_monitor.node], ids=["undecorated", "decorated"])
def test_the_event_loop_hears_of_one_generator(exported, decorate):
    begun: list[str] = []
    dropped: list[str] = []
    hooks = sys.get_asyncgen_hooks()
    sys.set_asyncgen_hooks(lambda made: begun.append(made.__qualname__), lambda made: dropped.append(made.__qualname__))
    try:
        made = decorate(async_generator)("q", lang="en")
        with pytest.raises(StopIteration):
            made.asend(None).send(None)
        del made
        gc.collect()
    finally:
        sys.set_asyncgen_hooks(*hooks)
    assert (begun, dropped) == (["async_generator"], ["async_generator"])


def test_the_event_loop_closes_what_is_left_when_it_shuts_down(exported):
    told: list[dict[str, Any]] = []
    closed: list[str] = []
    kept: list[Any] = []

    @pf_monitor.node
    async def endless():
        try:
            while True:
                yield "more"
        finally:
            await asyncio.sleep(0)
            closed.append("closed")

    async def main():
        asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
        kept.append(endless())
        await anext(kept[0])

    asyncio.run(main())
    assert (closed, told) == (["closed"], [])
    assert exported.named("endless").attributes["pf_monitor.outcome"] == "abandoned"


@pytest.mark.parametrize("decorate", [lambda function: function, pf_monitor.node], ids=["undecorated", "decorated"])
def test_an_async_generator_that_refuses_to_close(exported, decorate):
    @decorate
    async def stubborn():
        try:
            yield "one"
        except GeneratorExit:
            yield "refused"

    async def main():
        made = stubborn()
        assert await anext(made) == "one"
        with pytest.raises(RuntimeError, match="async generator ignored GeneratorExit"):
            await made.aclose()

    asyncio.run(main())


@every_lazy_kind
def test_when_the_interpreter_exits_the_driver_gets_out_of_the_way(exported, monkeypatch, kind):
    """By then the modules that it needs may be gone: it must not touch them, nor keep the user's code from closing."""
    closed: list[str] = []
    monkeypatch.setattr(sys, "is_finalizing", lambda: True)

    @pf_monitor.node
    async def left_coroutine():
        try:
            await Suspension()
        finally:
            closed.append("coroutine")

    @pf_monitor.node
    def left_generator():
        try:
            yield
        finally:
            closed.append("generator")

    @pf_monitor.node
    async def left_async_generator():
        try:
            yield
        finally:
            closed.append("async_generator")

    made = {coroutine: left_coroutine, generator: left_generator, async_generator: left_async_generator}[kind]()
    with contextlib.suppress(StopIteration):  # in a context of its own, since nothing is tidied up any more
        contextvars.copy_context().run((made.asend(None) if kind is async_generator else made).send, None)
    del made
    assert closed == [kind.__name__]
    assert exported.spans == []


class Suspension:
    """An awaitable that suspends once."""

    def __await__(self):
        yield


def test_an_exception_within_an_exception_is_chained_to_it(exported):
    @pf_monitor.node
    def fails():
        raise ValueError("second")

    def handles(call: Callable[[], Any]) -> BaseException | None:
        try:
            raise KeyError("first")  # noqa: TRY301 - to be within its handler
        except KeyError:
            try:
                call()
            except ValueError as error:
                return error.__context__
        return None

    assert type(handles(fails)) is type(handles(fails.__wrapped__)) is KeyError
