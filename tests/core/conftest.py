"""A monitor whose ids and clock are known, the real exporter, and a real local Application Insights behind it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from pf_monitor import notices, runtime
from pf_monitor.insights.server import running
from pf_monitor.instrument import correlation
from pf_monitor.local import connection_string
from pf_monitor.pipeline.recorder import PipelineRecorder
from pf_monitor.pipeline.sinks import ApplicationInsights
from pf_monitor.settings import Settings
from pf_monitor.standin import StandIn, serve_in_thread

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


class Monitor:
    """What tests ask: the rows that have arrived."""

    def __init__(self, port: int, recorder: PipelineRecorder) -> None:
        self.port = port
        self.recorder = recorder

    def rows(self, query: str) -> list[dict[str, Any]]:
        """Return the rows of a KQL query; custom dimensions as a dict."""
        assert runtime.flush(20)
        answer = httpx.post(f"http://127.0.0.1:{self.port}/v1/apps/local/query", json={"query": query}, timeout=20)
        assert answer.status_code == 200, answer.text
        [table] = answer.json()["tables"]
        names = [column["name"] for column in table["columns"]]
        found = [dict(zip(names, row, strict=True)) for row in table["rows"]]
        for row in found:
            if row.get("customDimensions") is not None:
                row["customDimensions"] = json.loads(row["customDimensions"])
                # Newer exporters than promptflow allows move the session to a column, and name the logger.
                if session := row.pop("session_Id", None):
                    row["customDimensions"]["session.id"] = session
                row["customDimensions"].pop("logger_name", None)
        return found

    def spans(self) -> dict[str, dict[str, Any]]:
        """Return the custom dimensions of all spans by name."""
        rows = self.rows("union requests, dependencies | project name, customDimensions")
        return {row["name"]: row["customDimensions"] for row in rows}


@pytest.fixture
def unmonitored(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """A process that has not decided yet, in a folder without a flow file, with an environment that says nothing."""
    for name in ("PF_MONITOR_ENABLED", "APPLICATIONINSIGHTS_CONNECTION_STRING", "OTEL_SERVICE_NAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(runtime, "_overrides", {})
    monkeypatch.setattr(runtime, "_captured", {})
    monkeypatch.setattr(runtime, "_flow_places", [])
    notices.forget()
    runtime.stop()
    runtime.off = False
    yield
    runtime.stop()
    correlation._ambient.set({})


@pytest.fixture(scope="session")
def insights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with running(tmp_path_factory.mktemp("insights")) as port:
        yield port


@pytest.fixture
def fresh_insights(tmp_path: Path) -> Iterator[int]:
    with running(tmp_path / "insights") as port:
        yield port


@pytest.fixture
def monitor(fresh_insights: int, unmonitored: None) -> Monitor:
    recorder = Deterministic(
        Settings(enabled=True), ApplicationInsights(connection_string(fresh_insights)), delay_s=3600
    )
    runtime.use(recorder)
    return Monitor(fresh_insights, recorder)


@pytest.fixture(scope="session")
def _stand_in() -> Iterator[StandIn]:
    with serve_in_thread() as served:
        yield served


@pytest.fixture
def stand_in(_stand_in: StandIn) -> StandIn:
    _stand_in.reset()
    return _stand_in
