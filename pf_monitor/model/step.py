"""A step: a flow run, a node, a retrieval, a model call; from its start to its one and only end.

A step is also the OpenTelemetry span that stands for it: while it runs it is the current span, so that whatever the
user's code does with `trace.get_current_span()`, and whatever propagates trace context, does it with the step.
It becomes an exportable span only when it has ended, away from the user's thread.
"""

from __future__ import annotations

import threading
import traceback
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from opentelemetry.trace import Span, SpanContext, SpanKind, Status, StatusCode

from pf_monitor import notices
from pf_monitor.model import names
from pf_monitor.model.cutting import beginning, ending
from pf_monitor.model.kinds import Kind, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import FrameType, TracebackType

    from opentelemetry.util.types import Attributes, AttributeValue

    from pf_monitor.tokens.bills import Bill

_MOST_ATTRIBUTES = 128
_MOST_EVENTS = 32
_LONGEST_MESSAGE = 8_000
_LONGEST_STACK = 32_000
_MOST_CALLERS = 30
_HEADLINE = "Traceback (most recent call last):\n"
_WRAPPERS = ("pf_monitor.instrument.drivers", "pf_monitor.instrument.generators")
"""Modules whose frames call the user's code: one of them is where a step begins."""

_lock = threading.RLock()
"""Held while steps end and sums change: what a flow has sent is then what had been spent until it ended.

One for the process: it is held for a microsecond a step, so nobody ever waits for it. Reentrant, because the garbage
collector may come at any time, and close a generator whose step then ends in here too.
"""


class Recorder(Protocol):
    """Whom steps ask for time and ids, and tell that they have ended."""

    @property
    def capture_content(self) -> bool:
        """Whether questions, answers, arguments and messages are kept."""

    def now_ns(self) -> int:
        """Return the wall clock in nanoseconds since 1970."""

    def tick(self) -> int:
        """Return the monotonic clock in nanoseconds."""

    def new_trace_id(self) -> int:
        """Return a new id of 128 bits, not 0."""

    def new_span_id(self) -> int:
        """Return a new id of 64 bits, not 0."""

    def record(self, step: Step) -> None:
        """Take a step that has just ended."""


_MOST_UNCOUNTED = 256
"""Calls whose tokens and price are still to be found out, of one flow run or node."""


class Sums:
    """Tokens, calls and cost of everything beneath a flow or a node; asked for when all has been added."""

    __slots__ = ("_cost_usd", "_input_tokens", "_output_tokens", "_uncounted", "llm_calls")

    def __init__(self) -> None:
        self.llm_calls = 0
        self._input_tokens = 0
        self._output_tokens = 0
        self._cost_usd: float | None = None
        self._uncounted: list[Bill] = []
        """Of the latest calls: what they spent is found out away from the user's path, where there are not too many."""

    def add(self, bill: Bill) -> bool:
        """Add one model call; return whether too many are uncounted now, so that `count_oldest` is called for."""
        self.llm_calls += 1
        self._uncounted.append(bill)
        return len(self._uncounted) > _MOST_UNCOUNTED

    def count_oldest(self) -> None:
        """Find out what the oldest uncounted call has spent, and let go of it."""
        with _lock:
            if not self._uncounted:
                return
            oldest = self._uncounted[0]
        usage, usd = oldest.usage, oldest.usd  # without the lock: it takes a while
        with _lock:
            if not self._uncounted or self._uncounted[0] is not oldest:
                return  # another thread was faster
            del self._uncounted[0]
            if usage is not None:
                self._input_tokens += usage.input_tokens
                self._output_tokens += usage.output_tokens
            if usd is not None:
                self._cost_usd = (self._cost_usd or 0.0) + usd

    @property
    def input_tokens(self) -> int:
        """Tokens of the prompts."""
        self._count()
        return self._input_tokens

    @property
    def output_tokens(self) -> int:
        """Tokens of the completions."""
        self._count()
        return self._output_tokens

    @property
    def cost_usd(self) -> float | None:
        """The cost in US dollars; None where there was no call with a known price."""
        self._count()
        return self._cost_usd

    def _count(self) -> None:
        while self._uncounted:
            self.count_oldest()


@dataclass(frozen=True, slots=True)
class SpanEvent:
    """Something that happened during a step; `exception` events become `exceptions` rows."""

    name: str
    time_ns: int
    attributes: dict[str, AttributeValue]


@dataclass(slots=True)
class Text:
    """A piece of content.

    Attributes:
        text: The text, possibly cut while it was captured.
        full_length: How many characters it would have had uncut (at least, where that cannot be known).
    """

    text: str
    full_length: int


@dataclass(slots=True)
class FlowRun:
    """What the steps of one flow run share.

    Attributes:
        name: The flow's name.
        context: Its span.
        wanted: For each node whose output the column mapping asks for, the columns and the paths into that output.
        columns: Columns found so far.
        retrieved: What the last retrieval step gave: the context, where the mapping names none.
        nodes: The nodes that have run, to name them when one is asked for that has not.
        ended: Whether the flow run has ended, and its sums have been sent as they were then.
    """

    name: str
    context: SpanContext
    wanted: Mapping[str, Sequence[tuple[str, tuple[str | int, ...]]]] = field(default_factory=dict)
    columns: dict[str, Text] = field(default_factory=dict)
    retrieved: Text | None = None
    nodes: set[str] = field(default_factory=set)
    ended: bool = False


class Step(Span):
    """One step of a flow, from start to finish.

    Args:
        recorder: Who is told when the step ends.
        kind: What it is.
        name: The flow's, the node's, or `"{operation} {model}"` for a model call.
        span_kind: SERVER becomes a `requests` row, anything else a `dependencies` row.
        context: Its own trace and span id.
        parent_context: The span above it, wherever that is recorded.
        parent: The step above it in this process.
        correlation: Ids and custom dimensions; shared by all steps of a request, so that setting one reaches all.
        start_ns: Wall clock in nanoseconds since 1970.
        start_tick: The same moment on a monotonic clock, in nanoseconds.
    """

    __slots__ = (
        "_full_lengths",
        "attributes",
        "bill",
        "content",
        "context",
        "correlation",
        "counted_in_flow",
        "duration_ns",
        "error_type",
        "events",
        "flow",
        "kind",
        "name",
        "node",
        "outcome",
        "parent",
        "parent_context",
        "recorded_errors",
        "recorder",
        "span_kind",
        "stands_for",
        "start_ns",
        "start_tick",
        "sums",
        "time_to_first_chunk_ns",
        "unfinished",
        "unwritten",
        "within",
    )

    def __init__(
        self,
        recorder: Recorder,
        kind: Kind,
        name: str,
        span_kind: SpanKind,
        context: SpanContext,
        parent_context: SpanContext | None,
        parent: Step | None,
        correlation: dict[str, str],
        start_ns: int,
        start_tick: int,
    ) -> None:
        self.recorder = recorder
        self.kind = kind
        self.name = name
        self.span_kind = span_kind
        self.context = context
        self.parent_context = parent_context
        self.parent = parent if parent is None or parent.outcome is None else parent.running()
        """The nearest step above that was running when this one began. Not what had ended: a background task that
        starts the next one, and so on for ever, would else keep them all alive."""
        self.correlation = correlation
        self.start_ns = start_ns
        self.start_tick = start_tick
        self.within: FlowRun | None = parent.flow if parent is not None else None
        """The flow run that this step counts for: of a flow within another flow, the outer one."""
        self.flow: FlowRun | None = self.within
        self.node: str | None = parent.node if parent is not None and not kind.is_flow else None
        if kind.is_flow:
            self.flow = FlowRun(name, context)
        elif not kind.is_model_call:
            self.node = name
        # What most steps do not need is not made, and text is kept as such: Python's garbage collector counts what may
        # refer to something, and the more of it waits to be sent, the more often it looks through the whole process.
        self.attributes: dict[str, AttributeValue] = {}
        self.content: dict[str, str] = {}
        self._full_lengths: dict[str, int] | None = None
        self.sums: Sums | None = None
        self.events: tuple[SpanEvent, ...] = ()
        self.bill: Bill | None = None
        """What a model call has spent, once it has been answered."""
        self.outcome: Outcome | None = None
        self.error_type: str | None = None
        self.duration_ns = 0
        self.counted_in_flow = False
        """Whether the tokens were counted before the flow ended: then it is not late, though it may end later."""
        self.time_to_first_chunk_ns: int | None = None
        self.unfinished: Callable[[Step], None] | None = None
        """What is left to do to the step before it can be sent, and need not be done on the user's path."""
        self.unwritten: dict[str, object] | None = None
        """Content that is still to be written as text, by attribute."""
        self.stands_for: object = None
        """A function beneath that this step records already."""
        self.recorded_errors: set[tuple[int, str]] | None = None

    @property
    def ended(self) -> bool:
        """Whether the step has ended; nothing changes it any more."""
        return self.outcome is not None

    @property
    def end_ns(self) -> int:
        """When it ended: wall clock in nanoseconds since 1970."""
        return self.start_ns + self.duration_ns

    def elapsed_ns(self) -> int:
        """Return how long the step has been running, in nanoseconds."""
        return self.recorder.tick() - self.start_tick

    def keep(self, name: str, text: Text) -> None:
        """Keep a piece of content.

        Args:
            name: Its attribute.
            text: The text, possibly cut.
        """
        self.content[name] = text.text
        if text.full_length != len(text.text):
            if self._full_lengths is None:
                self._full_lengths = {}
            self._full_lengths[name] = text.full_length
        elif self._full_lengths is not None:
            self._full_lengths.pop(name, None)

    def texts(self) -> dict[str, Text]:
        """Return the content, by attribute."""
        full = self._full_lengths or {}
        return {name: Text(text, full.get(name, len(text))) for name, text in self.content.items()}

    def spend(self, bill: Bill) -> None:
        """Count a model call's tokens and cost, here and in every step above that is still running.

        What has ended above has been sent as it was; the rest of the way up, beyond it, still counts.

        Args:
            bill: What the call has spent.
        """
        self.bill = bill
        full: list[Sums] = []
        with _lock:
            self.counted_in_flow = self.within is not None and not self.within.ended
            step: Step | None = self
            while step is not None:
                if not step.kind.is_model_call and step.outcome is None:
                    if step.sums is None:
                        step.sums = Sums()
                    if step.sums.add(bill):
                        full.append(step.sums)
                step = step.parent
        for sums in full:
            sums.count_oldest()

    def facts(self) -> dict[str, AttributeValue]:
        """Return the step's attributes, those that a model call's answer tells among them."""
        attributes = self.attributes.copy()
        if self.bill is not None:
            attributes.update(self.bill.facts)
        return attributes

    def fail(self, error: BaseException) -> None:
        """Note the error that ended the step. The exception itself is not kept.

        An error that passes through several steps is one `exceptions` row, told where it came from.
        """
        if self.ended:
            return
        self.error_type = qualified_name(type(error))
        if not self._is_recorded(error):
            self._add(self._exception_event(error))
        if (above := self.parent) is not None:
            with _lock:  # several threads may fail below it
                if above.recorded_errors is None:
                    above.recorded_errors = set()
                above.recorded_errors.add(_identity(error))

    def finish(self, outcome: Outcome) -> None:
        """End the step, once; every further call is ignored.

        A step that outlives its flow run, in a background task or thread, says so: the flow's sums are without it.
        """
        with _lock:
            if self.outcome is not None:
                return
            self.duration_ns = self.elapsed_ns()
            if self.within is not None and self.within.ended and not self.counted_in_flow:
                self.attributes[names.LATE] = "true"
            if self.kind.is_flow and self.flow is not None:
                self.flow.ended = True
            self.outcome = outcome
        self.recorded_errors = None
        try:
            self.recorder.record(self)
        except Exception as error:  # noqa: BLE001 - never into the flow
            notices.say_once("record", "pf_monitor could not record a step of %s: %r", self.name, error)

    def running(self) -> Step | None:
        """Return this step, or the nearest above it that has not ended."""
        step: Step | None = self
        while step is not None and step.outcome is not None:
            step = step.parent
        return step

    def _add(self, event: SpanEvent) -> None:
        with _lock:  # from any of the user's threads
            self.events += (event,)

    def _is_recorded(self, error: BaseException) -> bool:
        """Whether the error, or one that it was raised from, has been told by a step beneath this one."""
        recorded = self.recorded_errors
        seen = 0
        cause: BaseException | None = error
        while cause is not None and seen < 20 and recorded:
            if _identity(cause) in recorded:
                return True
            cause = cause.__cause__ or cause.__context__
            seen += 1
        return False

    def _exception_event(self, error: BaseException) -> SpanEvent:
        attributes: dict[str, AttributeValue] = {
            "exception.type": qualified_name(type(error)),
            "exception.message": _message(error),
            "exception.stacktrace": _stack(error),
        }
        return SpanEvent("exception", self.start_ns + self.elapsed_ns(), attributes)

    # What OpenTelemetry asks of a span.

    def end(self, end_time: int | None = None) -> None:
        """Ignored: a step ends when the code that it stands for ends."""

    def get_span_context(self) -> SpanContext:
        """Return the trace id and span id."""
        return self.context

    def set_attributes(self, attributes: Mapping[str, AttributeValue]) -> None:
        """Add custom dimensions to this step."""
        for key, value in attributes.items():
            self.set_attribute(key, value)

    def set_attribute(self, key: str, value: AttributeValue) -> None:
        """Add a custom dimension to this step."""
        if not self.ended and (len(self.attributes) < _MOST_ATTRIBUTES or key in self.attributes):
            self.attributes[key] = value

    def add_event(self, name: str, attributes: Attributes = None, timestamp: int | None = None) -> None:
        """Add an event; it becomes a `traces` row."""
        if not self.ended and len(self.events) < _MOST_EVENTS:
            self._add(SpanEvent(name, timestamp or self.start_ns + self.elapsed_ns(), dict(attributes or {})))

    def update_name(self, name: str) -> None:
        """Ignored: the telemetry contract says how a step is called."""

    def is_recording(self) -> bool:
        """Whether the step still takes attributes."""
        return not self.ended

    def set_status(self, status: Status | StatusCode, description: str | None = None) -> None:
        """Ignored: how a step ended is observed."""

    def record_exception(
        self,
        exception: BaseException,
        attributes: Attributes = None,
        timestamp: int | None = None,
        escaped: bool = False,
    ) -> None:
        """Add an `exceptions` row for an error that the user's code has handled."""
        if not self.ended and len(self.events) < _MOST_EVENTS:
            self._add(self._exception_event(exception))


def qualified_name(cls: type) -> str:
    """Return a class's full name; that of a builtin without its module."""
    module = cls.__module__
    return cls.__qualname__ if module in ("builtins", None) else f"{module}.{cls.__qualname__}"


def _identity(error: BaseException) -> tuple[int, str]:
    """Tell one error from another without keeping it: an id alone may be given to a later object."""
    return id(error), qualified_name(type(error))


def _message(error: BaseException) -> str:
    try:
        return beginning(str(error), _LONGEST_MESSAGE) or qualified_name(type(error))
    except Exception:  # noqa: BLE001 - the user's __str__ may do anything
        return "<the message cannot be read: its __str__ fails>"


def _stack(error: BaseException) -> str:
    """Format the stack of the user's code: from the step above to where the error was raised, without our wrappers."""
    frames = error.__traceback__
    try:
        callers = traceback.format_list(traceback.StackSummary.extract(_callers(frames))) if frames is not None else []
        while frames is not None and _module(frames.tb_frame).startswith("pf_monitor."):
            frames = frames.tb_next
        lines = traceback.format_exception(type(error), error, frames)
        if callers and lines[:1] == [_HEADLINE]:
            lines[1:1] = callers
        return ending("".join(lines), _LONGEST_STACK)
    except Exception:  # noqa: BLE001 - formatting calls the user's code too
        return "<the stack cannot be formatted>"


def _callers(frames: TracebackType) -> list[tuple[FrameType, int]]:
    """Return the frames between the step above and the first frame of a traceback, which does not have them.

    Without a step above there are none: what stands above a flow is a server, which nobody wants to read.
    """
    above: list[tuple[FrameType, int]] = []
    frame = frames.tb_frame.f_back
    while frame is not None and len(above) < _MOST_CALLERS:
        module = _module(frame)
        if module in _WRAPPERS:
            return above[::-1]
        if not module.startswith("pf_monitor."):
            above.append((frame, frame.f_lineno))
        frame = frame.f_back
    return []


def _module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", ""))
