"""Drive a generator as its consumer would, recorded: one layer around it, which neither of the two can tell.

Whatever the consumer does to the outer generator (send, throw, close, drop it) is done to the user's own, where it
would have been without us; whatever that does in return (yield, return, raise, refuse to be closed) the outer one does.
The step is the current one only while the user's code runs: between two items nothing leaks into the consumer, who may
be in another thread by the next one.

Values pass through a list of one, the box, because a variable of the driver would keep an item alive for as long as
the generator waits, and the consumer may have let go of it long before.

When the interpreter exits, it closes what is still waiting while it takes modules apart, this one included. Then a
driver only gets out of the way: the user's own generator is closed next.
"""

from __future__ import annotations

import functools
import sys
import types
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from opentelemetry import context as context_api

from pf_monitor.instrument.parentage import attach, detach
from pf_monitor.instrument.recording import StreamRecording, Unrecorded
from pf_monitor.model.kinds import Outcome

if TYPE_CHECKING:
    from pf_monitor.instrument.recording import Waiting, Whole

Driver = TypeVar("Driver")

ITERATORS = (Iterator, AsyncIterator)


def drive_any(
    waiting: Waiting, stream: Any, whole: Whole | None = None
) -> Generator[Any, Any, Any] | AsyncGenerator[Any, Any]:
    """Return a generator that drives a generator or iterator, asynchronous or not.

    Args:
        waiting: Gives the recording, which ends with the stream.
        stream: What a call has returned.
        whole: Makes the step's output of what the stream has given.
    """
    kind = type(stream)
    if kind is types.GeneratorType:
        return alike(drive_generator(waiting, stream, whole), stream)
    if kind is types.AsyncGeneratorType:
        return alike(drive_async_generator(waiting, stream, whole), stream)
    if issubclass(kind, AsyncIterator):
        return drive_async_generator(waiting, _as_async_generator(stream), whole)
    return drive_generator(waiting, _as_generator(stream), whole)


def alike(driver: Driver, driven: Any) -> Driver:
    """Give what drives a coroutine or generator the names of what it drives: warnings and `repr` show them."""
    nameable: Any = driver
    nameable.__name__ = driven.__name__
    nameable.__qualname__ = driven.__qualname__
    return driver


def drive_generator(
    waiting: Waiting, generator: Generator[Any, Any, Any], whole: Whole | None = None
) -> Generator[Any, Any, Any]:
    """Drive a generator.

    Args:
        waiting: Gives the recording, when the generator begins.
        generator: The user's own.
        whole: Makes the step's output of what the generator has given.
    """
    call = waiting()
    del waiting  # and with it the arguments, which are the user's
    recording = Unrecorded() if call is None else StreamRecording(call, whole)
    context, take = recording.context, recording.add
    resume: Callable[[Any], Any] = generator.send
    box: list[Any] = [None]
    closing = False
    exiting = sys.is_finalizing
    try:
        while True:
            token = attach(context)
            try:
                box.append(resume(box.pop()))
            finally:
                # What the generator made current inside (a span around a yield) is current again when it goes on.
                context = context_api.get_current()
                detach(token)
            take(box[0])
            try:
                box.append((yield box.pop()))
                resume, closing = generator.send, False
            except BaseException as error:
                if exiting():
                    raise
                # GeneratorExit too: thrown in, it lets the generator answer as it would answer close(). The generator
                # must not run in here, where an exception of its own would be chained to this one.
                box.append(_as_thrown(error))
                resume, closing = generator.throw, isinstance(error, GeneratorExit)
    except StopIteration as stop:
        recording.ended(Outcome.ABANDONED if closing else Outcome.OK, stop.value)
        return stop.value
    except BaseException as error:
        if not exiting():
            recording.left_by(error)
        raise


async def drive_async_generator(
    waiting: Waiting, generator: AsyncGenerator[Any, Any], whole: Whole | None = None
) -> AsyncGenerator[Any, Any]:
    """Drive an asynchronous generator; the same, awaited.

    Args:
        waiting: Gives the recording, when the generator begins.
        generator: The user's own.
        whole: Makes the step's output of what the generator has given.
    """
    call = waiting()
    del waiting
    recording = Unrecorded() if call is None else StreamRecording(call, whole)
    context, take = recording.context, recording.add
    resume: Callable[[Any], Awaitable[Any]] = functools.partial(_first, generator)
    box: list[Any] = [None]
    closing = False
    exiting = sys.is_finalizing
    try:
        while True:
            token = attach(context)
            try:
                box.append(await resume(box.pop()))
            finally:
                context = context_api.get_current()
                detach(token)
            take(box[0])
            try:
                box.append((yield box.pop()))
                resume, closing = generator.asend, False
            except BaseException as error:
                if exiting():
                    raise
                box.append(_as_thrown(error))
                resume, closing = generator.athrow, isinstance(error, GeneratorExit)
    except StopAsyncIteration:
        recording.ended(Outcome.ABANDONED if closing else Outcome.OK)
    except BaseException as error:
        if not exiting():
            recording.left_by(error)
        raise


def _as_thrown(error: BaseException) -> BaseException:
    """Return an error that was thrown into a driver as it was thrown: its traceback begins with the driver's frame."""
    traceback = error.__traceback__
    return error if traceback is None else error.with_traceback(traceback.tb_next)


def _first(generator: AsyncGenerator[Any, Any], nothing: None) -> Awaitable[Any]:
    """Ask for the first item without the event loop hearing of it.

    The loop knows the outer generator. If it knew the inner one too, it would close both when it shuts down, at the
    same time, and the two would be in each other's way.
    """
    hooks = sys.get_asyncgen_hooks()
    sys.set_asyncgen_hooks(None, None)
    try:
        return generator.asend(nothing)
    finally:
        sys.set_asyncgen_hooks(*hooks)


def _as_generator(iterator: Iterator[Any]) -> Generator[Any, Any, Any]:
    yield from iterator


async def _as_async_generator(iterator: AsyncIterator[Any]) -> AsyncGenerator[Any, Any]:
    async for item in iterator:
        yield item
