"""The page about alerts: what each rule is at, in words and as its twin; and what it says where there is none."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from dashboard import browsing
from shown import Shown

from pf_monitor.alerts.config import read
from pf_monitor.alerts.state import RuleState, State, save
from pf_monitor.alerts.status import Watched
from pf_monitor.web.site import routes

SINCE = datetime(2024, 5, 1, 12, tzinfo=UTC)


@pytest.fixture
def client(tmp_path: Path) -> Iterator[httpx.Client]:
    """A dashboard that watches two rules over an empty store, one of which fires."""
    (tmp_path / "alerts.yaml").write_text("rules:\n  error-rate:\n  no-data:\n")
    fires = RuleState(firing=True, changed=SINCE, evaluated=SINCE)
    save(State({"no-data": fires}, delivered=3, given_up=1), tmp_path)
    watched = Watched(read(tmp_path / "alerts.yaml"), tmp_path)
    with browsing(tmp_path / "insights", lambda source: routes(source, watched)) as client:
        yield client


def test_what_fires_stands_first_with_what_to_look_at(client: httpx.Client) -> None:
    words = Shown(client.get("/alerts").text).words

    assert "1 of 2 fires. Notifications: 3 delivered, 0 to be tried again, 1 given up." in words
    assert (
        "no-data No flow run has arrived in this time. Look at: Whether the flow is up, and `pf-monitor doctor`:"
        " whether its telemetry gets here. ! firing" in words
    )
    assert words.index("no-data") < words.index("error-rate")
    assert "◌ not evaluated yet" in words
    assert "requests no data in 1h, 1 of 1 evaluations, every 15m" in words


def test_the_twin_has_the_same(client: httpx.Client) -> None:
    twin = client.get("/alerts.json").json()

    assert twin["notifications"] == {"delivered": 3, "waiting": 0, "given_up": 1}
    assert [(rule["name"], rule["firing"], rule["value"], rule["changed"]) for rule in twin["rules"]] == [
        ("no-data", True, 0, "2024-05-01T12:00:00Z"),
        ("error-rate", False, None, None),
    ]
    assert json.loads(client.get("/alerts", headers={"accept": "application/json"}).text) == twin


def test_where_nothing_is_watched_the_page_says_how_to_begin(tmp_path: Path) -> None:
    with browsing(tmp_path / "insights") as client:
        words = Shown(client.get("/alerts").text).words

    assert "No alert rule is evaluated pf-monitor alerts new writes a file of rules" in words
