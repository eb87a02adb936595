"""Which step is the current one, and what stands above a step that begins."""

from __future__ import annotations

from contextvars import ContextVar, Token
from typing import Any, NamedTuple

from opentelemetry import context as context_api
from opentelemetry import trace
from opentelemetry.context import Context

from pf_monitor.model.step import Step

_STEP = context_api.create_key("pf_monitor-step")
[_SPAN] = trace.set_span_in_context(trace.INVALID_SPAN, Context())
"""Where OpenTelemetry keeps the current span."""

unsent_scopes: set[str] = {"promptflow"}
"""Instrumentation scopes whose spans do not reach Application Insights, so that nothing may hang below them:
promptflow's own, and the server's where promptflow would have been the one to send them."""


class Origin(NamedTuple):
    """What stands above a step.

    Attributes:
        trace_id: The trace to join, or None to begin one.
        parent: The span above, or None.
        is_local: Whether that span is recorded in this process.
    """

    trace_id: int | None = None
    parent: trace.SpanContext | None = None
    is_local: bool = False


_NOTHING = Origin()
"""A request that nobody above has a trace of."""

_origin: ContextVar[Origin | None] = ContextVar("pf_monitor_origin", default=None)
"""What stood above before promptflow put spans of its own in between."""


def current_step(context: Context | None = None) -> Step | None:
    """Return the step that is running in this thread or task, or in a context."""
    step: Step | None = (context_api.get_current() if context is None else context).get(_STEP)  # type: ignore[assignment]  # nobody else has the key
    return step


def activate(step: Step, context: Context) -> Context:
    """Return a context in which the step is the current one, for OpenTelemetry too."""
    # Both at once: OpenTelemetry's own functions would copy the context four times.
    return Context({**context, _SPAN: step, _STEP: step})


attach = context_api.attach
"""Make a context the current one. OpenTelemetry's own: one more call on the way would show in the cost of a chunk."""


def detach(token: Token[Any]) -> None:
    """Go back to the context, or the origin, before; quietly where a coroutine that is closed from elsewhere cannot."""
    try:
        token.var.reset(token)
    except (ValueError, RuntimeError):
        return


def origin_of(context: Context) -> Origin:
    """Return what stands above a flow that begins in this context.

    Spans that nobody sends are passed over in favour of what is above them: the remote caller.
    """
    kept = _origin.get()
    return _above(context) if kept is None else kept


def keep_origin() -> Token[Origin | None]:
    """Remember what stands above now, for code that puts spans of its own in between, until `detach`."""
    return _origin.set(origin_of(context_api.get_current()))


def _above(context: Context) -> Origin:
    span = context.get(_SPAN)
    if not isinstance(span, trace.Span):
        return _NOTHING
    above = span.get_span_context()
    if not above.is_valid:
        return _NOTHING
    if not span.is_recording():
        return Origin(above.trace_id, above)
    if _is_unsent(span):
        return Origin(above.trace_id, getattr(span, "parent", None))
    return Origin(above.trace_id, above, is_local=True)


def parent_span(step: Step, context: Context) -> trace.SpanContext:
    """Return the span above a step that begins under another one: a span of the user's own, or that step."""
    span = context.get(_SPAN)
    if span is step or not isinstance(span, trace.Span):
        return step.context
    if not span.is_recording() or _is_unsent(span):
        return step.context
    above = span.get_span_context()
    return above if above.trace_id == step.context.trace_id else step.context


def _is_unsent(span: trace.Span) -> bool:
    scope = getattr(span, "instrumentation_scope", None)
    return scope is not None and scope.name in unsent_scopes
