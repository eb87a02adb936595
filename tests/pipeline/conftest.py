"""A monitor that samples, whose ids are known, in front of a real local Application Insights."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from deterministic import undecided
from local_rows import ask_with_dimensions

from pf_monitor import runtime
from pf_monitor.insights.server import running
from pf_monitor.local import connection_string
from pf_monitor.pipeline.recorder import PipelineRecorder
from pf_monitor.pipeline.sinks import ApplicationInsights
from pf_monitor.settings import Settings

IDS = 1 << 64
GOLDEN = 0x9E3779B97F4A7C15
"""The golden ratio of the ids: its multiples are spread evenly over them."""


class Numbered(PipelineRecorder):
    """Gives trace ids whose lower halves are spread evenly; its clock stands still unless it is moved."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.clock_ns = 0
        self._given = itertools.count(1)

    def tick(self) -> int:
        return self.clock_ns

    def new_trace_id(self) -> int:
        return IDS + next(self._given) * GOLDEN % IDS


class Monitored:
    """What tests ask: the rows that have arrived."""

    def __init__(self, port: int, recorder: Numbered) -> None:
        self.port = port
        self.recorder = recorder

    def rows(self, query: str) -> list[dict[str, Any]]:
        """Return the rows of a KQL query; custom dimensions as a dict."""
        assert runtime.flush(30)
        return ask_with_dimensions(self.port, query)

    def traces(self) -> dict[str, set[str]]:
        """Return the names of what has arrived, by trace."""
        found: dict[str, set[str]] = {}
        for row in self.rows("union requests, dependencies | project operation_Id, name"):
            found.setdefault(row["operation_Id"], set()).add(row["name"])
        return found


@pytest.fixture
def unmonitored(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    with undecided(monkeypatch, tmp_path):
        yield


@pytest.fixture
def sampled(unmonitored: None, tmp_path: Path) -> Iterator[Callable[..., Monitored]]:
    """Start a monitor with sampling settings."""
    with running(tmp_path / "insights") as port:

        def start(**settings: Any) -> Monitored:
            sink = ApplicationInsights(connection_string(port))
            recorder = Numbered(Settings(enabled=True, **settings), sink, delay_s=3600)
            runtime.use(recorder)
            return Monitored(port, recorder)

        yield start
        runtime.stop()
