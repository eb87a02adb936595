"""A recorder whose ids and clock are known, and what an exporter would have got from it."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from deterministic import Deterministic, no_monitor
from opentelemetry.sdk.trace import ReadableSpan

from pf_monitor import runtime
from pf_monitor.pipeline.item import CustomEvent
from pf_monitor.pipeline.losses import Losses
from pf_monitor.settings import Settings


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
    with no_monitor():
        sink = Exported()
        runtime.use(Deterministic(Settings(enabled=True), sink, delay_s=3600))
        yield sink


@pytest.fixture
def no_gc() -> Iterator[None]:
    """Without the garbage collector: what goes, goes because nothing refers to it."""
    gc.disable()
    yield
    gc.enable()
