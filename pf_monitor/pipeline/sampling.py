"""Which requests are sent: a share of them, each kept or dropped as one, errors and slow ones always if wanted.

Whether a request fails or is slow shows only at its end, so its steps are held back until then: on the worker's thread,
within bounds, never on the request's path. Metrics are recorded before any of this; they stay exact.
"""

from __future__ import annotations

import os
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from pf_monitor.model.kinds import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from pf_monitor.model.step import Step
    from pf_monitor.settings import Settings

SAMPLE_RATE = "_MS.sampleRate"
"""The attribute from which the exporter takes an envelope's `sampleRate`; `itemCount` is 100 divided by it."""

WHOLE = 100.0
"""The sample rate of what stands for itself alone."""

MOST_HELD = 4_096
"""Steps held back at a time; as many as the queue before."""

LONGEST_HELD_S = 300.0
"""How long a request is waited for. One that takes longer is decided by ratio; should it fail after that, what follows
is still kept."""

MOST_REMEMBERED = 1_000
"""Requests, and traces with an error, whose decision is remembered for what arrives late."""

_IDS = 1 << 64

T = TypeVar("T")

Kept = tuple["Step", float]
"""A step that is sent, and its sample rate in percent."""


@dataclass(frozen=True, slots=True)
class RequestEnd:
    """Says that nothing of a request is running any more, but what outlives it.

    Attributes:
        root: Its outermost step in this process; None means all requests, because the process ends.
    """

    root: Step | None


@dataclass(slots=True)
class _Request:
    """A request whose steps are held back, or that was decided lately.

    Attributes:
        correlation: One and the same object for all steps of a request, also where several share a trace. Kept here so
            that its id, by which the request is found, stays its own.
        trace_id: What the ratio is applied to.
        since: When its first step ended, on the sampler's clock.
        steps: What is held back.
        rate: What was decided: the sample rate in percent, None for dropped.
    """

    correlation: Mapping[str, str]
    trace_id: int
    since: float
    steps: list[Step] = field(default_factory=list)
    rate: float | None = None


class Sampler:
    """Decides which steps are sent. Used by one thread at a time: whoever delivers.

    Args:
        settings: The ratio, and what is kept besides.
        clock: Monotonic, in seconds.
    """

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self._ratio = settings.sampling_ratio
        self._keep_errors = settings.sampling_keep_errors
        slower_than_ms = settings.sampling_keep_slower_than_ms
        self._slower_than_ns = None if slower_than_ms is None else slower_than_ms * 1e6
        self._honour_caller = settings.sampling_honour_caller
        self._waits = self._keep_errors or self._slower_than_ns is not None or self._honour_caller
        self._clock = clock
        self._begin()

    @classmethod
    def wanted(cls, settings: Settings) -> Sampler | None:
        """Return a sampler, or None where everything is sent."""
        return cls(settings) if settings.sampling_ratio < 1 or settings.sampling_honour_caller else None

    def take(self, things: Iterable[Step | RequestEnd]) -> list[Kept]:
        """Take what has ended, in that order, and return what shall be sent now."""
        if self._process != os.getpid():
            self._begin()  # what a forked child has inherited is its parent's to send
        kept: list[Kept] = []
        for thing in things:
            if not isinstance(thing, RequestEnd):
                kept.extend(self._take_step(thing))
            elif thing.root is not None:
                kept.extend(self._end(thing.root))
            else:
                kept.extend(self._decide_oldest(lambda _: True))
        latest = self._clock() - LONGEST_HELD_S
        kept.extend(self._decide_oldest(lambda request: request.since < latest))
        return kept

    def _begin(self) -> None:
        self._process = os.getpid()
        self._undecided: OrderedDict[int, _Request] = OrderedDict()
        self._number_held = 0
        self._decided: OrderedDict[int, _Request] = OrderedDict()
        self._kept_traces: OrderedDict[int, None] = OrderedDict()

    def _take_step(self, step: Step) -> Iterator[Kept]:
        trace_id = step.context.trace_id
        if not self._waits:
            yield from _at(self._rate_of(trace_id), [step])
            return
        if self._is_kept_always(step) and trace_id not in self._kept_traces:
            _remember(self._kept_traces, trace_id, None)
            yield from self._release_trace(trace_id)
        if trace_id in self._kept_traces:
            yield step, WHOLE
            return
        key = id(step.correlation)
        if (decided := self._decided.get(key)) is not None:
            yield from _at(decided.rate, [step])
            return
        if (request := self._undecided.get(key)) is None:
            request = self._undecided[key] = _Request(step.correlation, trace_id, self._clock())
        request.steps.append(step)
        self._number_held += 1
        yield from self._decide_oldest(lambda _: self._number_held > MOST_HELD)

    def _end(self, root: Step) -> Iterator[Kept]:
        request = self._undecided.get(id(root.correlation))
        if request is not None:
            above = root.parent_context
            dropped_by_caller = self._honour_caller and above is not None and not above.trace_flags.sampled
            yield from self._decide(request, None if dropped_by_caller else self._rate_of(request.trace_id))

    def _decide_oldest(self, due: Callable[[_Request], bool]) -> Iterator[Kept]:
        """Decide requests by ratio, the oldest first, without waiting for their end."""
        while self._undecided and due(oldest := next(iter(self._undecided.values()))):
            yield from self._decide(oldest, self._rate_of(oldest.trace_id))

    def _decide(self, request: _Request, rate: float | None) -> Iterator[Kept]:
        key = id(request.correlation)
        del self._undecided[key]
        self._number_held -= len(request.steps)
        steps, request.steps, request.rate = request.steps, [], rate
        _remember(self._decided, key, request)
        yield from _at(rate, steps)

    def _release_trace(self, trace_id: int) -> Iterator[Kept]:
        """Send what is held back of a trace that turned out to be one that is kept always."""
        for request in [request for request in self._undecided.values() if request.trace_id == trace_id]:
            yield from self._decide(request, WHOLE)

    def _is_kept_always(self, step: Step) -> bool:
        if self._keep_errors and step.outcome is Outcome.ERROR:
            return True
        return self._slower_than_ns is not None and step.duration_ns > self._slower_than_ns

    def _rate_of(self, trace_id: int) -> float | None:
        """Return the sample rate of a trace by OpenTelemetry's TraceIdRatioBased rule; None when it is dropped.

        The decision rests on nothing but the trace id, so every service of a request that asks this rule agrees.
        """
        return WHOLE * self._ratio if is_sampled(trace_id, self._ratio) else None


def is_sampled(trace_id: int, ratio: float) -> bool:
    """Whether a trace is among a share of all, 0 to 1; a trace of a smaller share is in every larger one."""
    return trace_id % _IDS < round(ratio * _IDS)


def _at(rate: float | None, steps: Iterable[Step]) -> Iterator[Kept]:
    if rate is not None:
        for step in steps:
            yield step, rate


def _remember(memory: OrderedDict[int, T], key: int, value: T) -> None:
    memory[key] = value
    if len(memory) > MOST_REMEMBERED:
        memory.popitem(last=False)
