"""Make OpenTelemetry spans of finished steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Status, StatusCode

from pf_monitor import notices
from pf_monitor.model.kinds import Outcome
from pf_monitor.pipeline.item import Item

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pf_monitor.model.step import Step

SCOPE = InstrumentationScope("pf_monitor")


def to_item(step: Step, processors: Iterable[Callable[[Item], Item | None]]) -> Item | None:
    """Send a finished step through the pipeline.

    Returns:
        The item as it shall be sent, or None when a processor dropped it.
    """
    if (finish := step.unfinished) is not None:
        step.unfinished = None
        try:
            finish(step)
        except Exception as error:  # noqa: BLE001 - what there is of the step is sent
            notices.say_once("openai-answer", "pf_monitor could not read an answer: %r", error)
    item = Item(step, name=step.name)
    for process in processors:
        processed = process(item)
        if processed is None:
            return None
        item = processed
    return item


def to_span(item: Item, resource: Resource) -> ReadableSpan:
    """Return the span of an item, as exporters take it."""
    step = item.step
    status = Status(StatusCode.ERROR, step.error_type) if step.outcome is Outcome.ERROR else Status(StatusCode.UNSET)
    return ReadableSpan(
        name=item.name,
        context=step.context,
        parent=step.parent_context,
        resource=resource,
        attributes=item.attributes,
        events=[Event(event.name, event.attributes, event.time_ns) for event in item.events],
        kind=step.span_kind,
        status=status,
        start_time=step.start_ns,
        end_time=step.end_ns,
        instrumentation_scope=SCOPE,
    )
