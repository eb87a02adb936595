"""A process in which nothing is recorded yet, and a temporary folder of its own to spool in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pf_monitor import notices, runtime


@pytest.fixture
def monitor_at_rest(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """Return the folder below which is spooled."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(runtime, "_overrides", {})
    monkeypatch.setattr(runtime, "_flow_places", [])
    notices.forget()
    runtime.stop()
    runtime.off = False
    yield tmp_path
    runtime.stop()
