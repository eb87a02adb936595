"""The decorators: `@flow`, `@node`, `@retrieval`; each bare or with arguments, on any callable or callable class."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, cast, overload

from pf_monitor.instrument import columns
from pf_monitor.instrument.definition import define, own_name
from pf_monitor.instrument.drivers import wrap
from pf_monitor.model.kinds import Kind

if TYPE_CHECKING:
    from pf_monitor.model.mapping import ColumnMapping

F = TypeVar("F", bound=Callable[..., Any])


@overload
def flow(function: F, /) -> F: ...


@overload
def flow(
    *,
    name: str | None = None,
    question: str | None = None,
    answer: str | None = None,
    context: str | None = None,
    ground_truth: str | None = None,
) -> Callable[[F], F]: ...


def flow(
    function: F | None = None,
    /,
    *,
    name: str | None = None,
    question: str | None = None,
    answer: str | None = None,
    context: str | None = None,
    ground_truth: str | None = None,
) -> F | Callable[[F], F]:
    """Record each call as a flow run, with its question, answer, context, tokens, cost and outcome.

    A column says where its value is: `inputs.NAME`, `outputs.NAME` or `NODE.output`, further members after a dot,
    positions in brackets; prompt flow's `${inputs.NAME}` is understood too. A column that is not named is looked for
    under its usual names: question, query, input; answer, output, response; context, documents; and the context
    else is what the last `@retrieval` step gave.

    Args:
        function: The flow's entry: a function, coroutine function, generator function, method or callable class.
        name: The flow's name; else prompt flow's `display_name` for it, else the function's or class's own name.
        question: Where the question is.
        answer: Where the answer is.
        context: Where the text is that the answer should rest on.
        ground_truth: Where the right answer is, if the flow is given it.

    Example:
        >>> @pf_monitor.flow(question="inputs.question", answer="outputs.answer", context="retrieve.output")
        ... def chat(question: str) -> Answer: ...
    """
    places = {"question": question, "answer": answer, "context": context, "ground_truth": ground_truth}

    def decorate(function: F) -> F:
        where = f"@pf_monitor.flow on {own_name(function)}"
        return _decorate(function, Kind.FLOW, name, columns.read_mapping(places, where))

    return decorate if function is None else decorate(function)


@overload
def node(function: F, /) -> F: ...


@overload
def node(*, name: str | None = None) -> Callable[[F], F]: ...


def node(function: F | None = None, /, *, name: str | None = None) -> F | Callable[[F], F]:
    """Record each call as a step of a flow, with its arguments, its output and the tokens spent beneath it.

    Args:
        function: The step.
        name: The node's name; the function's own if not given.
    """

    def decorate(function: F) -> F:
        return _decorate(function, Kind.NODE, name)

    return decorate if function is None else decorate(function)


@overload
def retrieval(function: F, /) -> F: ...


@overload
def retrieval(*, name: str | None = None) -> Callable[[F], F]: ...


def retrieval(function: F | None = None, /, *, name: str | None = None) -> F | Callable[[F], F]:
    """Record each call as a retrieval step: a node whose output is the context of the flow's answer.

    Args:
        function: The step; its first text argument is taken as the query.
        name: The node's name; the function's own if not given.
    """

    def decorate(function: F) -> F:
        return _decorate(function, Kind.RETRIEVAL, name)

    return decorate if function is None else decorate(function)


def _decorate(function: F, kind: Kind, name: str | None, mapping: ColumnMapping | None = None) -> F:
    if isinstance(function, (staticmethod, classmethod)):
        return cast("F", type(function)(wrap(define(function.__func__, kind, name, mapping))))
    if isinstance(function, type):
        # A callable class stays the class it is; what is recorded is the call of its instances.
        call = function.__call__
        function.__call__ = wrap(define(call, kind, name, mapping))  # type: ignore[method-assign]  # on purpose
        return cast("F", function)
    return cast("F", wrap(define(function, kind, name, mapping)))
