"""A process that has not decided whether it is monitored, a real local Application Insights, and the stand-in model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import local_rows
import pytest

from pf_monitor import notices, runtime
from pf_monitor.insights.server import running
from pf_monitor.instrument import correlation
from pf_monitor.local import connection_string
from pf_monitor.standin import StandIn, serve_in_thread

Ask = Callable[[str], list[dict[str, Any]]]


@pytest.fixture(scope="session")
def _stand_in() -> Iterator[StandIn]:
    with serve_in_thread() as served:
        yield served


@pytest.fixture
def stand_in(_stand_in: StandIn, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    """The stand-in model, with the environment that points to it."""
    _stand_in.reset()
    for name, value in _stand_in.environment.items():
        monkeypatch.setenv(name, value)
    return _stand_in


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    with running(tmp_path / "insights") as port:
        yield port


@pytest.fixture
def ask(port: int) -> Ask:
    """Run KQL on what has arrived."""

    return partial(local_rows.ask, port)


@pytest.fixture
def undecided(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, port: int) -> Iterator[None]:
    """A process that has decided nothing, in an empty folder, whose telemetry goes to the local one."""
    for name in ("PF_MONITOR_ENABLED", "PF_MONITOR_CAPTURE_CONTENT", "OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("APPLICATIONINSIGHTS_CONNECTION_STRING", connection_string(port))
    folder = tmp_path / "empty"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setattr(runtime, "_overrides", {})
    monkeypatch.setattr(runtime, "_captured", {})
    monkeypatch.setattr(runtime, "_flow_places", [])
    notices.forget()
    runtime.stop()
    runtime.off = runtime.takes_over = False
    yield
    runtime.stop()
    runtime.off = runtime.takes_over = False
    correlation._ambient.set({})
