"""What the server asks itself begins when nobody waits for a page."""

from __future__ import annotations

import threading
from pathlib import Path

import httpx
import pytest

from pf_monitor.insights import QueryStoppedError, Timespan
from pf_monitor.insights.server import running
from pf_monitor.table import Table
from pf_monitor.web.background import PRIORITY, Background
from pf_monitor.web.site import routes

NOTHING = Table((), [])


class Slow:
    """Something that answers nothing, and that only when it is told to."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.goes_on = threading.Event()

    def query(self, kql: str, timespan: Timespan | None = None, *, stop: threading.Event | None = None) -> Table:
        self.asked.set()
        assert self.goes_on.wait(20)
        return NOTHING


def test_a_query_in_the_background_waits_for_those_who_wait_for_a_page() -> None:
    order: list[str] = []

    class Source:
        def query(self, kql: str, timespan: Timespan | None = None, *, stop: threading.Event | None = None) -> Table:
            order.append(kql)
            begun.set()
            return NOTHING

    begun = threading.Event()
    background = Background(Source())
    with background.somebody_waits(), background.somebody_waits():
        asking = threading.Thread(target=background.query, args=("background",))
        asking.start()
        assert not begun.wait(0.1)
        order.append("page")
    asking.join(20)
    assert order == ["page", "background"]


def test_a_query_in_the_background_is_stopped_for_those_who_come_and_asked_again_after_them() -> None:
    stops: list[threading.Event | None] = []

    class Source:
        def query(self, kql: str, timespan: Timespan | None = None, *, stop: threading.Event | None = None) -> Table:
            stops.append(stop)
            asked.release()
            if len(stops) == 1:
                assert stop is not None
                assert stop.wait(20)
                raise QueryStoppedError("The query was stopped")
            return NOTHING

    asked = threading.Semaphore(0)
    background = Background(Source())
    asking = threading.Thread(target=background.query, args=("background",))
    asking.start()
    assert asked.acquire(timeout=20)
    with background.somebody_waits():
        assert not asked.acquire(timeout=0.1)
    asking.join(20)
    assert [stop is not None and stop.is_set() for stop in stops] == [True, False]


def test_a_page_that_is_asked_again_and_again_does_not_keep_it_waiting_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pf_monitor.web.background._LONGEST_WAIT", 0.01)

    class Source:
        def query(self, kql: str, timespan: Timespan | None = None, *, stop: threading.Event | None = None) -> Table:
            return NOTHING

    background = Background(Source())
    with background.somebody_waits():
        assert background.query("requests") is NOTHING


@pytest.mark.parametrize(("headers", "waits"), [({}, False), (PRIORITY, True)], ids=["people", "background"])
def test_a_request_says_whether_somebody_waits_for_it(tmp_path: Path, headers: dict[str, str], waits: bool) -> None:
    source = Slow()
    with running(tmp_path, pages=lambda _: routes(source)) as port:
        first, second = (
            threading.Thread(
                target=httpx.get, args=(f"http://127.0.0.1:{port}/requests.json",), kwargs={"headers": one}
            )
            for one in ({}, headers)
        )
        first.start()
        assert source.asked.wait(20)
        source.asked.clear()
        second.start()
        assert source.asked.wait(0.3 if waits else 20) is not waits
        source.goes_on.set()
        for thread in (first, second):
            thread.join(20)
            assert not thread.is_alive()
