"""Wrap a callable so that its calls are recorded, and stay, to `inspect` as to its caller, exactly what it is.

Functions, coroutines and generators differ in how they are driven, not in what is recorded.

What is told apart all the same, by those who look:

- tracebacks have our frames among the user's, and recursion goes half as deep before Python stops it;
- a function's arguments live until it returns: the wrapper needs them to call it;
- a decorated coroutine awaits the user's, so what the user's returns when it is closed by hand is lost, and one that
  refuses to be closed cannot go on; its step is current in the context that first drives it, which is its task's;
- OpenTelemetry's context, alone of all context variables, is as it was when a call or an item is done: what the user's
  code attached and did not detach stays inside;
- a generator for `types.coroutine` to make awaitable is decorated after that in vain: decorate what awaits it.
"""

from __future__ import annotations

import functools
import inspect
import sys
import types
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pf_monitor import runtime
from pf_monitor.instrument.definition import ATTRIBUTE, Definition
from pf_monitor.instrument.generators import ITERATORS, alike, drive_any, drive_async_generator, drive_generator
from pf_monitor.instrument.parentage import attach, detach
from pf_monitor.instrument.recording import Begun, Recording, Waiting, begin

if TYPE_CHECKING:
    from collections.abc import Awaitable


def wrap(definition: Definition) -> Callable[..., Any]:
    """Return the callable of a definition, recorded.

    Args:
        definition: What to record, and how.
    """
    function = definition.function
    called = function if inspect.isroutine(function) or isinstance(function, functools.partial) else _call_of(function)
    if inspect.iscoroutinefunction(called):
        wrapper = _wrap_lazy(definition, _drive_coroutine_function, inspect.CO_COROUTINE)
    elif inspect.isasyncgenfunction(called):
        wrapper = _wrap_lazy(definition, drive_async_generator, inspect.CO_ASYNC_GENERATOR)
    elif inspect.isgeneratorfunction(called):
        wrapper = _wrap_lazy(definition, drive_generator, inspect.CO_GENERATOR)
    else:
        wrapper = _wrap_function(definition)
    # promptflow looks for this mark of its own decorator to find the function beneath, and would find it beneath ours.
    vars(wrapper).pop("__original_function", None)
    setattr(wrapper, ATTRIBUTE, definition)
    return wrapper


def _call_of(function: Callable[..., Any]) -> Any:
    return getattr(function, "__call__", function)  # noqa: B004 - its kind is asked for, not whether it is callable


def _wrap_function(definition: Definition) -> Callable[..., Any]:
    function = definition.function

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        if runtime.off or (recording := begin(definition, args, kwargs)) is None:
            return function(*args, **kwargs)
        token = attach(recording.context)
        try:
            output = function(*args, **kwargs)
        except BaseException as error:
            detach(token)
            recording.left_by(error)
            raise
        detach(token)
        return _returned(recording, output)

    return wrapper


def _wrap_lazy(definition: Definition, drive: Callable[[Waiting, Any], Any], flag: int) -> Callable[..., Any]:
    """Wrap a coroutine or generator function.

    The user's coroutine or generator is made at the call, where wrong arguments are noticed as they would be without
    us. What the caller gets is another of the same type, which drives it.

    Args:
        definition: What to record.
        drive: Makes what the caller gets.
        flag: What the compiler marks such a function with.
    """
    function = definition.function

    def wrapper(*args: Any, **kwargs: Any) -> Any:
        made = function(*args, **kwargs)
        if runtime.off:
            return made
        return alike(drive(functools.partial(begin, definition, args, kwargs), made), made)

    return functools.wraps(function)(_marked(wrapper, flag))


def _marked(function: Callable[..., Any], flag: int) -> Callable[..., Any]:
    """Mark a function that returns a coroutine or generator as what it is to its caller: a function that makes one.

    `inspect` goes by this flag alone, and the interpreter only by the instructions; `types.coroutine` does the same.
    """
    code = function.__code__
    return types.FunctionType(
        code.replace(co_flags=code.co_flags | flag), function.__globals__, code.co_name, None, function.__closure__
    )


class _Unawaited:
    """A coroutine that another one is going to await.

    Where nobody awaits that one, Python warns once, as it would without us; this one then goes quietly.
    """

    __slots__ = ("_coroutine",)

    def __init__(self, coroutine: Any) -> None:
        self._coroutine = coroutine

    def take(self) -> Awaitable[Any]:
        coroutine: Awaitable[Any]
        coroutine, self._coroutine = self._coroutine, None
        return coroutine

    def __del__(self) -> None:
        if self._coroutine is not None:
            self._coroutine.close()


def _drive_coroutine_function(waiting: Waiting, coroutine: Any) -> Any:
    return _drive_coroutine(waiting, _Unawaited(coroutine))


async def _drive_coroutine(waiting: Waiting, unawaited: _Unawaited) -> Any:
    recording, coroutine = waiting(), unawaited.take()
    del waiting, unawaited  # and with it the arguments, which are the user's
    if recording is None:
        return await coroutine
    token = attach(recording.context)
    exiting = sys.is_finalizing  # see generators.py
    try:
        output = await coroutine
    except BaseException as error:
        if not exiting():
            detach(token)
            recording.left_by(error)
        raise
    detach(token)
    return _returned(recording, output)


def _returned(recording: Recording, output: Any) -> Any:
    """End the step of a call that returned; or later, when what it returned is itself still to be run."""
    if type(output) is types.CoroutineType:
        return alike(_drive_coroutine(Begun(recording), _Unawaited(output)), output)
    definition = recording.definition
    if _is_stream(definition, output):
        return drive_any(Begun(recording), output)
    if definition.kind.is_flow and type(output) is dict:
        streams = [key for key, value in output.items() if _is_stream(definition, value)]
        if len(streams) == 1:  # prompt flow allows one field to stream
            key = streams[0]
            rest = {name: value for name, value in output.items() if name != key}
            stream = drive_any(Begun(recording, rest), output[key], lambda given: {**rest, key: given})
            return {**output, key: stream}
    recording.ended(output)
    return output


def _is_stream(definition: Definition, output: Any) -> bool:
    """Whether an output is still to be run, and can be watched without its consumer noticing."""
    kind = type(output)  # never isinstance: it asks the value itself, whose answer may be an exception
    if kind is types.GeneratorType or kind is types.AsyncGeneratorType:
        return True
    return definition.takes_iterators and issubclass(kind, ITERATORS)
