"""What the user's code says itself: the usage of a model that no hook knows, and what a person thought of an answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry import trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from pf_monitor import notices, runtime
from pf_monitor.instrument import parentage, watch
from pf_monitor.model import names
from pf_monitor.model.cutting import beginning
from pf_monitor.model.kinds import Kind, Outcome
from pf_monitor.tokens.bills import Bill, Spent
from pf_monitor.tokens.usage import Source, Usage

if TYPE_CHECKING:
    from opentelemetry.util.types import AttributeValue

    from pf_monitor.model.step import Step

_LONGEST_COMMENT = 8_192


def record_usage(
    model: str,
    *,
    input_tokens: int,
    output_tokens: int = 0,
    provider: str = "custom",
    operation: str = "chat",
    cost_usd: float | None = None,
) -> None:
    """Report a call to a model that no hook knows; it is counted for the flow and node that are running.

    Args:
        model: The model's name.
        input_tokens: Tokens of the prompt.
        output_tokens: Tokens of the completion.
        provider: `gen_ai.provider.name`.
        operation: `chat`, `text_completion`, `generate_content` or `embeddings`.
        cost_usd: What the call cost, if you know; else the price list is asked.

    Example:
        >>> pf_monitor.record_usage("my-llama", input_tokens=812, output_tokens=64)
    """
    recorder = None if runtime.off else runtime.recorder or runtime.decide()
    if recorder is None:
        return
    counts = (input_tokens, output_tokens)
    if any(type(count) is not int or count < 0 for count in counts):
        notices.say_once(
            "record_usage",
            "pf_monitor.record_usage: token counts are whole numbers from 0 up; got %r and %r, which are not recorded.",
            *counts,
        )
        return
    kind = Kind.EMBEDDING if operation == "embeddings" else Kind.LLM
    step, _ = watch.begin(recorder, kind, f"{operation} {model}", trace.SpanKind.CLIENT)
    step.attributes.update(
        {
            names.OPERATION_NAME: operation,
            names.PROVIDER_NAME: provider,
            names.SYSTEM: provider,
            names.REQUEST_MODEL: model,
            names.RESPONSE_MODEL: model,
        }
    )
    usage = Usage(input_tokens, output_tokens, source=Source.REPORTED)
    step.spend(Bill(lambda: Spent(usage, provider, model, known_usd=cost_usd)))
    step.finish(Outcome.OK)


def record_feedback(
    score: float | bool,
    *,
    comment: str | None = None,
    traceparent: str | None = None,
) -> None:
    """Report what a person thought of an answer; it arrives beside the flow run as `gen_ai.evaluation.result`.

    Args:
        score: A number on your own scale, or True for a thumb up and False for a thumb down.
        comment: What the person wrote.
        traceparent: The W3C trace context of the request that is judged. Inside a flow it may be left out: then
            the flow run itself is meant.

    Example:
        >>> pf_monitor.record_feedback(True, comment="just what I needed", traceparent=header)
    """
    send_feedback(score, comment, traceparent)


def send_feedback(score: float | bool | None, comment: str | None, traceparent: str | None) -> None:
    """Send feedback; without a score only the comment is told. See `record_feedback`."""
    recorder = None if runtime.off else runtime.recorder or runtime.decide()
    pipeline = runtime.pipeline()
    if recorder is None or pipeline is None:
        return
    judged = _judged(traceparent)
    if judged is None:
        notices.say_once(
            "record_feedback",
            "pf_monitor.record_feedback does not know which flow run is meant: call it inside the flow, or pass the "
            "request's traceparent (00-TRACE-SPAN-01). Got %r.",
            traceparent,
        )
        return
    attributes: dict[str, AttributeValue] = {
        names.EVALUATION_NAME: "user_feedback",
        names.EVALUATOR: "user",
    }
    if score is not None:
        attributes[names.EVALUATION_SCORE] = float(score)
    if isinstance(score, bool):
        attributes[names.EVALUATION_LABEL] = "pass" if score else "fail"
    if comment and recorder.capture_content:
        attributes[names.EVALUATION_EXPLANATION] = beginning(comment, _LONGEST_COMMENT)
    context, step = judged
    if step is not None:
        attributes.update({name: value for name, value in step.correlation.items() if name != names.USER_ID})
        attributes.update({names.FLOW: step.flow.name} if step.flow is not None else {})
    pipeline.record_event(names.EVALUATION_EVENT, attributes, context)


def _judged(traceparent: str | None) -> tuple[trace.SpanContext, Step | None] | None:
    """Return the span that feedback is about, and its step if that is running here."""
    if traceparent is not None:
        context = TraceContextTextMapPropagator().extract({"traceparent": traceparent})
        found = trace.get_current_span(context).get_span_context()
        return (found, None) if found.is_valid else None
    step = parentage.current_step()
    if step is None:
        return None
    return (step.flow.context if step.flow is not None else step.context), step
