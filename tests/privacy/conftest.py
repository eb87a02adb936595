"""A monitor whose wire is read along, in front of a real local Application Insights."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from captured_wire import Wire

from pf_monitor import notices, runtime
from pf_monitor.insights.server import running
from pf_monitor.instrument import correlation
from pf_monitor.local import connection_string
from pf_monitor.pipeline.recorder import PipelineRecorder
from pf_monitor.pipeline.sinks import ApplicationInsights
from pf_monitor.settings import Settings


@pytest.fixture
def unmonitored(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    for name in ("PF_MONITOR_ENABLED", "APPLICATIONINSIGHTS_CONNECTION_STRING", "OTEL_SERVICE_NAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(runtime, "_overrides", {})
    monkeypatch.setattr(runtime, "_captured", {})
    monkeypatch.setattr(runtime, "_flow_places", [])
    notices.forget()
    runtime.stop()
    runtime.off = False
    yield
    runtime.stop()
    correlation._ambient.set({})


@pytest.fixture
def wire(tmp_path: Path, unmonitored: None) -> Iterator[Wire]:
    with running(tmp_path / "insights") as port:
        made = Wire(port)
        yield made
        runtime.stop()
        made.close()


@pytest.fixture
def monitored(wire: Wire) -> Callable[..., Wire]:
    """Start a monitor with settings."""

    def start(**settings: Any) -> Wire:
        string = connection_string(wire.port)
        given = Settings(enabled=True, connection_string=string, **settings)
        runtime.use(PipelineRecorder(given, ApplicationInsights(string), delay_s=3600))
        return wire

    return start


@pytest.fixture
def log_file(tmp_path: Path) -> Iterator[Path]:
    """Write down all that the monitor and those who send for it say."""
    path = tmp_path / "monitor.log"
    handler = logging.FileHandler(path)
    loggers = [logging.getLogger(name) for name in ("pf_monitor", "azure", "opentelemetry", "urllib3")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(logging.DEBUG)
    yield path
    for logger, level in zip(loggers, levels, strict=True):
        logger.removeHandler(handler)
        logger.setLevel(level)
    handler.close()
