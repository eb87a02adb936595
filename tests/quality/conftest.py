"""A store that tests fill with flow runs, and receivers of alerts."""

from __future__ import annotations

import pytest
from alerting import receiver
from scene import scene

from pf_monitor import notices

__all__ = ["receiver"]


@pytest.fixture
def store(tmp_path):
    """An empty local Application Insights."""
    notices.forget()
    with scene(tmp_path / "data") as served:
        yield served
