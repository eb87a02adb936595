"""The dashboard in a real browser, over a store that a really served flow has filled."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

import httpx
import pytest
from served import Scene, scene

from pf_monitor.queries import Filters
from pf_monitor.views.numbers import numbers
from pf_monitor.views.scope import Scope

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here: apt-get install chromium"),
]

ZONE = "Asia/Tokyo"
PAGES = ["/", "/tokens", "/quality", "/operations", "/requests", "/alerts", "/logs"]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with scene() as served:
        yield served


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@dataclass
class Visit:
    """A reader's window, and what must not happen in it."""

    page: Any
    url: str
    complaints: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)

    def go(self, path: str) -> Any:
        self.page.goto(f"{self.url}{path}")
        return self.page

    @property
    def asked(self) -> dict[str, list[str]]:
        """The parameters of the address."""
        return parse_qs(urlsplit(self.page.url).query)

    def number(self, key: str) -> float | None:
        value = self.page.locator(f"#{key} data")
        return float(value.get_attribute("value")) if value.count() else None


Open = Callable[..., Visit]


@pytest.fixture
def window(chromium: Any, served: Scene) -> Iterator[Open]:
    """Open windows; afterwards none may have complained, or asked another host."""
    visits: list[Visit] = []

    def make(**options: Any) -> Visit:
        chosen = {"viewport": {"width": 1280, "height": 900}, "timezone_id": ZONE, **options}
        page = chromium.new_context(**chosen).new_page()
        visit = Visit(page, served.url)
        page.on("console", lambda message: visit.complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: visit.complaints.append(str(error)))
        page.on("request", lambda request: _note(visit, request.url))
        visits.append(visit)
        return visit

    yield make
    for visit in visits:
        visit.page.context.close()
    assert [visit.complaints for visit in visits if visit.complaints] == []
    assert [visit.foreign for visit in visits if visit.foreign] == []


def _note(visit: Visit, address: str) -> None:
    if not address.startswith(visit.url):
        visit.foreign.append(address)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pictures are kept: to be looked at, where the environment says so."""
    folder = Path(os.environ.get("WEB_SCREENSHOTS") or tmp_path_factory.mktemp("screenshots"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _file_name(path: str) -> str:
    return re.sub(r"\W+", "-", path).strip("-")[:40] or "overview"


def trace_path(served: Scene) -> str:
    return f"/requests/{served.failed[0]}"


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_pages_are_accessible_in_both_themes(window: Open, served: Scene, pictures: Path, theme: str) -> None:
    visit = window(color_scheme=theme)
    found = {}
    logs = (
        "/logs?q=requests%20%7C%20summarize%20n%20%3D%20count()%20by%20bin(timestamp,%201m)%20%7C%20render%20timechart"
    )
    for path in [*PAGES, trace_path(served), logs, "/logs?q=nonsense", "/?flow=none"]:
        page = visit.go(path)
        for details in page.locator("details.span").all()[:2]:
            details.evaluate("one => { one.open = true; }")
        results = axe.Axe().run(page).response["violations"]
        serious = [
            (one["id"], node["html"][:200], node["failureSummary"])
            for one in results
            if one["impact"] in {"serious", "critical"}
            for node in one["nodes"]
        ]
        if serious:
            found[path] = serious
        page.screenshot(path=pictures / f"{_file_name(path)}-{theme}.png", full_page=True)

    assert found == {}


def test_a_narrow_window_needs_no_scrolling_sideways(window: Open, served: Scene, pictures: Path) -> None:
    visit = window(viewport={"width": 360, "height": 800})

    for path in [*PAGES, trace_path(served), "/logs?q=requests"]:
        page = visit.go(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, path
        page.screenshot(path=pictures / f"{_file_name(path)}-narrow.png", full_page=True)


def test_the_numbers_are_those_of_the_query(window: Open, served: Scene) -> None:
    visit = window()
    visit.go("/")

    expected = numbers(served.source, Scope.of_last("1d", datetime.now(UTC)))
    keys = ("requests", "error_rate", "total_tokens", "cost_usd", "p50_ms", "p95_ms", "p99_ms", "model_calls")
    assert {key: visit.number(key) for key in keys} == {key: expected[key] for key in keys}  # type: ignore[literal-required]  # names of a loop
    assert expected["requests"] == len(served.answers)


def test_range_and_filter_hold_across_pages(window: Open, served: Scene) -> None:
    visit = window()
    page = visit.go("/")

    page.get_by_role("link", name="The last hour").click()
    assert visit.asked == {"last": ["1h"]}
    assert page.get_by_role("link", name="The last hour").get_attribute("aria-current") == "true"
    page.get_by_text("Filter", exact=True).first.click()
    page.locator("select#filter-node").select_option("ask_model")
    page.locator("select#filter-outcome").select_option("error")
    page.get_by_role("button", name="Filter").click()
    page.wait_for_url("**/?*node=ask_model*")
    assert visit.asked == {"last": ["1h"], "node": ["ask_model"], "outcome": ["error"]}

    scope = Scope.of_last("1h", datetime.now(UTC), Filters(node="ask_model", outcome="error"))
    expected = numbers(served.source, scope)
    assert visit.number("requests") == expected["requests"] > 0
    page.get_by_role("navigation", name="Pages").get_by_role("link", name="Token usage").click()
    page.wait_for_url("**/tokens?*")
    assert visit.asked == {"last": ["1h"], "node": ["ask_model"], "outcome": ["error"]}
    assert visit.number("total_tokens") == expected["total_tokens"]
    page.get_by_role("link", name="Remove the filter outcome").click()
    page.wait_for_url("**/tokens?last=1h&node=ask_model")


def test_a_custom_range_is_in_the_readers_zone(window: Open, served: Scene) -> None:
    visit = window()
    page = visit.go("/")

    page.get_by_text("Custom range").click()
    page.locator("#from").fill("2024-05-01T09:00:00")
    page.locator("#to").fill("2024-05-01T21:30:00")
    page.get_by_role("button", name="Show").click()
    page.wait_for_url("**/?*from=*")

    assert visit.asked == {"from": ["2024-05-01T00:00:00Z"], "to": ["2024-05-01T12:30:00Z"]}
    assert "2024-05-01 09:00 to 2024-05-01 21:30" in page.locator(".range").inner_text()
    assert "No request in this time" in page.locator("main").inner_text()


def test_times_are_in_the_readers_zone_and_iso_on_hover(window: Open, served: Scene) -> None:
    page = window().go("/requests?sort=time")

    first = page.locator("tbody time").first
    moment = datetime.fromisoformat(first.get_attribute("datetime"))
    assert first.inner_text() == moment.astimezone(ZoneInfo(ZONE)).strftime("%Y-%m-%d %H:%M:%S")
    assert first.get_attribute("title") == first.get_attribute("datetime")


def test_a_trace_opens_from_the_table_by_keyboard(window: Open, served: Scene) -> None:
    visit = window()
    page = visit.go("/requests?outcome=error")

    page.locator("#search").focus()
    focused = "document.activeElement.className"
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.evaluate(focused) == "row":
            break
    assert page.evaluate(focused) == "row"
    page.keyboard.press("Enter")
    page.wait_for_url("**/requests/*")
    assert urlsplit(page.url).path.rpartition("/")[2] in served.failed

    step = page.locator("details.span:not([open]) > summary").first
    for _ in range(60):
        page.keyboard.press("Tab")
        if step.evaluate("one => one === document.activeElement"):
            break
    page.keyboard.press("Enter")
    assert page.locator("details.span[open]").count() >= 1
    assert page.get_by_role("button", name=re.compile("Copy .*[0-9a-f]{32}")).first.is_visible()


def test_kql_runs_and_its_errors_are_marked(window: Open, served: Scene) -> None:
    visit = window()
    page = visit.go("/logs")
    kql = "dependencies | summarize calls = count() by name | order by name asc"

    page.get_by_label("Query in KQL").fill(kql)
    page.keyboard.press("Control+Enter")
    page.wait_for_url("**/logs?*q=*")
    expected = served.source.query(kql).records()
    rows = page.locator("table.results tbody tr").all()
    assert [[cell.inner_text() for cell in row.locator("td").all()] for row in rows] == [
        [str(one["name"]), str(one["calls"])] for one in expected
    ]

    page.get_by_text("requests", exact=True).first.click()
    page.get_by_role("button", name="Insert duration").first.click()
    assert "duration" in page.get_by_label("Query in KQL").input_value()
    page.get_by_label("Query in KQL").fill("requests\n| sumarize count()")
    page.get_by_role("button", name="Run").click()
    page.wait_for_url("**sumarize**")
    assert "did you mean 'summarize'? Line 2, column 3." in page.get_by_role("alert").inner_text()
    assert page.locator("mark").inner_text() == "sumarize count()"


def test_a_result_is_downloaded_whole(window: Open, served: Scene) -> None:
    page = window().go("/logs?q=requests%20%7C%20project%20operation_Id")

    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    lines = Path(download.value.path()).read_text().splitlines()
    assert lines[0] == "operation_Id"
    assert len(lines) == len(served.answers) + 1


def test_the_pointer_on_a_chart_shows_its_values(window: Open, served: Scene) -> None:
    page = window().go("/?last=15m")
    chart = page.locator("#requests-chart")
    busiest = chart.locator("tbody tr").evaluate_all(
        "rows => rows.findIndex(row => Number(row.cells[1].textContent) > 0)"
    )
    chart.locator(".hit").nth(busiest).hover(force=True)

    told = chart.locator(".tip").inner_text().split("\n")
    cells = chart.locator("tbody tr").nth(busiest).locator("th, td").all_text_contents()
    assert told == [cells[0], "succeeded", cells[1], "failed", cells[2]]


def test_operational_refreshes_itself_and_can_be_paused(window: Open, served: Scene) -> None:
    visit = window()
    visit.page.clock.install()
    page = visit.go("/operations?last=15m")
    page.clock.pause_at(datetime.now(UTC).timestamp() + 1)
    before = page.locator(".tile", has_text="Requests per minute").inner_text()
    summary = page.locator("#rate-chart summary")
    summary.click()
    summary.focus()

    served.add_request()
    with page.expect_response("**/operations*"):
        page.clock.fast_forward(10_000)
    page.wait_for_function("before => !document.querySelector('.tile').innerText.includes(before)", arg=before)
    assert "Refreshed at" in page.locator("#refreshed").inner_text()
    assert page.locator("#rate-chart details").get_attribute("open") == ""
    assert page.evaluate("document.activeElement.closest('figure').id") == "rate-chart"

    page.get_by_role("button", name="Pause").click()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.clock.fast_forward(60_000)
    assert page.get_by_role("button", name="Resume").is_visible()
    assert asked == []


def test_the_theme_is_switched_and_kept(window: Open, served: Scene) -> None:
    page = window(color_scheme="light").go("/")
    background = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(background)

    button = page.get_by_role("button", name=re.compile("Theme"))
    button.click()
    button.click()
    assert button.inner_text().split() == ["Theme:", "dark"]
    dark = page.evaluate(background)
    page.reload()
    assert page.evaluate(background) == dark != light


def test_everything_works_without_scripts(window: Open, served: Scene) -> None:
    visit = window(java_script_enabled=False)
    page = visit.go("/")

    assert visit.number("requests")
    page.get_by_text("Filter", exact=True).first.click()
    page.locator("#filter-node").fill("ask_model")
    page.get_by_role("button", name="Filter").click()
    assert visit.asked == {"last": ["1d"], "node": ["ask_model"]}
    page.get_by_role("navigation", name="Pages").get_by_role("link", name="Requests").click()
    page.locator("a.row").first.click()
    page.locator("details.span > summary").first.click()
    assert page.locator("details.span[open]").count() >= 1
    page.get_by_role("navigation", name="Pages").get_by_role("link", name="Logs").click()
    page.get_by_label("Query in KQL").fill("requests | count")
    page.get_by_role("button", name="Run").click()
    assert page.locator("table.results td").inner_text().strip() == str(served.requests)


def test_quality_shows_feedback(window: Open, served: Scene) -> None:
    page = window().go("/quality")

    row = page.locator("tr", has_text="user_feedback").first.inner_text().split()
    assert row[:2] == ["user_feedback", str(served.judged)]
    assert "Too short." in page.locator("main").inner_text()


def test_quality_shows_verdicts_that_need_no_colour(window: Open) -> None:
    page = window().go("/quality")

    monitors = page.get_by_role("region", name="Monitors")
    badges = [badge.split() for badge in monitors.locator(".badge").all_inner_texts()]
    assert badges == [["✓", "pass"], ["?", "inconclusive"], ["✕", "fail"]]
    page.set_viewport_size({"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_the_seven_numbers_agree(window: Open, served: Scene, run_report: Callable[..., Any]) -> None:
    """In the page, in its twin, in the terminal report and in the query itself."""
    keys = ("requests", "total_tokens", "cost_usd", "error_rate", "p50_ms", "p95_ms", "p99_ms")
    scope = Scope.of_last("1d", datetime.now(UTC))
    visit = window()
    visit.go("/")

    page = {key: visit.number(key) for key in keys}
    twin = httpx.get(f"{served.url}/overview.json", trust_env=False).json()["now"]
    report = run_report(served.url)["now"]
    direct = served.source.query(scope.load("summary")).records()[0]
    assert page == {key: twin[key] for key in keys}
    assert page == {key: report[key] for key in keys}
    assert page == {key: direct[key] for key in keys}
    assert json.dumps(twin) == json.dumps(report)
