"""A recorder whose ids and clock are known, and what an exporter would have got from it."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan

from pf_monitor import notices, runtime
from pf_monitor.instrument import correlation
from pf_monitor.pipeline.item import CustomEvent
from pf_monitor.pipeline.losses import Losses
from pf_monitor.pipeline.recorder import PipelineRecorder
from pf_monitor.settings import Settings

START_NS = 1_767_225_600_000_000_000
"""2026-01-01T00:00:00Z. Each look at the clock is a millisecond later than the one before."""


class Deterministic(PipelineRecorder):
    """Counts where the real one asks the clock and the dice."""

    _ticks = _traces = _spans = 0

    def now_ns(self) -> int:
        return START_NS + self._ticks * 1_000_000

    def tick(self) -> int:
        self._ticks += 1
        return self._ticks * 1_000_000

    def new_trace_id(self) -> int:
        self._traces += 1
        return self._traces

    def new_span_id(self) -> int:
        self._spans += 1
        return self._spans


class Exported:
    """A sink that keeps what it is given."""

    def __init__(self) -> None:
        self._spans: list[ReadableSpan] = []
        self._events: list[CustomEvent] = []
        self.losses = Losses()

    def send_spans(self, spans: Sequence[ReadableSpan]) -> None:
        self._spans += spans

    def send_events(self, events: Sequence[CustomEvent]) -> None:
        self._events += events

    def metric_exporter(self) -> Any:
        return None

    def flush(self, timeout: float) -> bool:
        return True

    def shutdown(self, timeout: float) -> None: ...

    @property
    def spans(self) -> list[ReadableSpan]:
        """All spans that have ended so far, in the order in which they ended."""
        assert runtime.flush(20)
        return self._spans

    @property
    def events(self) -> list[CustomEvent]:
        """All custom events so far."""
        assert runtime.flush(20)
        return self._events

    def named(self, name: str) -> ReadableSpan:
        """Return the one span of this name."""
        [span] = [span for span in self.spans if span.name == name]
        return span


@pytest.fixture
def exported() -> Iterator[Exported]:
    """What is exported, by a monitor that is on."""
    runtime.stop()
    notices.forget()
    sink = Exported()
    runtime.use(Deterministic(Settings(enabled=True), sink, delay_s=3600))
    yield sink
    runtime.stop()
    correlation._ambient.set({})


@pytest.fixture
def no_gc() -> Iterator[None]:
    """Without the garbage collector: what goes, goes because nothing refers to it."""
    gc.disable()
    yield
    gc.enable()
