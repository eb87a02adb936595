"""What flows through the pipeline: a finished step on its way to become a span, or a custom event."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.trace import SpanContext
    from opentelemetry.util.types import AttributeValue

    from pf_monitor.model.step import SpanEvent, Step, Text


@dataclass(slots=True)
class Item:
    """A finished step and what will be sent of it.

    Attributes:
        step: The step; it does not change any more.
        attributes: What is sent, in this order: numbers and ids first, so that a limit downstream cuts content.
        content: Text that still has to be fitted in.
        name: The span's name.
        events: What happened during the step, each with what says where that belongs.
        cut: The full lengths of texts that did not fit, by name.
    """

    step: Step
    attributes: dict[str, AttributeValue] = field(default_factory=dict)
    content: dict[str, Text] = field(default_factory=dict)
    name: str = ""
    events: list[SpanEvent] = field(default_factory=list)
    cut: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CustomEvent:
    """A row of `customEvents` on its way.

    Attributes:
        name: The event's name.
        attributes: Its custom dimensions.
        about: The span that it is about; it gives the row its operation_Id and parent.
        time_ns: Wall clock in nanoseconds since 1970.
        resource: Whose event it is.
    """

    name: str
    attributes: dict[str, AttributeValue]
    about: SpanContext
    time_ns: int
    resource: Resource
