"""Open a step, tell it what went in and what came out, and close it: the same for every kind of callable."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from opentelemetry import context as context_api
from opentelemetry import trace

from pf_monitor import notices
from pf_monitor.instrument import columns, content, correlation, parentage
from pf_monitor.model import names
from pf_monitor.model.kinds import Kind, Outcome
from pf_monitor.model.step import Step

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.context import Context

    from pf_monitor.model.mapping import ColumnMapping
    from pf_monitor.model.step import Recorder

_, _, *_OF_ALL = trace.SpanContext(1, 1, is_remote=False, trace_flags=trace.TraceFlags(trace.TraceFlags.SAMPLED))
"""What is the same in the span contexts of all steps."""

_OPERATIONS = {Kind.FLOW: "invoke_workflow", Kind.RETRIEVAL: "retrieval"}
_QUERY_NAMES = ("query", "question", "input", "text")

CANCELLATIONS = (asyncio.CancelledError, KeyboardInterrupt, SystemExit)
"""What stops a step from outside; it is no failure of the step."""


def begin(
    recorder: Recorder,
    kind: Kind,
    name: str,
    span_kind: trace.SpanKind = trace.SpanKind.INTERNAL,
    context: Context | None = None,
    above: Step | None = None,
) -> tuple[Step, Context]:
    """Begin a step below whatever is running in this thread or task.

    Args:
        recorder: Who records it.
        kind: What it is.
        name: Its span name.
        span_kind: INTERNAL, or CLIENT for a model call. A flow with nothing recorded above it becomes SERVER.
        context: What is current in this thread or task, where that has been looked up already.
        above: The step that is running there, likewise.

    Returns:
        The step, and the context in which it is the current one.
    """
    if context is None:
        context = context_api.get_current()
        above = parentage.current_step(context)
    if above is None:
        origin = parentage.origin_of(context)
        trace_id = origin.trace_id or recorder.new_trace_id()
        parent = origin.parent
        correlated = correlation.for_new_request(context, lambda: f"{recorder.new_trace_id():032x}")
        if kind.is_flow:
            if origin.is_local:
                _mark_request(trace.get_current_span(context), name, correlated)
            else:
                span_kind = trace.SpanKind.SERVER
    else:
        trace_id = above.context.trace_id
        parent = parentage.parent_span(above, context)
        correlated = above.correlation
    # Its own constructor takes three times as long, to check ids of ours.
    own = tuple.__new__(trace.SpanContext, (trace_id, recorder.new_span_id(), *_OF_ALL))
    step = Step(recorder, kind, name, span_kind, own, parent, above, correlated, recorder.now_ns(), recorder.tick())
    if (operation := _OPERATIONS.get(kind)) is not None:
        step.attributes[names.OPERATION_NAME] = operation
    return step, parentage.activate(step, context)


def take_inputs(step: Step, inputs: dict[str, Any], mapping: ColumnMapping | None = None) -> None:
    """Keep what a flow or node was called with.

    Args:
        step: A step that has just begun.
        inputs: The arguments by name.
        mapping: The flow's column mapping.
    """
    if step.kind.is_flow and step.flow is not None:
        step.flow.wanted = columns.wanted_outputs(mapping)
    if not step.recorder.capture_content:
        return
    if step.kind.is_flow:
        columns.take_inputs(step, inputs, mapping)
        return
    content.keep(step, names.INPUTS, inputs)
    if step.kind.is_retrieval:
        query = next((inputs[n] for n in _QUERY_NAMES if isinstance(inputs.get(n), str)), None)
        if query is None:
            query = next((value for value in inputs.values() if isinstance(value, str)), None)
        if query is not None:
            step.keep(names.RETRIEVAL_QUERY, content.to_text(query))


def complete(step: Step, output: Any, mapping: ColumnMapping | None = None, outcome: Outcome = Outcome.OK) -> None:
    """Keep what a flow or node gave, and end it.

    Args:
        step: The step.
        output: What it returned, or what it had yielded when it ended.
        mapping: The flow's column mapping.
        outcome: How it ended.
    """
    try:
        if step.kind.is_flow:
            if step.recorder.capture_content:
                columns.take_output(step, output, mapping, ended_well=outcome is Outcome.OK)
        else:
            _take_output(step, output, outcome)
    except Exception as error:  # noqa: BLE001 - never into the flow
        notices.say_once("output", "pf_monitor could not keep an output of %s: %r", step.name, error)
    step.finish(outcome)


def fail(step: Step, error: BaseException) -> None:
    """End a step that an exception left: as an error, as cancelled or as abandoned.

    Args:
        step: The step.
        error: What left it.
    """
    outcome = outcome_of(error)
    if outcome is Outcome.ERROR:
        tell(step, error)
    step.finish(outcome)


def tell(step: Step, error: BaseException) -> None:
    """Keep the error that ends a step.

    Args:
        step: The step.
        error: What left it.
    """
    try:
        step.fail(error)
    except Exception as problem:  # noqa: BLE001 - never into the flow
        notices.say_once("error", "pf_monitor could not keep an error of %s: %r", step.name, problem)


def outcome_of(error: BaseException) -> Outcome:
    """Return how a step ends that this leaves."""
    if isinstance(error, GeneratorExit):
        return Outcome.ABANDONED
    return Outcome.CANCELLED if isinstance(error, CANCELLATIONS) else Outcome.ERROR


def _take_output(step: Step, output: Any, outcome: Outcome) -> None:
    flow = step.flow
    if flow is not None:
        flow.nodes.add(step.name)
    if not step.recorder.capture_content or (output is None and outcome is not Outcome.OK):
        return
    content.keep(step, names.OUTPUT, output)
    if flow is not None:
        columns.take_node_output(flow, step.name, output)
        if step.kind.is_retrieval:
            flow.retrieved = content.to_text(output)


def _mark_request(span: trace.Span, flow: str, correlated: Mapping[str, str]) -> None:
    """Tell a server span that somebody else records which flow it carried."""
    if getattr(span, "kind", None) is not trace.SpanKind.SERVER:
        return
    span.set_attribute(names.KIND, "request")
    span.set_attribute(names.FLOW, flow)
    span.set_attribute(names.REQUEST_ID, correlated[names.REQUEST_ID])
