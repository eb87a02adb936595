"""A local Application Insights over loopback."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from talk import Server

from pf_monitor.insights import Store
from pf_monitor.insights.server import running


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    directory = tmp_path / "insights"
    with running(directory) as port:
        server = Server(port, directory)
        with server.client:
            yield server


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "insights") as store:
        yield store
