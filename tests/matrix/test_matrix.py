"""The behaviour matrix: every kind of callable in every situation, next to its undecorated twin.

A situation has a body for each shape of callable (function, coroutine, generator, asynchronous generator) that can be
in it, and says of each other shape why it cannot. Each body is put where callables live: in a module, in a class as
method, classmethod or staticmethod, as the `__call__` of a class. Each of these is run twice in the same way, decorated
and not, and whatever its user can see must be the same both times; what was exported must be exactly one span, whole.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import functools
import inspect
import traceback
import types
import warnings
import weakref
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar

import pytest
from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode

import pf_monitor
from pf_monitor.instrument.parentage import current_step

SHAPES = ("function", "coroutine", "generator", "async_generator")

user_variable: contextvars.ContextVar[str] = contextvars.ContextVar("user_variable", default="unset")


class Thing:
    """Something of the user's, which must go when the user lets go of it."""

    def __init__(self, name: str) -> None:
        self.name = name


class ProblemError(Exception): ...


class Interrupt(KeyboardInterrupt): ...


class Exit(SystemExit): ...


class World:
    """What the user's code and its caller do to each other in one run, and all that they see of it."""

    def __init__(self) -> None:
        self.seen: list[Any] = []
        self.steps: list[Any] = []
        self._refs: dict[str, weakref.ref[Any]] = {}

    def note(self, *what: Any) -> None:
        self.seen.append(what)

    def track(self, name: str, thing: Any) -> Any:
        self._refs[name] = weakref.ref(thing)
        return thing

    def thing(self, name: str) -> Thing:
        return self.track(name, Thing(name))

    def problem(self, kind: type[BaseException] = ProblemError) -> BaseException:
        error = self.track("problem", kind("lost"))
        error.add_note("noted")
        return error

    def fail(self, what: str) -> None:
        raise KeyError(what)

    def inside(self) -> None:
        """Called by the user's code while it runs."""
        self.steps.append((_current_step_name(), trace.get_current_span() is current_step()))
        self.note("inside", user_variable.get())
        user_variable.set(f"set inside, {len(self.steps)}")

    def between(self) -> None:
        """Called by the caller while the user's code does not run."""
        self.note("outside", _current_step_name(), trace.get_current_span() is current_step(), user_variable.get())

    def made(self, made: Any) -> Any:
        self.note("made", type(made), made.__name__, made.__qualname__)
        return made

    def got(self, value: Any) -> None:
        self.note("got", value.name if isinstance(value, Thing) else value)
        self.between()

    def caught(self, error: BaseException) -> None:
        frames = [frame.name for frame in traceback.extract_tb(error.__traceback__) if frame.filename == __file__]
        known = self._refs.get("problem")
        self.note("caught", type(error), str(error), known is not None and known() is error, frames)
        self.note(type(error.__cause__), type(error.__context__), error.__suppress_context__)
        self.note(getattr(error, "__notes__", None), getattr(error, "value", None) and "a value")
        self.between()

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Let the caller's code run on after an error, which it has seen."""
        try:
            yield
        except BaseException as error:  # noqa: BLE001 - each is looked at
            self.caught(error)

    def alive(self) -> None:
        self.note("alive", [name for name, ref in self._refs.items() if ref() is not None])


def _current_step_name() -> str | None:
    step = current_step()
    return None if step is None else step.name


class _Suspension:
    """An awaitable that suspends once, in any event loop or none."""

    def __await__(self) -> Iterator[None]:
        yield


# How callables are called, where a situation does not say otherwise.


def call(callee, world):
    with world.watching():
        world.got(callee("q", world))


async def await_it(callee, world):
    with world.watching():
        world.got(await world.made(callee("q", world)))


def exhaust(callee, world):
    with world.watching():
        for item in world.made(callee("q", world)):
            world.got(item)


async def exhaust_async(callee, world):
    with world.watching():
        async for item in world.made(callee("q", world)):
            world.got(item)


DRIVES = {"function": call, "coroutine": await_it, "generator": exhaust, "async_generator": exhaust_async}


def by_shape(**said: Any) -> Mapping[str, Any]:
    """Say something of each shape; of `others`, where it is the same for the rest."""
    return types.MappingProxyType(said)


class Situation:
    """One row of the matrix.

    Attributes:
        outcome: How the step ends; None where there is none.
        output: The step's output as JSON text; None where there is none; by shape where it differs.
        error: The type of the error that ends the step.
        streamed: The shapes that gave a first item; it costs one look at the clock.
        left_out: Why a shape is not in this situation.
        drive: How a shape is called.
    """

    outcome: ClassVar[str | None] = "ok"
    output: ClassVar[Any] = None
    error: ClassVar[str | None] = None
    streamed: ClassVar[Any] = ("generator", "async_generator")
    left_out: ClassVar[Mapping[str, str]] = by_shape()
    drive: ClassVar[Mapping[str, Callable[..., Any]]] = by_shape()


NOT_LAZY = {"function": "it runs when it is called, to its end"}
NO_ITEMS = {**NOT_LAZY, "coroutine": "it has no items"}


class Returns(Situation):
    output = by_shape(function=f'"<{__name__}.Thing>"', coroutine=f'"<{__name__}.Thing>"', others='"one two"')

    def function(self, question, world):
        world.inside()
        return world.thing("result")

    async def coroutine(self, question, world):
        world.inside()
        await asyncio.sleep(0)
        world.inside()
        return world.thing("result")

    def generator(self, question, world):
        world.inside()
        yield "one "
        world.inside()
        yield "two"
        world.inside()

    async def async_generator(self, question, world):
        world.inside()
        yield "one "
        await asyncio.sleep(0)
        world.inside()
        yield "two"
        world.inside()


class Raises(Situation):
    outcome = "error"
    error = f"{__name__}.ProblemError"
    streamed = ()

    def function(self, question, world):
        world.inside()
        raise world.problem()

    async def coroutine(self, question, world):
        world.inside()
        await asyncio.sleep(0)
        raise world.problem()

    def generator(self, question, world):
        world.inside()
        raise world.problem()
        yield

    async def async_generator(self, question, world):
        world.inside()
        await asyncio.sleep(0)
        raise world.problem()
        yield


class RaisesFromAnother(Raises):
    """What it is chained to must stay as it was."""

    def function(self, question, world):
        try:
            world.fail(question)
        except KeyError as error:
            raise world.problem() from error

    async def coroutine(self, question, world):
        try:
            world.fail(question)
        except KeyError:
            raise world.problem() from None

    def generator(self, question, world):
        try:
            world.fail(question)
        except KeyError:
            raise world.problem()  # noqa: B904 - the context is what is looked at
        yield

    async def async_generator(self, question, world):
        try:
            world.fail(question)
        except KeyError as error:
            raise world.problem() from error
        yield


class RaisesInMidStream(Situation):
    outcome = "error"
    error = f"{__name__}.ProblemError"
    output = '"one "'
    left_out = NO_ITEMS

    def generator(self, question, world):
        world.inside()
        yield "one "
        world.inside()
        raise world.problem()

    async def async_generator(self, question, world):
        world.inside()
        yield "one "
        await asyncio.sleep(0)
        world.inside()
        raise world.problem()


class RaisesStopIteration(Situation):
    outcome = "error"
    error = "RuntimeError"
    streamed = ()
    left_out = by_shape(function="it raises it as it is: nothing else than raising")

    async def coroutine(self, question, world):
        raise StopIteration("too early")

    def generator(self, question, world):
        raise StopIteration("too early")
        yield

    async def async_generator(self, question, world):
        raise StopAsyncIteration("too early")
        yield


class Interrupted(Situation):
    outcome = "cancelled"
    streamed = ()

    def function(self, question, world):
        raise world.problem(Interrupt)

    async def coroutine(self, question, world):
        raise world.problem(Interrupt)

    def generator(self, question, world):
        raise world.problem(Interrupt)
        yield

    async def async_generator(self, question, world):
        raise world.problem(Interrupt)
        yield


class Exits(Situation):
    outcome = "cancelled"
    output = by_shape(generator='"one "', async_generator='"one "', others=None)

    def function(self, question, world):
        raise world.problem(Exit)

    async def coroutine(self, question, world):
        raise world.problem(Exit)

    def generator(self, question, world):
        yield "one "
        raise world.problem(Exit)

    async def async_generator(self, question, world):
        yield "one "
        raise world.problem(Exit)


def _cancelling(drive):
    async def cancel(callee, world):
        begun = asyncio.Event()
        world.begun = begun.set
        task = asyncio.create_task(drive(callee, world))
        await begun.wait()
        task.cancel()
        await task
        world.between()

    return cancel


class Cancelled(Situation):
    outcome = "cancelled"
    output = by_shape(async_generator='"one "', others=None)
    left_out = by_shape(
        function="it cannot be cancelled while it runs", generator="it cannot be cancelled while it runs"
    )
    drive = by_shape(coroutine=_cancelling(await_it), async_generator=_cancelling(exhaust_async))

    async def coroutine(self, question, world):
        world.begun()
        try:
            await asyncio.Event().wait()
        finally:
            world.inside()

    async def async_generator(self, question, world):
        yield "one "
        world.begun()
        try:
            await asyncio.Event().wait()
        finally:
            world.inside()


def _close_coroutine(callee, world):
    coroutine = world.made(callee("q", world))
    coroutine.send(None)
    _close(coroutine, world)


def _close(running, world):
    with world.watching():
        world.note("closed", running.close())
    world.between()


def _close_generator(callee, world):
    generator = world.made(callee("q", world))
    world.got(next(generator))
    _close(generator, world)
    world.note(list(generator), inspect.getgeneratorstate(generator))


async def _aclose(callee, world):
    generator = world.made(callee("q", world))
    world.got(await anext(generator))
    with world.watching():
        world.note("closed", await generator.aclose())
    world.between()
    world.note([item async for item in generator])


class ClosedEarly(Situation):
    outcome = "abandoned"
    output = by_shape(coroutine=None, others='"one "')
    left_out = NOT_LAZY
    drive = by_shape(coroutine=_close_coroutine, generator=_close_generator, async_generator=_aclose)

    async def coroutine(self, question, world):
        try:
            await _Suspension()
        finally:
            world.inside()

    def generator(self, question, world):
        try:
            yield "one "
            yield "two"
        finally:
            world.inside()

    async def async_generator(self, question, world):
        try:
            yield "one "
            yield "two"
        finally:
            await asyncio.sleep(0)
            world.inside()


class ClosedEarlyAndReturns(ClosedEarly):
    left_out = by_shape(
        **NOT_LAZY, coroutine="what it returns when it is closed is lost in an outer coroutine (see drivers.py)"
    )

    def generator(self, question, world):
        try:
            yield "one "
        except GeneratorExit:
            world.inside()
            return world.thing("result").name

    async def async_generator(self, question, world):
        try:
            yield "one "
        except GeneratorExit:
            world.inside()


class ClosedEarlyAndRaises(ClosedEarly):
    outcome = "error"
    error = f"{__name__}.ProblemError"

    async def coroutine(self, question, world):
        try:
            await _Suspension()
        except GeneratorExit:
            raise world.problem() from None

    def generator(self, question, world):
        try:
            yield "one "
        finally:
            raise world.problem()

    async def async_generator(self, question, world):
        try:
            yield "one "
        finally:
            raise world.problem()


def _close_again(callee, world):
    generator = world.made(callee("q", world))
    world.got(next(generator))
    _close(generator, world)
    world.got(next(generator))
    exhaust(lambda *_: generator, world)


class RefusesToClose(Situation):
    output = '"one refusedthree"'
    left_out = by_shape(
        **NOT_LAZY,
        coroutine="awaited by an outer one it cannot go on after that (see drivers.py)",
        async_generator="it is left as it is, to be closed by the collector (see test_kept)",
    )
    drive = by_shape(generator=_close_again)

    def generator(self, question, world):
        try:
            yield "one "
        except GeneratorExit:
            yield "refused"
        yield "three"


async def _abandon_async(callee, world):
    generator = world.made(callee("q", world))
    world.got(await anext(generator))
    del generator
    for _ in range(5):  # the event loop closes it in a task of its own
        await asyncio.sleep(0)
    world.alive()


def _abandon(callee, world):
    generator = world.made(callee("q", world))
    world.got(next(generator))
    del generator
    world.alive()
    world.between()


def _abandon_coroutine(callee, world):
    coroutine = world.made(callee("q", world))
    coroutine.send(None)
    del coroutine
    world.alive()


class Abandoned(ClosedEarly):
    drive = by_shape(coroutine=_abandon_coroutine, generator=_abandon, async_generator=_abandon_async)

    async def coroutine(self, question, world):
        kept = world.thing("kept while it runs")
        try:
            await _Suspension()
        finally:
            world.inside()
            del kept

    def generator(self, question, world):
        kept = world.thing("kept while it runs")
        try:
            yield "one "
        finally:
            world.inside()
            del kept

    async def async_generator(self, question, world):
        kept = world.thing("kept while it runs")
        try:
            yield "one "
        finally:
            await asyncio.sleep(0)
            world.inside()
            del kept


class NeverBegun(Returns):
    outcome = None
    left_out = NOT_LAZY

    @staticmethod
    def _drop(callee, world):
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            world.made(callee("q", world))
        world.note([str(warning.message) for warning in warned])

    drive = by_shape(coroutine=_drop, generator=_drop, async_generator=_drop)
    function = None


class ClosedBeforeItBegins(Returns):
    outcome = None
    left_out = NOT_LAZY

    @staticmethod
    def _close_at_once(callee, world):
        _close(world.made(callee("q", world)), world)

    @staticmethod
    async def _aclose_at_once(callee, world):
        generator = world.made(callee("q", world))
        world.note("closed", await generator.aclose())
        world.note([item async for item in generator])

    drive = by_shape(coroutine=_close_at_once, generator=_close_at_once, async_generator=_aclose_at_once)
    function = None


class ThrownIntoBeforeItBegins(Returns):
    outcome = None
    left_out = NOT_LAZY

    @staticmethod
    def _throw_at_once(callee, world):
        with pytest.raises(ProblemError):
            world.made(callee("q", world)).throw(world.problem())
        world.between()

    @staticmethod
    async def _athrow_at_once(callee, world):
        with pytest.raises(ProblemError):
            await world.made(callee("q", world)).athrow(world.problem())
        world.between()

    drive = by_shape(coroutine=_throw_at_once, generator=_throw_at_once, async_generator=_athrow_at_once)
    function = None


class SentInto(Situation):
    output = f'["one ","<{__name__}.Thing>","TypeError"]'
    left_out = by_shape(**NOT_LAZY, coroutine="only its event loop sends")

    @staticmethod
    def _send(callee, world):
        generator = world.made(callee("q", world))
        try:
            generator.send("too early")
        except TypeError as error:
            world.note(str(error))
        world.got(next(generator))
        world.got(generator.send(world.thing("sent")))
        world.alive()
        world.got(generator.send(TypeError))
        exhaust(lambda *_: generator, world)

    @staticmethod
    async def _asend(callee, world):
        generator = world.made(callee("q", world))
        world.got(await generator.asend(None))
        world.got(await generator.asend(world.thing("sent")))
        world.alive()
        world.got(await generator.asend(TypeError))
        await exhaust_async(lambda *_: generator, world)

    drive = by_shape(generator=_send, async_generator=_asend)

    def generator(self, question, world):
        received = yield "one "
        world.inside()
        received = yield received
        world.inside()
        yield received.__name__

    async def async_generator(self, question, world):
        received = yield "one "
        world.inside()
        received = yield received
        world.inside()
        yield received.__name__


class ThrownInto(Situation):
    output = by_shape(coroutine='"handled"', others='"one handledthree"')
    left_out = NOT_LAZY

    @staticmethod
    def _throw_into_coroutine(callee, world):
        coroutine = world.made(callee("q", world))
        coroutine.send(None)
        coroutine.throw(world.problem())
        world.alive()
        try:
            coroutine.send(None)
        except StopIteration as stop:
            world.got(stop.value)

    @staticmethod
    def _throw(callee, world):
        generator = world.made(callee("q", world))
        world.got(next(generator))
        world.got(generator.throw(world.problem()))
        world.alive()
        exhaust(lambda *_: generator, world)

    @staticmethod
    async def _athrow(callee, world):
        generator = world.made(callee("q", world))
        world.got(await anext(generator))
        world.got(await generator.athrow(world.problem()))
        world.alive()
        await exhaust_async(lambda *_: generator, world)

    drive = by_shape(coroutine=_throw_into_coroutine, generator=_throw, async_generator=_athrow)

    async def coroutine(self, question, world):
        try:
            await _Suspension()
        except ProblemError as error:
            world.note(str(error), type(error.__context__))
        await _Suspension()
        return "handled"

    def generator(self, question, world):
        try:
            yield "one "
        except ProblemError as error:
            world.note(str(error), type(error.__context__))
        world.inside()
        yield "handled"
        yield "three"

    async def async_generator(self, question, world):
        try:
            yield "one "
        except ProblemError as error:
            world.note(str(error), type(error.__context__))
        world.inside()
        yield "handled"
        yield "three"


class RaisesAfterHandlingWhatWasThrown(ThrownInto):
    """The second error has nothing to do with the first, and must not be chained to it."""

    outcome = "error"
    error = f"{__name__}.ProblemError"
    output = '"one "'
    left_out = NO_ITEMS

    @staticmethod
    def _throw(callee, world):
        generator = world.made(callee("q", world))
        world.got(next(generator))
        with world.watching():
            generator.throw(KeyError("handled"))

    @staticmethod
    async def _athrow(callee, world):
        generator = world.made(callee("q", world))
        world.got(await anext(generator))
        with world.watching():
            await generator.athrow(KeyError("handled"))

    drive = by_shape(generator=_throw, async_generator=_athrow)
    coroutine = None

    def generator(self, question, world):
        try:
            yield "one "
        except KeyError:
            world.inside()
        raise world.problem()

    async def async_generator(self, question, world):
        try:
            yield "one "
        except KeyError:
            world.inside()
        raise world.problem()


class ThrownIntoAndNotHandled(Situation):
    outcome = "error"
    error = f"{__name__}.ProblemError"
    output = by_shape(coroutine=None, others='"one "')
    left_out = NOT_LAZY

    @staticmethod
    def _throw_into_coroutine(callee, world):
        coroutine = world.made(callee("q", world))
        coroutine.send(None)
        with world.watching():
            coroutine.throw(world.problem())

    @staticmethod
    def _throw(callee, world):
        generator = world.made(callee("q", world))
        world.got(next(generator))
        with world.watching():
            generator.throw(world.problem())

    @staticmethod
    async def _athrow(callee, world):
        generator = world.made(callee("q", world))
        world.got(await anext(generator))
        with world.watching():
            await generator.athrow(world.problem())

    drive = by_shape(coroutine=_throw_into_coroutine, generator=_throw, async_generator=_athrow)

    async def coroutine(self, question, world):
        await _Suspension()

    def generator(self, question, world):
        yield "one "

    async def async_generator(self, question, world):
        yield "one "


class ReturnValueUsed(Situation):
    output = '"one "'
    left_out = by_shape(
        function="what it returns is what returning is about",
        coroutine="what it returns is what returning is about",
        async_generator="it cannot return a value",
    )

    @staticmethod
    def _use(callee, world):
        def user():
            result = yield from world.made(callee("q", world))
            world.got(result)
            del result
            world.alive()

        for item in user():
            world.got(item)

    drive = by_shape(generator=_use)

    def generator(self, question, world):
        yield "one "
        return world.thing("result")


class OnlyReturns(ReturnValueUsed):
    output = f'"<{__name__}.Thing>"'
    streamed = ()

    def generator(self, question, world):
        return world.thing("result")
        yield


class Nested(Situation):
    output = '"one two"'
    left_out = NO_ITEMS

    @staticmethod
    def _delegate(callee, world):
        def user():
            yield from callee("q", world)
            yield "three"

        exhaust(lambda *_: user(), world)

    @staticmethod
    async def _delegate_async(callee, world):
        async def user():
            async for item in callee("q", world):
                yield item
            yield "three"

        await exhaust_async(lambda *_: user(), world)

    drive = by_shape(generator=_delegate, async_generator=_delegate_async)

    def generator(self, question, world):
        def inner():
            world.inside()
            yield "one "

        yield from inner()
        yield "two"

    async def async_generator(self, question, world):
        async def inner():
            world.inside()
            yield "one "

        async for item in inner():
            yield item
        yield "two"


class LetsItsItemsGo(Situation):
    output = f'["<{__name__}.Thing>","<{__name__}.Thing>"]'
    left_out = NO_ITEMS

    @staticmethod
    def _hold_none(callee, world):
        generator = world.made(callee("q", world))
        next(generator)
        world.alive()
        next(generator)
        world.alive()
        exhaust(lambda *_: generator, world)

    @staticmethod
    async def _hold_none_async(callee, world):
        generator = world.made(callee("q", world))
        await anext(generator)
        world.alive()
        await anext(generator)
        world.alive()
        await exhaust_async(lambda *_: generator, world)

    drive = by_shape(generator=_hold_none, async_generator=_hold_none_async)

    def generator(self, question, world):
        yield world.thing("first")
        world.alive()
        yield world.thing("second")
        world.alive()

    async def async_generator(self, question, world):
        yield world.thing("first")
        world.alive()
        yield world.thing("second")
        world.alive()


class LetsItsArgumentsGo(Returns):
    left_out = by_shape(function="its wrapper holds the arguments until it returns (see drivers.py)")
    output = by_shape(coroutine="null", others='"one "')
    function = None

    async def coroutine(self, question, world):
        del self, question
        world.alive()

    def generator(self, question, world):
        del self, question
        world.alive()
        yield "one "

    async def async_generator(self, question, world):
        del self, question
        world.alive()
        yield "one "


class InAThreadPool(Returns):
    """With the caller's context, as `asyncio.to_thread` does it."""

    @staticmethod
    def _call(callee, world):
        with ThreadPoolExecutor(1) as pool:
            pool.submit(contextvars.copy_context().run, call, callee, world).result()
        world.between()

    @staticmethod
    async def _await(callee, world):
        await asyncio.to_thread(lambda: asyncio.run(await_it(callee, world)))
        world.between()

    @staticmethod
    def _each_item_in_a_thread(callee, world):
        generator = world.made(callee("q", world))
        for _ in range(3):
            with ThreadPoolExecutor(1) as pool:
                world.got(pool.submit(contextvars.copy_context().run, next, generator, "the end").result())

    @staticmethod
    async def _consume_in_a_thread(callee, world):
        await asyncio.to_thread(lambda: asyncio.run(exhaust_async(callee, world)))
        world.between()

    drive = by_shape(
        function=_call, coroutine=_await, generator=_each_item_in_a_thread, async_generator=_consume_in_a_thread
    )


def _beside_another(drive):
    async def gather(callee, world):
        async def this():
            if (running := drive(callee, world)) is not None:
                await running

        async def other():
            for _ in range(3):
                world.between()
                await asyncio.sleep(0)

        await asyncio.gather(this(), other())

    return gather


class Gathered(Returns):
    drive = by_shape(**{shape: _beside_another(drive) for shape, drive in DRIVES.items()})


class InACopiedContext(Returns):
    @staticmethod
    def _call(callee, world):
        contextvars.copy_context().run(call, callee, world)
        world.between()

    @staticmethod
    async def _await(callee, world):
        await asyncio.create_task(await_it(callee, world), context=contextvars.copy_context())
        world.between()

    @staticmethod
    def _each_item_in_its_own(callee, world):
        generator = world.made(callee("q", world))
        for _ in range(3):
            world.got(contextvars.copy_context().run(next, generator, "the end"))

    @staticmethod
    async def _each_item_in_its_own_async(callee, world):
        async def take():
            return await anext(generator, "the end")

        generator = world.made(callee("q", world))
        for _ in range(3):
            world.got(await asyncio.create_task(take(), context=contextvars.copy_context()))

    drive = by_shape(
        function=_call, coroutine=_await, generator=_each_item_in_its_own, async_generator=_each_item_in_its_own_async
    )


class MovedFromContextToContext(ClosedEarly):
    """Begun in one context, closed in another: nothing of the step may stay in either."""

    coroutine = None
    left_out = by_shape(**NOT_LAZY, coroutine="a task has one context, and coroutines belong to tasks (see drivers.py)")

    @staticmethod
    def _generator(callee, world):
        generator = world.made(callee("q", world))
        world.got(contextvars.copy_context().run(next, generator))
        contextvars.copy_context().run(generator.close)
        world.between()

    @staticmethod
    async def _async_generator(callee, world):
        async def take():
            return await anext(generator)

        async def close():
            await generator.aclose()

        generator = world.made(callee("q", world))
        world.got(await asyncio.create_task(take(), context=contextvars.copy_context()))
        await asyncio.create_task(close(), context=contextvars.copy_context())
        world.between()

    drive = by_shape(generator=_generator, async_generator=_async_generator)


# Where callables live.


def _in_a_module(body, decorate, world):
    return functools.partial(decorate(body), world.thing("receiver"))


def _as_method(body, decorate, world):
    owner = type("Owner", (), {body.__name__: decorate(body)})
    return getattr(world.track("receiver", owner()), body.__name__)


def _as_classmethod(body, decorate, world):
    owner = type("Owner", (), {body.__name__: decorate(classmethod(body))})
    return getattr(owner, body.__name__)


def _as_staticmethod(body, decorate, world):
    owner = type("Owner", (), {body.__name__: decorate(staticmethod(body))})
    return functools.partial(getattr(owner(), body.__name__), world.thing("receiver"))


def _as_callable_class(body, decorate, world):
    own = types.FunctionType(body.__code__, body.__globals__, "__call__", None, body.__closure__)
    own.__qualname__ = f"{body.__name__}.__call__"
    return world.track("receiver", decorate(type(body.__name__, (), {"__call__": own}))())


PLACES = {
    "plain": _in_a_module,
    "method": _as_method,
    "classmethod": _as_classmethod,
    "staticmethod": _as_staticmethod,
    "callable class": _as_callable_class,
}


# The matrix.

SITUATIONS = [
    *(Returns, Raises, RaisesFromAnother, RaisesInMidStream, RaisesStopIteration, Interrupted, Exits, Cancelled),
    *(ClosedEarly, ClosedEarlyAndReturns, ClosedEarlyAndRaises, RefusesToClose, Abandoned),
    *(NeverBegun, ClosedBeforeItBegins, ThrownIntoBeforeItBegins),
    *(SentInto, ThrownInto, RaisesAfterHandlingWhatWasThrown, ThrownIntoAndNotHandled, ReturnValueUsed, OnlyReturns),
    *(Nested, LetsItsItemsGo, LetsItsArgumentsGo),
    *(InAThreadPool, Gathered, InACopiedContext, MovedFromContextToContext),
]

CELLS = [
    pytest.param(situation, shape, place, id=f"{situation.__name__}-{shape}-{place}")
    for situation in SITUATIONS
    for shape in SHAPES
    if shape not in situation.left_out
    for place in PLACES
]


@pytest.mark.parametrize("situation", SITUATIONS)
def test_every_shape_is_in_a_situation_or_it_is_said_why_not(situation):
    assert {shape for shape in SHAPES if getattr(situation, shape, None) is not None} >= set(SHAPES) - set(
        situation.left_out
    )


@pytest.mark.parametrize(("situation", "shape", "place"), CELLS)
def test_cell(exported, no_gc, situation, shape, place):
    undecorated = _run(situation, shape, place, lambda body: body)
    assert [span.name for span in exported.spans] == ["around"]

    decorated = _run(situation, shape, place, pf_monitor.node)
    assert decorated.seen == undecorated.seen
    assert all(step == (shape, True) for step in decorated.steps)
    assert all(step == ("around", True) for step in undecorated.steps)

    [_, *subjects, around] = exported.spans
    assert around.name == "around"
    if situation.outcome is None:
        assert subjects == []
    else:
        [span] = subjects
        _assert_whole(span, around, situation, shape)


def _run(situation, shape, place, decorate):
    """Call a callable within a flow, and return what was seen."""
    world = World()
    drive = situation.drive.get(shape, DRIVES[shape])

    async def flow():
        callee = PLACES[place](getattr(situation, shape), decorate, world)
        if (running := drive(callee, world)) is not None:
            await running
        del callee
        world.between()

    around = pf_monitor.flow(name="around")(flow)
    asyncio.run(around())
    world.alive()
    return world


def _assert_whole(span, around, situation, shape):
    output = situation.output
    if isinstance(output, Mapping):
        output = output.get(shape, output.get("others"))
    streamed = shape in situation.streamed
    expected = {
        "pf_monitor.kind": "node",
        "pf_monitor.flow": "around",
        "pf_monitor.node": shape,
        "pf_monitor.outcome": situation.outcome,
        "pf_monitor.usage.input_tokens": 0,
        "pf_monitor.usage.output_tokens": 0,
        "pf_monitor.usage.total_tokens": 0,
        "pf_monitor.usage.llm_calls": 0,
        "pf_monitor.request_id": around.attributes["pf_monitor.request_id"],
        "inputs": f'{{"question":"q","world":"<{__name__}.World>"}}',
    }
    if output is not None:
        expected["output"] = output
    if situation.error is not None:
        expected["pf_monitor.error.type"] = situation.error
    assert dict(span.attributes) == expected
    assert (span.name, span.kind) == (shape, SpanKind.INTERNAL)
    assert span.parent == around.context
    assert span.context.trace_id == around.context.trace_id
    assert span.resource.attributes["service.name"] == "around"
    assert span.status.status_code is (StatusCode.ERROR if situation.error else StatusCode.UNSET)
    assert span.status.description == situation.error
    assert [(event.name, event.attributes["exception.type"]) for event in span.events] == (
        [("exception", situation.error)] if situation.error else []
    )
    if situation.error:
        [event] = span.events
        assert set(event.attributes) == {
            *("exception.type", "exception.message", "exception.stacktrace"),
            *("pf_monitor.flow", "pf_monitor.node", "pf_monitor.request_id"),
        }
        assert __file__ in event.attributes["exception.stacktrace"]
        assert "pf_monitor/instrument" not in event.attributes["exception.stacktrace"]
    # Each look at the clock takes a millisecond: at the first item, at the error, at the end.
    looks = 1 + streamed + (situation.error is not None)
    assert span.end_time - span.start_time == looks * 1_000_000
