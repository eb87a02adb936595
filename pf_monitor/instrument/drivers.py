"""One driver for each kind of callable: they differ in how they are run, not in what is recorded.

Each wrapper stays what it wraps, to `inspect` as to its caller: a function, a coroutine function, a generator function
or an asynchronous generator function; lazy where that is lazy. Between two items of a generator the step is not the
current one, so that nothing leaks into the consumer, who may be in another thread by the next item.
"""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from opentelemetry import context as context_api

from pf_monitor import notices, runtime
from pf_monitor.instrument import watch
from pf_monitor.instrument.collecting import Collected
from pf_monitor.instrument.definition import ATTRIBUTE, Definition
from pf_monitor.instrument.parentage import attach, current_step, detach
from pf_monitor.model.kinds import Kind, Outcome

if TYPE_CHECKING:
    from opentelemetry.context import Context

    from pf_monitor.model.step import Step


def wrap(definition: Definition) -> Callable[..., Any]:
    """Return the callable of a definition, recorded.

    Args:
        definition: What to record, and how.
    """
    function = definition.function
    called = function if inspect.isroutine(function) or isinstance(function, functools.partial) else _call_of(function)
    if inspect.iscoroutinefunction(called):
        wrapper = _wrap_coroutine(definition)
    elif inspect.isasyncgenfunction(called):
        wrapper = _wrap_async_generator(definition)
    elif inspect.isgeneratorfunction(called):
        wrapper = _wrap_generator(definition)
    else:
        wrapper = _wrap_function(definition)
    # promptflow looks for this mark of its own decorator to find the function beneath, and would find it beneath ours.
    vars(wrapper).pop("__original_function", None)
    setattr(wrapper, ATTRIBUTE, definition)
    return wrapper


def _call_of(function: Callable[..., Any]) -> Any:
    return getattr(function, "__call__", function)  # noqa: B004 - its kind is asked for, not whether it is callable


def _open(definition: Definition, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[Step, Context] | None:
    """Begin the step of a call; None when nothing is recorded, whatever the reason."""
    recorder = runtime.recorder or runtime.decide()
    if recorder is None:
        return None
    try:
        above = current_step()
        if above is not None and above.stands_for is definition.function:
            above.stands_for = None
            return None
        step, context = watch.begin(recorder, definition.kind, definition.name)
        step.stands_for = definition.instead_of
        watch.take_inputs(step, definition.inputs(args, kwargs), definition.mapping)
    except Exception as error:  # noqa: BLE001 - never into the flow
        notices.say_once("begin", "pf_monitor could not begin a step of %s: %r", definition.name, error)
        return None
    return step, context


def _wrap_function(definition: Definition) -> Callable[..., Any]:
    function = definition.function

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        if runtime.off or (opened := _open(definition, args, kwargs)) is None:
            return function(*args, **kwargs)
        step, context = opened
        token = attach(context)
        try:
            output = function(*args, **kwargs)
        except BaseException as error:
            detach(token)
            watch.fail(step, error)
            raise
        detach(token)
        return _returned(definition, step, context, output)

    return wrapper


def _wrap_coroutine(definition: Definition) -> Callable[..., Any]:
    function = definition.function

    @functools.wraps(function)
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        if runtime.off or (opened := _open(definition, args, kwargs)) is None:
            return await function(*args, **kwargs)
        step, context = opened
        return await _drive_coroutine(definition, step, context, function(*args, **kwargs))

    return wrapper


def _wrap_generator(definition: Definition) -> Callable[..., Any]:
    function = definition.function

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        if runtime.off or (opened := _open(definition, args, kwargs)) is None:
            return (yield from function(*args, **kwargs))
        step, context = opened
        return (yield from _drive_generator(definition, step, context, function(*args, **kwargs)))

    return wrapper


def _wrap_async_generator(definition: Definition) -> Callable[..., Any]:
    function = definition.function

    @functools.wraps(function)
    async def wrapper(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        opened = None if runtime.off else _open(definition, args, kwargs)
        generator = function(*args, **kwargs)
        driven = generator if opened is None else _drive_async_generator(definition, *opened, generator)
        # There is no `yield from` for asynchronous generators.
        try:
            item = await anext(driven)
            while True:
                try:
                    sent = yield item
                except GeneratorExit:
                    await driven.aclose()
                    raise
                except BaseException as error:  # noqa: BLE001 - whatever is thrown in belongs to the generator
                    item = await driven.athrow(error)
                else:
                    item = await driven.asend(sent)
        except StopAsyncIteration:
            return

    return wrapper


def _returned(definition: Definition, step: Step, context: Context, output: Any) -> Any:
    """End the step of a function that returned; or later, when what it returned is itself still to be run."""
    if type(output) is types.CoroutineType:
        return _drive_coroutine(definition, step, context, output)
    if _is_stream(definition, output):
        return _drive(definition, step, context, output, _same)
    if definition.kind is Kind.FLOW and type(output) is dict:
        streams = [key for key, value in output.items() if _is_stream(definition, value)]
        if len(streams) == 1:  # prompt flow allows one field to stream
            key = streams[0]
            rest = {name: value for name, value in output.items() if name != key}
            stream = _drive(definition, step, context, output[key], lambda given: {**rest, key: given})
            return {**output, key: stream}
    watch.complete(step, output, definition.mapping)
    return output


def _is_stream(definition: Definition, output: Any) -> bool:
    """Whether an output is still to be run, and can be watched without its consumer noticing."""
    kind = type(output)  # never isinstance: it asks the value itself, whose answer may be an exception
    if kind is types.GeneratorType or kind is types.AsyncGeneratorType:
        return True
    return definition.takes_iterators and issubclass(kind, (Iterator, AsyncIterator))


def _drive(
    definition: Definition, step: Step, context: Context, stream: Any, whole: Callable[[Any], Any]
) -> Generator[Any, Any, Any] | AsyncGenerator[Any, Any]:
    """Watch a stream to its end.

    Args:
        definition: Whose output it is.
        step: The step, which ends with the stream.
        context: The context that the stream runs in.
        stream: A generator or iterator, asynchronous or not.
        whole: Makes the step's output of what the stream has given.
    """
    if isinstance(stream, AsyncIterator):
        generator = stream if isinstance(stream, types.AsyncGeneratorType) else _as_async_generator(stream)
        return _drive_async_generator(definition, step, context, generator, whole)
    return _drive_generator(
        definition, step, context, stream if isinstance(stream, types.GeneratorType) else _as_generator(stream), whole
    )


def _as_generator(iterator: Iterator[Any]) -> Generator[Any, Any, Any]:
    yield from iterator


async def _as_async_generator(iterator: AsyncIterator[Any]) -> AsyncGenerator[Any, Any]:
    async for item in iterator:
        yield item


async def _drive_coroutine(definition: Definition, step: Step, context: Context, coroutine: Any) -> Any:
    token = attach(context)
    try:
        output = await coroutine
    except BaseException as error:
        detach(token)
        watch.fail(step, error)
        raise
    detach(token)
    return _returned(definition, step, context, output)


def _same(output: Any) -> Any:
    return output


def _drive_generator(
    definition: Definition,
    step: Step,
    context: Context,
    generator: Generator[Any, Any, Any],
    whole: Callable[[Any], Any] = _same,
) -> Generator[Any, Any, Any]:
    collected = Collected(step)
    resume: Callable[..., Any] = generator.send
    argument: Any = None
    try:
        while True:
            token = attach(context)
            try:
                item = resume(argument)
            finally:
                # What the generator made current inside (a span around a yield) is current again when it goes on.
                context = context_api.get_current()
                detach(token)
            collected.add(item)
            try:
                argument = yield item
                resume = generator.send
            except GeneratorExit:
                generator.close()
                raise
            except BaseException as error:  # noqa: BLE001 - whatever is thrown in belongs to the generator
                argument, resume = error, generator.throw
    except StopIteration as stop:
        watch.complete(step, whole(collected.output(stop.value)), definition.mapping)
        return stop.value
    except GeneratorExit:
        watch.complete(step, whole(collected.output()), definition.mapping, Outcome.ABANDONED)
        raise
    except BaseException as error:
        _fail(definition, step, whole(collected.output()), error)
        raise


async def _drive_async_generator(
    definition: Definition,
    step: Step,
    context: Context,
    generator: AsyncGenerator[Any, Any],
    whole: Callable[[Any], Any] = _same,
) -> AsyncGenerator[Any, Any]:
    collected = Collected(step)
    resume: Callable[..., Any] = generator.asend
    argument: Any = None
    try:
        while True:
            token = attach(context)
            try:
                item = await resume(argument)
            finally:
                context = context_api.get_current()
                detach(token)
            collected.add(item)
            try:
                argument = yield item
                resume = generator.asend
            except GeneratorExit:
                await generator.aclose()
                raise
            except BaseException as error:  # noqa: BLE001 - whatever is thrown in belongs to the generator
                argument, resume = error, generator.athrow
    except StopAsyncIteration:
        watch.complete(step, whole(collected.output()), definition.mapping)
    except GeneratorExit:
        watch.complete(step, whole(collected.output()), definition.mapping, Outcome.ABANDONED)
        raise
    except BaseException as error:
        _fail(definition, step, whole(collected.output()), error)
        raise


def _fail(definition: Definition, step: Step, output: Any, error: BaseException) -> None:
    """End the step of a generator that an exception left, with what it had given until then."""
    if (outcome := watch.outcome_of(error)) is Outcome.ERROR:
        step.fail(error)
    watch.complete(step, output, definition.mapping, outcome)
