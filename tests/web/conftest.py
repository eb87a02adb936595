"""The dashboard over a small store, asked over HTTP as a browser asks."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from dashboard import browsing
from web_items import ITEMS

from pf_monitor.cli._source import Source
from pf_monitor.local_server import ServerSource


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of a store that has got the items."""
    with browsing(tmp_path_factory.mktemp("insights")) as client:
        answer = client.post("/v2.1/track", content=json.dumps(ITEMS))
        assert answer.json()["itemsAccepted"] == len(ITEMS), answer.text
        yield client


@pytest.fixture
def source(client: httpx.Client) -> Iterator[Source]:
    """The same store, asked in KQL."""
    with ServerSource.connect(str(client.base_url)) as source:
        yield source


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[httpx.Client]:
    with browsing(tmp_path / "insights") as client:
        yield client


@pytest.fixture
def run_report() -> Callable[..., Any]:
    """`pf-monitor report --json`, as a process."""

    def run(url: str) -> Any:
        command = [sys.executable, "-c", "from pf_monitor.cli import main; main()", "report", "--json", "--url", url]
        return json.loads(subprocess.run(command, capture_output=True, check=True, timeout=60).stdout)

    return run
