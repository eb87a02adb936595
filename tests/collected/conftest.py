"""A monitor that collects, in front of a sink that only counts."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from counting import Counting

from pf_monitor import notices, runtime
from pf_monitor.pipeline.recorder import PipelineRecorder
from pf_monitor.settings import Settings

IDS = 1 << 64
GOLDEN = 0x9E3779B97F4A7C15
"""The golden ratio of the ids: its multiples are spread evenly over them."""


class Numbered(PipelineRecorder):
    """Gives trace ids whose lower halves are spread evenly."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._given = itertools.count(1)

    def new_trace_id(self) -> int:
        return IDS + next(self._given) * GOLDEN % IDS


@pytest.fixture
def collecting(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[..., Counting]]:
    """Start a monitor that collects in the folder `collected`, with further settings."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(runtime, "_overrides", {})
    monkeypatch.setattr(runtime, "_flow_places", [])
    notices.forget()
    runtime.stop()
    runtime.off = False

    def start(**settings: Any) -> Counting:
        sink = Counting()
        given = {"collect_to": str(tmp_path / "collected"), **settings}
        runtime.use(Numbered(Settings(enabled=True, **given), sink, delay_s=3600))
        return sink

    yield start
    runtime.stop()
