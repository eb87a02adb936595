"""A monitor whose ids and clock are known, the real exporter, and a real local Application Insights behind it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from deterministic import Deterministic, undecided
from local_rows import ask_with_dimensions

from pf_monitor import runtime
from pf_monitor.insights.server import running
from pf_monitor.local import connection_string
from pf_monitor.pipeline.recorder import PipelineRecorder
from pf_monitor.pipeline.sinks import ApplicationInsights
from pf_monitor.settings import Settings
from pf_monitor.standin import StandIn, serve_in_thread


class Monitor:
    """What tests ask: the rows that have arrived."""

    def __init__(self, port: int, recorder: PipelineRecorder) -> None:
        self.port = port
        self.recorder = recorder

    def rows(self, query: str) -> list[dict[str, Any]]:
        """Return the rows of a KQL query; custom dimensions as a dict."""
        assert runtime.flush(20)
        found = ask_with_dimensions(self.port, query)
        for row in found:
            if (dimensions := row.get("customDimensions")) is not None:
                # Newer exporters than promptflow allows move the session to a column, and name the logger.
                if session := row.pop("session_Id", None):
                    dimensions["session.id"] = session
                dimensions.pop("logger_name", None)
        return found

    def spans(self) -> dict[str, dict[str, Any]]:
        """Return the custom dimensions of all spans by name."""
        rows = self.rows("union requests, dependencies | project name, customDimensions")
        return {row["name"]: row["customDimensions"] for row in rows}


@pytest.fixture
def unmonitored(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """A process that has not decided yet, in a folder without a flow file, with an environment that says nothing."""
    with undecided(monkeypatch, tmp_path):
        yield


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
