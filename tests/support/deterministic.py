"""A monitor whose ids and clock are known, in a process that has decided nothing yet."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pf_monitor import notices, runtime
from pf_monitor.instrument import correlation
from pf_monitor.pipeline.recorder import PipelineRecorder

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


@contextmanager
def undecided(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Iterator[None]:
    """Be, within, a process that has not decided, in a folder without a flow file; its environment says nothing."""
    for name in ("PF_MONITOR_ENABLED", "APPLICATIONINSIGHTS_CONNECTION_STRING", "OTEL_SERVICE_NAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(folder)
    monkeypatch.setattr(runtime, "_overrides", {})
    monkeypatch.setattr(runtime, "_captured", {})
    monkeypatch.setattr(runtime, "_flow_places", [])
    with no_monitor():
        runtime.off = False
        yield


@contextmanager
def no_monitor() -> Iterator[None]:
    """Begin and end without a monitor, without anything said, and without ambient correlation ids."""
    notices.forget()
    runtime.stop()
    yield
    runtime.stop()
    correlation._ambient.set({})
